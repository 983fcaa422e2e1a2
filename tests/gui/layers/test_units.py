"""Scans of ours in mm beside layers that have no unit, or another: the viewer keeps its units, without a warning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Points
from napari.utils.notifications import Notification, notification_manager
from qtpy.QtWidgets import QApplication

from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.view import add_volume, attach
from napari_brain_uad.workflows.detect.detect import Detection


def _units(layer: Any) -> list[str]:
    return [str(unit) for unit in layer.units]


@pytest.mark.parametrize("ours_first", [True, False])
def test_no_warning_beside_layers_of_others(make_napari_viewer: Any, detection: Detection, qtbot: Any, ours_first: bool) -> None:
    viewer = make_napari_viewer(show=True)
    attach(viewer)
    if ours_first:
        add_volume(viewer, detection.volume)
    labels = viewer.add_labels(np.ones((9, 9, 9), np.uint8), name="own labels")
    points = viewer.add_points(np.zeros((1, 3)), name="own points")
    if not ours_first:
        add_volume(viewer, detection.volume)
    add_detection(viewer, detection)
    said: list[Notification] = []
    notification_manager.notification_ready.connect(said.append)
    viewer.screenshot(flash=False)
    QApplication.processEvents()
    notification_manager.notification_ready.disconnect(said.append)
    assert not [one for one in said if "units" in str(one)]
    assert [str(unit) for unit in viewer.layers.extent.units] == ["millimeter"] * 3
    assert _units(labels) == _units(points) == ["millimeter"] * 3


def test_more_axes_fewer_axes_and_units_that_are_given(detection: Detection) -> None:
    viewer = ViewerModel()
    attach(viewer)
    film = viewer.add_image(np.zeros((2, 4, 5, 6)), name="film")
    photo = viewer.add_image(np.zeros((5, 6)), name="photo")
    fine = viewer.add_layer(Labels(np.ones((3, 3, 3), np.uint8), units=("um", "um", "um")))
    assert _units(film) == ["pixel"] * 4  # nothing of ours is there
    add_volume(viewer, detection.volume)
    assert _units(film) == ["pixel", "millimeter", "millimeter", "millimeter"]
    assert _units(photo) == ["millimeter", "millimeter"]
    assert _units(fine) == ["micrometer"] * 3
    late = viewer.add_layer(Points(np.zeros((1, 3))))
    assert _units(late) == ["millimeter"] * 3
    assert viewer.layers.extent.units is not None
