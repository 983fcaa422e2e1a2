"""Mending the scale of tissue: a smooth shift goes, a lesion stays, and wrong levels are put right."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.preprocessing.tissue_shift import relevelled, tissue_shift

SHAPE = (40, 60, 60)
PIXELS = (2.0, 2.0, 2.0)
MASK = np.ones(SHAPE, bool)


def tissues(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Fluid in a middle of white matter in grey matter; the scale, and probabilities that know it."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    true = np.select([radius < 0.3, radius < 1.0], [1.0, 3.0], 2.0)
    probabilities = np.stack([true == k for k in (1, 2, 3)], axis=1).astype(np.float32)
    return (true + rng.normal(0, 0.1, SHAPE)).astype(np.float32), probabilities


@pytest.mark.parametrize("known", [False, True])
def test_a_smooth_shift_is_found(known):
    scale, probabilities = tissues()
    slope = np.broadcast_to(np.linspace(-0.35, 0.35, SHAPE[1], dtype=np.float32)[None, :, None], SHAPE)
    found = tissue_shift(scale + slope, MASK, PIXELS, probabilities if known else None)
    assert np.abs(found - slope)[5:-5, 8:-8, 8:-8].mean() < 0.06
    assert np.abs(tissue_shift(scale, MASK, PIXELS, probabilities)).max() < 0.06


def test_a_lesion_is_not_taken_for_a_shift():
    scale, probabilities = tissues()
    lesion = scale.copy()
    lesion[18:23, 38:44, 28:34] = 1.5
    change = tissue_shift(lesion, MASK, PIXELS, probabilities) - tissue_shift(scale, MASK, PIXELS, probabilities)
    assert np.abs(change).max() < 0.15


def test_outside_the_brain_there_is_no_shift():
    scale, _ = tissues()
    mask = MASK.copy()
    mask[:, :20] = False
    assert (tissue_shift(scale + 0.2, mask, PIXELS)[~mask] == 0).all()


def test_wrong_levels_are_put_right():
    scale, probabilities = tissues()
    wrong = np.where(scale > 2, 2 + 1.8 * (scale - 2), scale + 0.1).astype(np.float32)
    right = relevelled(wrong, probabilities, MASK)
    for tissue in range(3):
        assert np.median(right[probabilities[:, tissue] == 1]) == pytest.approx(tissue + 1, abs=0.03)


def test_tissues_that_fall_together_are_left():
    scale, probabilities = tissues()
    flat = (2.0 + 0.1 * (scale - 2.0)).astype(np.float32)
    assert relevelled(flat, probabilities, MASK) is flat
