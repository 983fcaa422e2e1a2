"""Anomaly maps hold finite scores on one grid."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid

GRID = Grid((3, 4, 5), np.eye(4))


def make(score: np.ndarray, mask: np.ndarray) -> AnomalyMap:
    return AnomalyMap(score, GRID, mask, "quantile", "threshold", "scan", ThresholdRule("otsu"))


def test_brain_scores() -> None:
    score = np.arange(60, dtype=np.float32).reshape(GRID.shape)
    assert sorted(make(score, score > 56).brain_scores()) == [57, 58, 59]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(bad: float) -> None:
    score = np.zeros(GRID.shape, np.float32)
    score[1, 1, 1] = bad
    with pytest.raises(InputError, match="Anomaly map of scan: 1 of 60"):
        make(score, np.ones(GRID.shape, bool))


def test_shapes() -> None:
    with pytest.raises(InputError, match="score"):
        make(np.zeros((3, 4, 4), np.float32), np.ones(GRID.shape, bool))
    with pytest.raises(InputError, match="brain mask"):
        make(np.zeros(GRID.shape, np.float32), np.ones((3, 4, 4), bool))
