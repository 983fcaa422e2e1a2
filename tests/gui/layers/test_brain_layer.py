"""The brain mask that a run used, as a layer: shown once, and somebody's as soon as it is painted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from napari.components import ViewerModel

from napari_brain_uad.core.volume import Volume
from napari_brain_uad.gui.layers.brain_layer import by_hand, needs_preparation
from napari_brain_uad.gui.layers.colour_bars import WORDS
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import add_labels, mask_of
from napari_brain_uad.gui.layers.view import add_volume, detach
from napari_brain_uad.workflows.detect.detect import Detection, detect


def test_the_mask_used_is_a_hidden_outline_above_the_scan(scan: Volume) -> None:
    viewer = ViewerModel()
    shown = add_volume(viewer, scan)
    found = detect(scan, "thresh-raw")
    for _ in range(2):
        add_detection(viewer, found)
    masks = [layer for layer in viewer.layers if layer.name.endswith("brain mask")]
    assert len(masks) == 1
    (mask,) = masks
    assert not mask.visible
    assert mask.contour == 1
    assert mask.editable
    assert viewer.layers.index(mask) == viewer.layers.index(shown) + 1
    np.testing.assert_array_equal(mask_of(mask, scan.grid, "brain mask"), found.volume.mask)
    assert not by_hand(mask, mask_of(mask, scan.grid, "brain mask"))
    mask.data[10:12] = 0
    assert by_hand(mask, mask_of(mask, scan.grid, "brain mask"))
    assert not needs_preparation(mask)


def test_a_mask_that_is_shown_already_is_not_shown_twice(scan: Volume) -> None:
    viewer = ViewerModel()
    add_volume(viewer, scan)
    assert scan.mask is not None
    given = add_labels(viewer, scan.mask, scan, name="drawn by hand")
    add_detection(viewer, detect(scan, "thresh-raw"))
    assert not [layer for layer in viewer.layers if layer.name.endswith("brain mask")]
    assert by_hand(given, scan.mask)


def test_one_colour_bar_says_what_it_measures(detection: Detection, scan: Volume) -> None:
    viewer = ViewerModel()
    add_volume(viewer, scan)
    first, *_ = add_detection(viewer, detection)
    other = replace(scan, name="other")
    add_volume(viewer, other)
    second, *_ = add_detection(viewer, detect(other, "threshold"))
    words = viewer.canvas.overlays[WORDS]
    assert (first.visible, second.visible) == (True, True)
    assert (first.colorbar.visible, second.colorbar.visible) == (False, True)
    assert words.text.replace("\n", " ").startswith("Threshold (histogram equalised) fraction of the brain's voxels")
    second.visible = False
    assert (first.colorbar.visible, second.colorbar.visible) == (True, False)
    assert "raw intensity" in words.text.replace("\n", " ")
    viewer.canvas.grid.enabled = True
    assert not words.visible  # each cell has its own
    viewer.canvas.grid.enabled = False
    assert words.visible
    first.visible = False
    assert not words.visible
    viewer.layers.clear()
    detach(viewer)
    assert WORDS not in viewer.canvas.overlays
