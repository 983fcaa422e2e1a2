"""The search of the best threshold leaves thresholds out, and still finds what trying them all finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_brain_uad.evaluation import search
from napari_brain_uad.evaluation.search import best_dice_with_components, recall_thresholds

SHAPE = (9, 8, 7)
STRUCTURE = {6: 1, 18: 2, 26: 3}


def _every(
    score: np.ndarray, truth: np.ndarray, mask: np.ndarray, thresholds: np.ndarray, min_voxels: int, connectivity: int
) -> tuple[float, float]:
    """Dice and threshold after trying them all, the lowest of equals."""
    found = []
    for threshold in np.sort(thresholds):
        flagged = mask & (score > np.float32(threshold))
        labels, _ = ndimage.label(flagged, ndimage.generate_binary_structure(3, STRUCTURE[connectivity]))
        sizes = np.bincount(labels.ravel())
        kept = flagged & (sizes[labels] >= min_voxels)
        found.append((2 * (kept & truth & mask).sum() / (kept.sum() + (truth & mask).sum()), -threshold))
    dice, lowest = max(found)
    return dice, -lowest


@given(
    seed=st.integers(0, 10_000),
    smooth=st.floats(0, 2),
    steps=st.sampled_from([4, 12, 10_000]),
    min_voxels=st.sampled_from([1, 2, 5, 30]),
    connectivity=st.sampled_from([6, 18, 26]),
)
def test_it_finds_what_trying_every_threshold_finds(seed: int, smooth: float, steps: int, min_voxels: int, connectivity: int) -> None:
    rng = np.random.default_rng(seed)
    score = ndimage.gaussian_filter(rng.random(SHAPE), smooth)
    truth = ndimage.gaussian_filter(rng.random(SHAPE), 1.0) > rng.uniform(0.4, 0.6)
    # Few steps: voxels tie with each other and thresholds with voxels.
    score = (np.round((score + 0.1 * truth) * steps) / steps).astype(np.float32)
    mask = rng.random(SHAPE) < 0.95
    thresholds = np.concatenate([rng.uniform(0, 1, 20), np.unique(score)[:20]])
    found = best_dice_with_components(score, truth, mask, thresholds, min_voxels, connectivity)
    if not (truth & mask).any():
        assert found is None
        return
    dice, threshold = _every(score, truth, mask, thresholds, min_voxels, connectivity)
    assert found is not None
    assert found.dice == dice
    assert found.threshold == (threshold if dice > 0 else thresholds.max())


def test_most_thresholds_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    truth = np.zeros((40, 40, 40), bool)
    truth[10:20, 10:20, 10:20] = True
    score = ndimage.gaussian_filter(rng.normal(0, 3, truth.shape) + truth, 1.0).astype(np.float32)
    thresholds = recall_thresholds(score, truth)
    tried = []
    labelled = search.label
    monkeypatch.setattr(search, "label", lambda *given: tried.append(1) or labelled(*given))
    found = best_dice_with_components(score, truth, None, thresholds)
    assert found is not None
    assert (found.dice, found.threshold) == _every(score, truth, np.ones_like(truth), thresholds, 20, 6)
    assert len(tried) < 0.6 * len(thresholds)
