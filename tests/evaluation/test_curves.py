"""Oracle: scikit-learn, with and without ties."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from sklearn import metrics as sk

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.evaluation.curves import Curves, LiveHistogram
from napari_brain_uad.evaluation.pro import per_region_overlap

SHAPE = (12, 11, 13)
CASES = [(seed, levels) for seed in range(4) for levels in (None, 1, 4, 30)]


def case(seed: int, levels: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random(SHAPE) < (0.02, 0.2, 0.5, 0.9)[seed]
    score = (rng.normal(size=SHAPE) + 0.8 * truth).astype(np.float32)
    if levels:
        score = np.round(score * levels) / np.float32(levels)
    return score, truth, rng.random(SHAPE) < 0.6


@pytest.mark.parametrize(("seed", "levels"), CASES)
@pytest.mark.parametrize("inside", [False, True])
def test_areas_against_scikit_learn(seed: int, levels: int | None, inside: bool) -> None:
    score, truth, mask = case(seed, levels)
    curves = Curves(score, truth, mask if inside else None)
    y, s = (truth[mask], score[mask]) if inside else (truth.ravel(), score.ravel())
    precision, recall, _ = sk.precision_recall_curve(y, s)
    assert curves.average_precision == pytest.approx(sk.average_precision_score(y, s), abs=1e-12)
    assert curves.auroc == pytest.approx(sk.roc_auc_score(y, s), abs=1e-12)
    assert curves.auprc_trapezoid == pytest.approx(sk.auc(recall, precision), abs=1e-12)


@pytest.mark.parametrize(("seed", "levels"), CASES)
def test_curves_are_scikit_learns(seed: int, levels: int | None) -> None:
    score, truth, _ = case(seed, levels)
    curves = Curves(score, truth)
    # Every vertex of ours is a point of the full curve, and the areas under both are the same.
    precision, recall, _ = sk.precision_recall_curve(truth.ravel(), score.ravel())
    full = set(zip(recall.round(9), precision.round(9), strict=True))
    ours_recall, ours_precision, levels_pr = curves.pr_curve()
    assert set(zip(ours_recall.round(9), ours_precision.round(9), strict=True)) <= full | {(0.0, 1.0)}
    assert (np.diff(ours_recall) >= 0).all()
    assert (np.diff(levels_pr) <= 0).all()
    fpr, tpr, _ = curves.roc_curve()
    full_fpr, full_tpr, _ = sk.roc_curve(truth.ravel(), score.ravel(), drop_intermediate=False)
    assert set(zip(fpr.round(9), tpr.round(9), strict=True)) <= set(zip(full_fpr.round(9), full_tpr.round(9), strict=True))
    assert np.trapezoid(tpr, fpr) == pytest.approx(sk.auc(full_fpr, full_tpr), abs=1e-12)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0.0, 0.0, 1.0, 1.0)


def test_dice_at_a_threshold() -> None:
    score, truth, _ = case(1, 4)
    curves = Curves(score, truth)
    for threshold in np.unique(score):
        assert curves.dice_at(float(threshold)) == pytest.approx(sk.f1_score(truth.ravel(), score.ravel() > threshold), abs=1e-12)


def test_undefined_is_none() -> None:
    score = np.zeros(SHAPE, np.float32)
    nothing = Curves(score, np.zeros(SHAPE, bool))
    assert (nothing.average_precision, nothing.auprc_trapezoid, nothing.auroc, nothing.best_dice()) == (None, None, None, None)
    assert nothing.pr_curve()[0].size == nothing.roc_curve()[0].size == 0
    everything = Curves(score, np.ones(SHAPE, bool))
    assert (everything.average_precision, everything.auroc) == (1.0, None)
    assert Curves(score, np.ones(SHAPE, bool), np.zeros(SHAPE, bool)).average_precision is None


@pytest.mark.parametrize("bins", [1, 50, 4096])
def test_live_histogram(bins: int) -> None:
    score, truth, mask = case(1, 30)
    live = LiveHistogram(score, mask, truth, bins)
    np.testing.assert_array_equal(live.positives, np.histogram(score[mask & truth], live.edges)[0])
    np.testing.assert_array_equal(live.negatives, np.histogram(score[mask & ~truth], live.edges)[0])
    np.testing.assert_array_equal(live.counts, live.positives + live.negatives)
    for threshold in (-5.0, -0.31, 0.0, 0.5, 1.7, 9.0):
        flagged = (score > threshold) & mask
        figures = live.at(threshold)
        assert figures.flagged == flagged.sum()
        assert figures.false_positives == (flagged & ~truth).sum()
        assert figures.dice == pytest.approx(sk.f1_score(truth.ravel(), flagged.ravel(), zero_division=0))
        assert figures.recall == pytest.approx(sk.recall_score(truth.ravel(), flagged.ravel()))
        assert (figures.precision is None) == (not flagged.any())
        if figures.precision is not None:
            assert figures.precision == pytest.approx(sk.precision_score(truth.ravel(), flagged.ravel()))


def test_live_histogram_without_truth_and_of_constants() -> None:
    score, _, mask = case(0, None)
    live = LiveHistogram(score, mask)
    assert live.at(0.5).dice is None
    assert live.at(0.5).flagged == ((score > 0.5) & mask).sum()
    assert live.best_dice() is None
    flat = LiveHistogram(np.full(SHAPE, 2.0, np.float32), mask)
    assert flat.counts.sum() == mask.sum()
    assert LiveHistogram(score, np.zeros(SHAPE, bool)).counts.sum() == 0


def brute_pro(score: np.ndarray, truth: np.ndarray, limit: float) -> float:
    """The definition, threshold by threshold, with lesions labelled by scipy."""
    lesions, number = ndimage.label(truth, np.ones((3, 3, 3)))
    x, y = [0.0], [0.0]
    for threshold in np.unique(score)[::-1]:
        flagged = score >= threshold
        x.append((flagged & ~truth).sum() / (~truth).sum())
        y.append(float(np.mean([flagged[lesions == n].mean() for n in range(1, number + 1)])))
    ends = np.linspace(0, limit, 200_001)
    return float(np.trapezoid(np.interp(ends, x, y), ends) / limit)


@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_pro_is_its_definition(seed: int, levels: int, limit: float) -> None:
    score, truth, _ = case(seed, levels)
    truth &= np.arange(SHAPE[0])[:, None, None] % 3 > 0
    # np.interp takes the last of several points at one rate; a jump there costs one grid step of 200,000.
    assert per_region_overlap(score, truth, limit=limit) == pytest.approx(brute_pro(score, truth, limit), abs=2e-5)


def test_pro_with_one_lesion_and_no_limit_is_auroc() -> None:
    score, _, mask = case(1, 30)
    truth = np.zeros(SHAPE, bool)
    truth[3:7, 3:7, 3:7] = True
    assert ndimage.label(mask & truth, np.ones((3, 3, 3)))[1] == 1
    expected = sk.roc_auc_score(truth[mask], score[mask])
    assert per_region_overlap(score, truth, mask, limit=1.0) == pytest.approx(expected, abs=1e-12)


def test_pro_undefined() -> None:
    score = np.zeros(SHAPE, np.float32)
    assert per_region_overlap(score, np.zeros(SHAPE, bool)) is None
    assert per_region_overlap(score, np.ones(SHAPE, bool)) is None
    with pytest.raises(InputError, match="PRO"):
        per_region_overlap(score, np.zeros(SHAPE, bool), limit=0.0)
