"""Regions of one tissue: the density they are held against, and what stands out and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.scoring.regions import LEVELS, expected_density, healthy_levels, region_score, spreads

SHAPE = (20, 40, 40)
PIXELS = (2.0, 2.0, 2.0)
MASK = np.ones(SHAPE, bool)


def brain(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """White matter on the left, folded cortex that the network cannot place on the right; scale and probabilities."""
    rng = np.random.default_rng(seed)
    tissue = np.full(SHAPE, 3.0, np.float32)
    tissue[:, :, 20:] = rng.integers(2, 4, (20, 40, 20))
    probabilities = np.zeros((SHAPE[0], 3, *SHAPE[1:]), np.float32)
    probabilities[:, 2, :, :20] = 1.0
    probabilities[:, 1:, :, 20:] = 0.5
    return (tissue + rng.normal(0, 0.2, SHAPE)).astype(np.float32), probabilities


@pytest.fixture(scope="module")
def levels() -> np.ndarray:
    return healthy_levels(*brain(1), MASK, PIXELS)


def test_the_density_is_one():
    scale = np.linspace(0, 5, 2001, dtype=np.float32).reshape(1, 1, -1)
    for expected in ((1.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.2, 0.5, 0.3)):
        probabilities = np.broadcast_to(np.float32(expected).reshape(1, 3, 1, 1), (1, 3, 1, scale.size))
        density = expected_density(scale, probabilities, (0.2, 0.2, 0.2))
        assert np.trapezoid(density.ravel(), scale.ravel()) == pytest.approx(1.0, abs=0.02)


def test_partial_volume_is_expected_where_two_tissues_are():
    scale = np.float32([2.5]).reshape(1, 1, 1)
    undecided = expected_density(scale, np.float32([0.0, 0.5, 0.5]).reshape(1, 3, 1, 1), (0.15, 0.15, 0.15))
    certain = expected_density(scale, np.float32([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1), (0.15, 0.15, 0.15))
    assert undecided > 10 * certain


def test_the_spread_is_the_scans_own_and_a_lesion_does_not_move_it():
    scale, probabilities = brain()
    scale[5:8, 10:16, 5:10] = 1.2
    assert spreads(scale, probabilities, MASK)[2] == pytest.approx(0.2, abs=0.02)
    assert spreads(scale, probabilities, MASK)[0] == pytest.approx(0.3)


@pytest.mark.parametrize("value", [1.0, 2.0, 4.2])
@pytest.mark.parametrize("column", [10, 30])
def test_a_region_stands_out_whatever_its_tissue(levels, value, column):
    scale, probabilities = brain(2)
    region = np.zeros(SHAPE, bool)
    region[7:13, 16:23, column - 4 : column + 4] = True
    scale[region] = value + np.random.default_rng(3).normal(0, 0.2, np.count_nonzero(region))
    score = region_score(scale, probabilities, MASK, PIXELS, levels)
    assert np.mean(score[region] > 0) > 0.6
    assert np.mean(score[~region] > 0) < 0.02


def test_a_healthy_brain_has_none(levels):
    score = region_score(*brain(4), MASK, PIXELS, levels)
    assert np.mean(score > 0) < 0.002


def test_outside_the_brain_nothing_is_scored(levels):
    scale, probabilities = brain(5)
    mask = MASK.copy()
    mask[:, :10] = False
    score = region_score(scale, probabilities, mask, PIXELS, levels)
    assert (score[~mask] == 0).all()
    assert levels.shape == (len(LEVELS),)
