from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.evaluation.merged_levels import merged_curves
from napari_brain_uad.evaluation.pooled import BrainScores, pool


@pytest.mark.parametrize("levels", [None, 7])
def test_pooled_figures_against_scikit_learn(levels: int | None) -> None:
    rng = np.random.default_rng(2)
    scans, scores, truths = [], [], []
    for number, shape in enumerate([(9, 8, 7), (6, 10, 5), (4, 4, 4)]):
        truth, brain = rng.random(shape) < 0.15, rng.random(shape) < 0.7
        score = (rng.normal(size=shape) + truth * number).astype(np.float32)
        score = score if levels is None else np.round(score * 2).astype(np.float32)
        scans.append(BrainScores.of(score, truth, brain))
        # The same in plain words: what is outside the brain ranks last, and counts only where it is truth.
        counted = brain | truth
        scores.append(np.where(brain, score, -100.0)[counted])
        truths.append(truth[counted])
    y, s = np.concatenate(truths), np.concatenate(scores)
    found = pool(scans)
    assert found.auprc == pytest.approx(average_precision_score(y, s), abs=1e-12)
    assert found.auroc == pytest.approx(roc_auc_score(y, s), abs=1e-12)
    precision, recall, _ = precision_recall_curve(y, s)
    dice = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert found.best_dice_voxels == pytest.approx(dice.max(), abs=1e-12)
    assert np.trapezoid(found.roc_curve[1], found.roc_curve[0]) == pytest.approx(found.auroc, abs=2e-3)


def test_without_truth_nothing_is_defined() -> None:
    found = pool([BrainScores(np.arange(5, dtype=np.float32), np.zeros(5, bool), np.zeros(5, np.uint16), 0)])
    assert (found.auprc, found.auroc, found.best_dice_voxels) == (None, None, None)
    assert found.pr_curve.shape == (3, 0)


def _scans(count: int, size: int) -> list[BrainScores]:
    """Scores of either sign, zeros of both signs among them, some of the truth outside the brain."""
    made = []
    for number in range(count):
        rng = np.random.default_rng(number)
        truth = rng.random(size) < 0.1
        score = (rng.normal(size=size) + truth).astype(np.float32)
        score[rng.random(size) < 0.05] = -0.0
        score[rng.random(size) < 0.05] = 0.0
        made.append(BrainScores(score, truth, np.zeros(size, np.uint16), number % 3))
    return made


def _at_once(scans: list[BrainScores]) -> Curves:
    """All scans as one; what is missed lies just below every score."""
    missed = sum(scan.missed for scan in scans)
    below = np.full(missed, np.nextafter(min(scan.score.min() for scan in scans), np.float32(-np.inf)))
    score, truth = [*(scan.score for scan in scans), below], [*(scan.truth for scan in scans), np.ones(missed, bool)]
    return Curves(np.concatenate(score), np.concatenate(truth))


def _parts(scans: list[BrainScores]) -> list[tuple[np.ndarray, np.ndarray, int]]:
    return [(scan.score, scan.truth, scan.missed) for scan in scans]


@pytest.mark.parametrize("most", [1 << 22, 301])  # with a few more levels than there are, merged in several steps
def test_scan_by_scan_is_the_same_as_all_at_once(most: int) -> None:
    scans = _scans(5, 600)
    whole, merged = _at_once(scans), merged_curves(_parts(scans), most)
    assert whole.levels.size < most
    for name in ("levels", "tp", "fp", "fp_before"):
        assert np.array_equal(getattr(whole, name), getattr(merged, name))
    for one, other in zip((*whole.pr_curve(), *whole.roc_curve()), (*merged.pr_curve(), *merged.roc_curve()), strict=True):
        assert np.array_equal(one, other)
    assert (merged.average_precision, merged.auroc, merged.positives, merged.negatives) == (
        whole.average_precision,
        whole.auroc,
        whole.positives,
        whole.negatives,
    )
    assert merged.highest_dice == whole.best_dice()[0]  # type: ignore[index]  # there is truth


def test_beyond_the_most_levels_the_last_bits_are_dropped() -> None:
    scans = _scans(5, 600)
    merged = merged_curves(_parts(scans), 100)
    assert 50 < merged.levels.size <= 100
    rounded = []
    for scan in scans:
        mantissa, exponent = np.frexp(scan.score)
        # As many of the mantissa's bits as are left, towards lower scores.
        low = np.ldexp(np.floor(mantissa * 16) / 16, exponent).astype(np.float32)
        rounded.append(BrainScores(low, scan.truth, scan.slices, scan.missed))
    whole = _at_once(rounded)
    assert merged.average_precision == pytest.approx(whole.average_precision, abs=1e-12)
    assert merged.auroc == pytest.approx(whole.auroc, abs=1e-12)
    exact = _at_once(scans)
    assert merged.auroc == pytest.approx(exact.auroc, abs=0.002)


def test_memory_does_not_grow_with_the_cohort() -> None:
    class Made:
        def __init__(self, count: int) -> None:
            self.count = count

        def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
            for number in range(self.count):
                rng = np.random.default_rng(number)
                truth = np.arange(40_000) < 2000
                yield (rng.normal(size=truth.size) + truth).astype(np.float32), truth, 0

    peaks = []
    for count in (4, 24):
        tracemalloc.start()
        found = merged_curves(Made(count), 3000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found.positives == count * 2000
    assert peaks[1] < 1.1 * peaks[0]
