"""Oracle: counting with masks at every threshold."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.postprocessing.ranking import RankedScores


def scores(seed: int, levels: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.normal(size=(7, 8, 9)).astype(np.float32)
    if levels:
        score = np.round(score * levels) / np.float32(levels)
    return score, rng.random(score.shape) < 0.2, rng.random(score.shape) < 0.7


def brute_dice(flagged: np.ndarray, truth: np.ndarray) -> float:
    return 2 * (flagged & truth).sum() / (flagged.sum() + truth.sum())


@pytest.mark.parametrize("levels", [None, 1, 5])
@pytest.mark.parametrize("seed", range(5))
def test_counts_at_any_threshold(seed: int, levels: int | None) -> None:
    score, truth, mask = scores(seed, levels)
    ranked = RankedScores(score, truth, mask)
    for threshold in [*np.unique(score)[::7], -9.0, 9.0, 0.123]:
        counts = ranked.counts(float(threshold))
        flagged = score > threshold
        assert counts.tp == (flagged & truth & mask).sum()
        assert counts.fp == (flagged & ~truth & mask).sum()
        assert counts.fn == (~flagged & truth & mask).sum()
        assert counts.tn == (~flagged & ~truth & mask).sum()


@pytest.mark.parametrize("levels", [None, 1, 5])
@pytest.mark.parametrize("seed", range(5))
def test_best_dice_is_the_best_of_all_thresholds_and_its_threshold_gives_it(seed: int, levels: int | None) -> None:
    score, truth, mask = scores(seed, levels)
    best = RankedScores.of_brain(score, truth, mask).best_dice()
    assert best is not None
    tried = [brute_dice((score > t) & mask, truth) for t in [*np.unique(score), score.min() - 1]]
    assert best[0] == pytest.approx(max(tried), abs=1e-12)
    assert brute_dice((score > np.float32(best[1])) & mask, truth) == pytest.approx(best[0], abs=1e-12)


def test_threshold_between_neighbouring_floats_and_huge_scores() -> None:
    one = np.float32(1.0)
    for low, high in (
        (one, np.nextafter(one, np.float32(2))),
        (np.float32(3.0e38), np.float32(3.4e38)),
        (np.float32(-3.4e38), np.float32(3.4e38)),
    ):
        score = np.array([[[low, high]]])
        best = RankedScores(score, score == high).best_dice()
        assert best is not None
        assert best[0] == 1.0
        np.testing.assert_array_equal(score > np.float32(best[1]), score == high)


def test_everything_flagged_is_best_when_all_is_truth() -> None:
    score = np.full((2, 2, 2), 0.5, np.float32)
    best = RankedScores(score, np.ones(score.shape, bool)).best_dice()
    assert best is not None
    assert best[0] == 1.0
    assert (score > np.float32(best[1])).all()


def test_undefined_figures_are_none() -> None:
    score = np.zeros((2, 2, 2), np.float32)
    empty = RankedScores(score, np.zeros(score.shape, bool))
    assert empty.best_dice() is None
    counts = empty.counts(1.0)
    assert (counts.dice, counts.precision, counts.recall, counts.iou, counts.specificity) == (None, None, None, None, 1.0)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="ground truth has 3x2x2 voxels"):
        RankedScores(np.zeros((2, 2, 2), np.float32), np.zeros((3, 2, 2), bool))
