from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.registry import method_ids
from napari_brain_uad.workflows.estimate import estimate


@pytest.mark.parametrize("method", method_ids())
def test_larger_scans_take_more(method: str) -> None:
    small, large = (Volume(np.zeros((n, n, n), np.float32), Grid((n, n, n), np.eye(4))) for n in (20, 120))
    few, many = estimate(method, small), estimate(method, large)
    assert few.seconds < many.seconds
    assert few.bytes < many.bytes
    assert "MB" in few.words
