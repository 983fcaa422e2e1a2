"""Toy brains: smooth noise, healthy or with a block of higher score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from napari_brain_uad.calibration.build import HealthyMap, build_reference
from napari_brain_uad.calibration.reference import HealthyReference
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.params import PostParams

SHAPE = (26, 24, 22)
POST = PostParams(opening=0, min_voxels=4)

MakeMap = Callable[..., AnomalyMap]


def toy_map(seed: int, lesion: float = 0.0, *, spacing: float = 2.0, sequence: str = "T1", shift: float = 0.0) -> AnomalyMap:
    rng = np.random.default_rng(seed)
    score = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.2)
    score = (score / score.std() + shift).astype(np.float32)
    score[8:13, 8:13, 8:13] += lesion
    mask = np.zeros(SHAPE, bool)
    mask[1:-1, 1:-1, 1:-1] = True
    score[~mask] = -9.0
    grid = Grid(SHAPE, np.diag([spacing] * 3 + [1.0]))
    record = {"method": {"params": {"width": 3}, "weights_sha256": ""}, "input": {"sequence": sequence}}
    name = f"patient-{seed}"
    return AnomalyMap(score, grid, mask, "sd", "toy", name, ThresholdRule("percentile", 95.0), provenance=record, background=-9.0)


@pytest.fixture
def make_map() -> MakeMap:
    return toy_map


@pytest.fixture(scope="session")
def reference() -> HealthyReference:
    """Of 24 toy brains."""
    return build_reference([HealthyMap(toy_map(seed)) for seed in range(24)], POST, title="24 toy brains", sequence="T1")


@pytest.fixture
def post() -> PostParams:
    return POST
