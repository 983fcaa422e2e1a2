"""What each paper's pipeline gives, from a scan that is stripped already."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.preprocessing.pipeline import run_pipeline
from napari_brain_uad.preprocessing.presets import PRESETS
from napari_brain_uad.preprocessing.template import template

SHAPES = {
    "clinical": (182, 218, 182),
    "native": template().grid.shape,
    "threshold-i": (128, 128, 111),
    "threshold-ii": (224, 224, 4),
    "pddpm": (96, 96, 50),
    "strega": (256, 256, 182),
    "simple-slice-net": (192, 192, 96),
    "baur": (128, 128, 182),
}


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_grid_range_and_background(name):
    pipeline = [entry for entry in PRESETS[name].pipeline if entry["step"] != "n4"]
    prepared, _ = run_pipeline(pipeline, template())
    volume = prepared.volume
    assert volume.data.shape == SHAPES[name]
    assert volume.mask.any()
    if name in ("clinical", "pddpm", "simple-slice-net", "baur"):
        assert volume.data.min() >= 0
        assert volume.data.max() <= 1
    if name == "strega":
        assert len(np.unique(volume.data)) <= 5
    else:
        assert (volume.data[~volume.mask] == 0).all()
    back = prepared.to_native(volume.mask)
    assert not (back & ~template().mask).sum() > 0.02 * template().mask.sum()
