"""Oracles: SimpleITK's Otsu, and counting."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.postprocessing.thresholds import resolve


@pytest.fixture
def bimodal() -> tuple[np.ndarray, np.ndarray]:
    """Score with two humps, the upper one in a block, and a mask that leaves a bright rim out."""
    rng = np.random.default_rng(5)
    score = rng.normal(0.3, 0.08, (20, 22, 18)).astype(np.float32)
    score[5:10, 5:12, 3:16] = rng.normal(0.8, 0.05, (5, 7, 13))
    mask = np.ones(score.shape, bool)
    mask[:2] = mask[:, :, :2] = False
    score[~mask] = 9.0
    return score, mask


def itk_otsu(scores: np.ndarray) -> float:
    otsu = sitk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(256)
    otsu.Execute(sitk.GetImageFromArray(scores.reshape(1, -1)))
    return otsu.GetThreshold()


def test_otsu_agrees_with_simpleitk_to_a_bin(bimodal: tuple[np.ndarray, np.ndarray]) -> None:
    score, mask = bimodal
    found = resolve(ThresholdRule("otsu"), score, mask)
    inside = score[mask]
    assert found.value == pytest.approx(itk_otsu(inside), abs=1.01 * float(np.ptp(inside)) / 256)
    assert found.origin == "Otsu on this volume"


def test_otsu_per_slice(bimodal: tuple[np.ndarray, np.ndarray]) -> None:
    score, mask = bimodal
    found = resolve(ThresholdRule("otsu-slice"), score, mask)
    assert found.per_slice is not None
    for k in range(2, 18):
        inside = score[:, :, k][mask[:, :, k]]
        assert found.per_slice[k] == pytest.approx(itk_otsu(inside), abs=1.01 * float(np.ptp(inside)) / 256)
    assert not ((found.flag(score) & mask)[:, :, :2]).any()
    assert found.value == pytest.approx(np.median(found.per_slice[2:]))
    assert np.isfinite(found.per_slice).all()


def test_otsu_of_a_constant_flags_nothing() -> None:
    score = np.full((4, 4, 4), 0.5, np.float32)
    for rule in ("otsu", "otsu-slice"):
        assert not resolve(ThresholdRule(rule), score, np.ones(score.shape, bool)).flag(score).any()


@pytest.mark.parametrize(
    ("percentile", "words"), [(95.0, "95th"), (99.5, "99.5th"), (1.0, "1st"), (22.0, "22nd"), (11.0, "11th"), (93.0, "93rd")]
)
def test_percentile_looks_at_the_brain_only(bimodal: tuple[np.ndarray, np.ndarray], percentile: float, words: str) -> None:
    score, mask = bimodal
    found = resolve(ThresholdRule("percentile", percentile), score, mask)
    assert ((score > found.value) & mask).sum() / mask.sum() == pytest.approx(1 - percentile / 100, abs=1e-3)
    assert found.origin == f"{words} percentile of this brain's scores"


def test_best_dice_counts_truth_outside_the_brain_as_missed(bimodal: tuple[np.ndarray, np.ndarray]) -> None:
    score, mask = bimodal
    truth = np.zeros(score.shape, bool)
    truth[4:10, 5:12, 1:16] = True
    found = resolve(ThresholdRule("best-dice"), score, mask, truth=truth)

    def dice(threshold: float) -> float:
        flagged = (score > threshold) & mask
        return 2 * (flagged & truth).sum() / (flagged.sum() + truth.sum())

    assert dice(found.value) == max(dice(t) for t in np.unique(score[mask]))
    assert found.origin == "best Dice on this scan (uses the truth)"


def test_healthy_rate_is_kept_and_no_lower_threshold_keeps_it() -> None:
    rng = np.random.default_rng(6)
    healthy = [np.round(rng.random(5000, dtype=np.float32), 3) for _ in range(12)]
    score, mask = np.zeros((2, 2, 2), np.float32), np.ones((2, 2, 2), bool)
    found = resolve(ThresholdRule("healthy-fpr", 0.01), score, mask, healthy=healthy)
    pooled = np.concatenate(healthy)
    assert (pooled > np.float32(found.value)).mean() <= 0.01
    assert (pooled >= np.float32(found.value)).mean() > 0.01
    assert found.origin == "flags 1 % of 12 healthy scans"


@pytest.mark.parametrize(("rate", "flagged"), [(0.0, 0), (0.07, 7), (1.0, 99)])
def test_healthy_rate_ends(rate: float, flagged: int) -> None:
    healthy = [np.arange(100, dtype=np.float32)]
    found = resolve(ThresholdRule("healthy-fpr", rate), np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), bool), healthy=healthy)
    assert (healthy[0] > found.value).sum() == flagged


def test_value_and_prefix() -> None:
    score, mask = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), bool)
    assert resolve(ThresholdRule("value", 0.4), score, mask).value == 0.4
    assert resolve(ThresholdRule("value", 0.4), score, mask).origin == "set by hand"
    assert resolve(ThresholdRule("value", 0.4), score, mask, origin_prefix="A: ").origin == "A: set by hand"


def test_rules_without_what_they_need() -> None:
    score, mask = np.zeros((2, 2, 2), np.float32), np.ones((2, 2, 2), bool)
    with pytest.raises(InputError, match="needs a ground truth"):
        resolve(ThresholdRule("best-dice"), score, mask)
    with pytest.raises(InputError, match="no voxel of the ground truth lies in the brain"):
        resolve(ThresholdRule("best-dice"), score, mask, truth=~mask)
    for healthy in (None, [], [np.zeros(0, np.float32)]):
        with pytest.raises(InputError, match="needs healthy scans"):
            resolve(ThresholdRule("healthy-fpr", 0.01), score, mask, healthy=healthy)
    with pytest.raises(InputError, match="brain mask is empty"):
        resolve(ThresholdRule("otsu"), score, ~mask)
