"""The Detect dock shows what a method compares, as layers of the scan's subject below its heatmap."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_brain_uad.core.volume import Volume
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.layers.layers import is_map, record
from napari_brain_uad.gui.layers.subjects import belongs, scans
from napari_brain_uad.gui.layers.view import add_volume


@pytest.fixture
def dock(make_napari_viewer):
    return open_dock(make_napari_viewer(), "Detect anomalies")


def _run(qtbot, dock) -> None:
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    assert dock.running, dock.messages.text
    qtbot.waitUntil(lambda: not dock.running, timeout=120_000)
    assert dock.messages.level != "error", dock.messages.text


def _pictures(viewer) -> list:
    return [layer for layer in viewer.layers if record(layer).get("kind") == "derived"]


def test_a_method_that_reconstructs_nothing_offers_no_reconstruction(dock, scan: Volume):
    add_volume(dock.viewer, scan)
    dock.inputs.method.choose("vae")
    assert dock.inputs.pictures.isEnabled()
    dock.inputs.pictures.setChecked(True)
    assert dock.inputs.request().reconstruct
    dock.inputs.method.choose("threshold")
    assert not dock.inputs.pictures.isEnabled()
    assert "reconstructs nothing" in dock.inputs.pictures.toolTip()
    assert not dock.inputs.request().reconstruct  # ticked before for another method


def test_input_and_reconstruction_are_layers_below_the_heatmap(qtbot, dock, scan: Volume):
    viewer = dock.viewer
    below = add_volume(viewer, scan)
    dock.inputs.method.choose("vae")
    _run(qtbot, dock)
    heats = [layer for layer in viewer.layers if is_map(layer)]
    assert len(heats) == 1
    assert _pictures(viewer) == []

    dock.inputs.pictures.setChecked(True)
    _run(qtbot, dock)
    assert [layer for layer in viewer.layers if is_map(layer)] == heats  # only what was missing is added
    found = _pictures(viewer)
    assert sorted(layer.name for layer in found) == [f"{scan.name} | vae | input", f"{scan.name} | vae | reconstruction"]
    for layer in found:
        name = layer.name.rpartition(" | ")[2]
        assert layer.visible is (name == "reconstruction")
        np.testing.assert_array_equal(layer.data, dock.detection.pictures[name].T)
        np.testing.assert_allclose(layer.affine.affine_matrix, heats[0].affine.affine_matrix)
        assert viewer.layers.index(below) < viewer.layers.index(layer) < viewer.layers.index(heats[0])
        assert belongs(layer, below)
    assert scans(viewer) == [below]
    assert dock.inputs.scan.layers() == [below]
    assert "--save-reconstruction" in dock.detection.command

    _run(qtbot, dock)
    assert _pictures(viewer) == found

    dock.inputs.method.choose("threshold")
    _run(qtbot, dock)
    assert not any(layer.visible for layer in found)  # they belong to the other map
