"""A brain of three shells of tissue, in any of three sequences."""

from __future__ import annotations

import numpy as np

from napari_brain_uad.core.volume import Grid, Volume

SHAPE = (40, 44, 20)


def phantom(sequence: str = "T1", *, seed: int = 0, lesion: bool = False) -> Volume:
    """White matter in a shell of grey in a shell of fluid, 2 mm voxels."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) * 1.15 for n in SHAPE), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes)) + rng.normal(0, 0.01)
    tissue = np.select([radius < 0.6, radius < 0.85, radius < 1.0], [3, 2, 1], 0)
    *values, ill = {"T1": (0, 30, 60, 90, 30), "T2": (0, 90, 60, 30, 90), "FLAIR": (0, 15, 75, 60, 110)}[sequence]
    data = np.array(values, np.float32)[tissue] + np.where(tissue > 0, rng.normal(0, 3, SHAPE), 0)
    if lesion:
        data[18:23, 20:25, 9:12] = ill
    return Volume(data.astype(np.float32), Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0])), f"phantom-{seed}", tissue > 0, sequence)
