"""Oracles: SimpleITK's Otsu, and counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import Threshold, ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.thresholds import resolve as resolve_after

PLAIN = PostParams(opening=0, min_voxels=0)


def resolve(rule: ThresholdRule, score: np.ndarray, mask: np.ndarray, post: PostParams = PLAIN, **given: Any) -> Threshold:
    return resolve_after(rule, score, mask, post=post, grid=Grid(score.shape, np.eye(4)), **given)


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


def test_the_best_dice_is_that_of_the_cleaned_up_mask() -> None:
    """A lesion under a haze of single bright voxels: before the clean-up a high threshold is best, after it a low one."""
    rng = np.random.default_rng(11)
    score = ndimage.gaussian_filter(rng.normal(size=(24, 24, 24)), 1.0).astype(np.float32)
    truth = np.zeros(score.shape, bool)
    truth[6:14, 6:14, 6:14] = True
    score[truth] += 0.5
    score[rng.random(score.shape) < 0.05] += 3.0
    mask, post = np.ones(score.shape, bool), PostParams(opening=1, min_voxels=30)

    def dice(threshold: float) -> float:
        """By scipy, not by our own clean-up."""
        labels, _ = ndimage.label(ndimage.binary_opening(score > threshold), np.ones((3, 3, 3)))
        flagged = (np.bincount(labels.ravel()) >= 30)[labels] & (labels > 0)
        return 2 * (flagged & truth).sum() / (flagged.sum() + truth.sum())

    after, before = (resolve(ThresholdRule("best-dice"), score, mask, one, truth=truth).value for one in (post, PLAIN))
    assert dice(after) >= max(dice(t) for t in np.quantile(score[truth], np.linspace(0, 1, 60))) - 0.01
    assert dice(after) > dice(before) + 0.02


def test_value_and_prefix() -> None:
    score, mask = np.zeros((1, 1, 1), np.float32), np.ones((1, 1, 1), bool)
    assert resolve(ThresholdRule("value", 0.4), score, mask).value == 0.4
    assert resolve(ThresholdRule("value", 0.4), score, mask).origin == "set by hand"
    assert resolve(ThresholdRule("value", 0.4), score, mask, origin_prefix="A: ").origin == "A: a fixed score"


def test_rules_without_what_they_need() -> None:
    score, mask = np.zeros((2, 2, 2), np.float32), np.ones((2, 2, 2), bool)
    with pytest.raises(InputError, match="needs a ground truth"):
        resolve(ThresholdRule("best-dice"), score, mask)
    with pytest.raises(InputError, match="no voxel of the ground truth lies in the brain"):
        resolve(ThresholdRule("best-dice"), score, mask, truth=~mask)
    for rule in ("healthy-ml:1", "healthy-fpr:0.01", "fdr:0.05"):
        with pytest.raises(InputError, match="needs healthy brains"):
            resolve(ThresholdRule.parse(rule), score, mask)
    with pytest.raises(InputError, match="brain mask is empty"):
        resolve(ThresholdRule("otsu"), score, ~mask)
