"""A small head that all preprocessing tests can use: ellipsoids with a known brain, no data set needed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume


def ellipsoid(grid: Grid, centre_mm: tuple[float, float, float], radii_mm: tuple[float, float, float]) -> np.ndarray:
    points = grid.to_world(np.moveaxis(np.indices(grid.shape), 0, -1))
    return (((points - centre_mm) / np.array(radii_mm)) ** 2).sum(axis=-1) <= 1.0


@pytest.fixture
def stripped() -> Volume:
    """A skull-stripped brain of 3 x 2.5 x 4 mm voxels with three tissues and a little noise, 0 around it."""
    affine = np.array([[3.0, 0, 0, -96], [0, 2.5, 0, -110], [0, 0, 4.0, -80], [0, 0, 0, 1]])
    grid = Grid((64, 88, 40), affine)
    brain = ellipsoid(grid, (0, -10, 5), (65, 82, 55))
    data = np.zeros(grid.shape, np.float32)
    data[brain] = 200.0
    data[ellipsoid(grid, (0, -10, 5), (52, 68, 44))] = 300.0
    data[ellipsoid(grid, (18, -5, 10), (14, 26, 12)) | ellipsoid(grid, (-18, -5, 10), (14, 26, 12))] = 80.0
    data[brain] += np.random.default_rng(0).normal(0, 8, int(brain.sum())).astype(np.float32)
    return Volume(data, grid, "brain", sequence="T1")
