"""3-D: the brain is seen through, regions are bodies in it, and 2-D is as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_brain_uad.core.volume import Volume
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import add_labels, add_map
from napari_brain_uad.gui.layers.view import add_volume, detach
from napari_brain_uad.workflows.detect.detect import Detection

LOOK = ("visible", "opacity", "blending", "rendering")


def _looks(viewer: ViewerModel) -> list[dict[str, Any]]:
    return [{name: str(getattr(layer, name, None)) for name in LOOK} for layer in viewer.layers]


def _shown(detection: Detection) -> tuple[ViewerModel, dict[str, Any]]:
    viewer = ViewerModel()
    scan = add_volume(viewer, detection.volume)
    brain = add_labels(viewer, detection.map.mask, detection.volume, name="brain mask")
    heat, regions, boxes = add_detection(viewer, detection)
    return viewer, {"scan": scan, "brain": brain, "heat": heat, "regions": regions, "boxes": boxes, "truth": viewer.layers[2]}


def test_in_3d_nothing_hides_the_regions_and_in_2d_all_is_as_before(detection: Detection) -> None:
    viewer, layers = _shown(detection)
    before = _looks(viewer)
    viewer.dims.ndisplay = 3
    seen = {name for name, layer in layers.items() if layer.visible}
    assert seen == {"scan", "regions", "boxes"}
    assert layers["scan"].opacity < 1
    assert layers["scan"].rendering == "attenuated_mip"
    assert layers["regions"].rendering == "iso_categorical"
    viewer.dims.ndisplay = 2
    assert _looks(viewer) == before


def test_what_was_changed_by_hand_in_3d_stays(detection: Detection) -> None:
    viewer, layers = _shown(detection)
    viewer.dims.ndisplay = 3
    layers["truth"].visible, layers["scan"].opacity = True, 0.2
    layers["regions"].visible = False
    viewer.dims.ndisplay = 2
    assert layers["scan"].opacity == pytest.approx(0.2)
    assert not layers["regions"].visible
    assert layers["scan"].rendering == "mip"


def test_a_map_without_regions_is_seen_and_hidden_when_they_come(scan: Volume, detection: Detection) -> None:
    viewer = ViewerModel()
    add_volume(viewer, scan)
    viewer.dims.ndisplay = 3
    heat = add_map(viewer, detection.map)
    assert heat.visible
    assert heat.blending == "additive"
    heat, regions, _ = add_detection(viewer, detection)
    assert not heat.visible
    assert regions.visible
    viewer.dims.ndisplay = 2
    assert heat.visible
    assert heat.blending == "translucent"


def test_others_layers_are_left_alone(detection: Detection) -> None:
    viewer, _ = _shown(detection)
    mine = viewer.add_labels(np.ones((4, 5, 6), int))
    flat = viewer.add_image(np.ones((5, 6)))
    before = [(layer.visible, layer.opacity, layer.blending) for layer in (mine, flat)]
    viewer.dims.ndisplay = 3
    assert [(layer.visible, layer.opacity, layer.blending) for layer in (mine, flat)] == before
    viewer.dims.ndisplay = 2
    detach(viewer)
    looks = _looks(viewer)
    viewer.dims.ndisplay = 3
    assert _looks(viewer) == looks


def test_rays_take_longer_steps_in_a_window(make_napari_viewer: Callable[..., Any], detection: Detection) -> None:
    viewer = make_napari_viewer()
    scan = add_volume(viewer, detection.volume)
    _, regions, _ = add_detection(viewer, detection)
    viewer.dims.ndisplay = 3
    visuals = viewer.window._qt_viewer.canvas.layer_to_visual
    assert [visuals[layer].node.relative_step_size for layer in (scan, regions)] == [3.0, 2.0]
    viewer.dims.ndisplay = 2
