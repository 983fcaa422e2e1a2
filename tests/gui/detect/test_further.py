"""Other sequences of the person ticked in the Detect dock: scored together, as from a script, and shown on the chosen scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.contrib.files import file_layers
from napari_brain_uad.gui.layers.layers import is_map, map_of
from napari_brain_uad.gui.layers.subjects import layers_of
from napari_brain_uad.gui.session.collect import collect
from napari_brain_uad.gui.session.files import read_session, save_session
from napari_brain_uad.gui.session.restore import computed, restoring
from napari_brain_uad.gui.tune.export import scans_for
from napari_brain_uad.workflows.detect.several import detect_several
from tests.gui.scans import head, write


@pytest.fixture
def dock(make_napari_viewer: Any, tmp_path: Path, qtbot: Any) -> Any:
    viewer = make_napari_viewer(show=True)
    data, _ = head()
    for name, scan in (("T2", 300 - data * (data < 150)), ("FLAIR", data)):
        masked = np.where(data > 0, scan, 0).astype(np.float32)
        viewer._add_layer_from_data(*file_layers(write(tmp_path / f"{name}.nii.gz", masked))[0])
    made = open_dock(viewer, "Detect anomalies")
    qtbot.waitUntil(made.button.isEnabled)
    yield made
    for widget in list(viewer.window.dock_widgets.values()):
        viewer.window.remove_dock_widget(widget)


def _boxes(dock: Any) -> list[QCheckBox]:
    return [box for box in dock.inputs.further.findChildren(QCheckBox) if not box.isHidden()]


def test_ticked_scans_are_scored_together_with_the_chosen_one(dock: Any, qtbot: Any, tmp_path: Path) -> None:
    viewer = dock.viewer
    dock.inputs.method.choose("robust-intensity")
    (box,) = _boxes(dock)
    assert box.text() == "T2"
    box.setChecked(True)
    dock.inputs.age.setValue(44)
    with pytest.raises(InputError, match="An age and several sequences"):
        dock.inputs.request()
    dock.inputs.age.setValue(-1)
    assert "2 times as long for 2 sequences" in dock.cost.text()
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.detection is not None and not dock.running)
    heat = next(layer for layer in viewer.layers if is_map(layer))
    wanted = detect_several([tmp_path / "FLAIR.nii.gz", tmp_path / "T2.nii.gz"], "robust-intensity")
    assert np.allclose(map_of(heat).score, wanted.map.score, atol=1e-5)
    assert dock.detection.result.threshold.value == pytest.approx(wanted.result.threshold.value)
    assert heat in layers_of(viewer, viewer.layers["FLAIR"])
    assert "--with" in dock.detection.command
    assert "T2.nii.gz" in dock.detection.command
    # Whatever the layers are called by now, the map knows what it was made of; in a session, too.
    viewer.layers["T2"].name, viewer.layers["FLAIR"].name = "FLAIR", "other"
    scan, further = scans_for(viewer, heat)
    assert [one.source.path.name for one in (scan, *further)] == ["FLAIR.nii.gz", "T2.nii.gz"]
    save_session(collect(viewer), tmp_path / "s", Progress())
    viewer.layers.clear()
    for _ in restoring(viewer, computed(read_session(tmp_path / "s", Progress()), Progress())):
        pass
    scan, further = scans_for(viewer, next(layer for layer in viewer.layers if is_map(layer)))
    assert [one.source.path.name for one in (scan, *further)] == ["FLAIR.nii.gz", "T2.nii.gz"]


def test_the_list_follows_scans_and_a_tick_ends_with_its_scan(dock: Any, qtbot: Any, tmp_path: Path) -> None:
    viewer = dock.viewer
    (box,) = _boxes(dock)
    box.setChecked(True)
    assert [layer.name for layer in dock.inputs.further.layers] == ["T2"]
    dock.inputs.scan.choose(viewer.layers["T2"])
    qtbot.waitUntil(lambda: [one.text() for one in _boxes(dock)] == ["FLAIR"])
    assert not dock.inputs.further.layers
    (box,) = _boxes(dock)
    box.setChecked(True)
    viewer.layers["FLAIR"].name = "sub-01 & FLAIR"
    assert _boxes(dock)[0].text() == "sub-01 && FLAIR"
    viewer.layers.remove("sub-01 & FLAIR")
    qtbot.waitUntil(lambda: not _boxes(dock))
    assert not dock.inputs.further.layers
