"""Setting the sequence in a dock: method and model follow, the other docks go by it, and it can be taken back."""

from __future__ import annotations

import shlex

import numpy as np
import pytest

from napari_brain_uad.core.sequence import SEQUENCES, USER
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.gui.app import settings
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.layers.layers import volume_of
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.models.recommend import recommend


@pytest.fixture(autouse=True)
def _forget(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(tmp_path / "models"))
    settings._store().clear()
    yield
    settings._store().clear()


def scan() -> Volume:
    data = np.zeros((20, 22, 18), np.float32)
    data[3:17, 3:19, 3:15] = np.random.default_rng(0).uniform(60, 100, (14, 16, 12))
    return Volume(data, Grid(data.shape, np.diag([2.0, 2.0, 2.0, 1.0])), "scan", sequence="FLAIR", sequence_origin="name 'flair'")


@pytest.mark.parametrize(
    ("title", "box_of"),
    [
        ("Detect anomalies", lambda dock: dock.inputs._scans.sequence),
        ("Compare", lambda dock: dock.inputs.scans.sequence),
        ("Prepare", lambda dock: dock.inputs.sequence),
    ],
)
def test_every_dock_sets_it_and_takes_it_back(make_napari_viewer, qtbot, title, box_of):
    viewer = make_napari_viewer()
    dock = open_dock(viewer, title)
    box = box_of(dock)
    assert not box.isEnabled()
    layer = add_volume(viewer, scan())
    assert [box.itemText(row) for row in range(box.count())] == ["as read: FLAIR (name 'flair')", *SEQUENCES]
    with qtbot.waitSignal(dock.inputs.scan_changed):
        box.choose("T2")
    assert (dock.inputs.outline().sequence, dock.inputs.outline().sequence_origin) == ("T2", USER)
    qtbot.waitUntil(lambda: f"T2 ({USER})" in dock.inputs.facts.text())
    box.choose(None)
    assert volume_of(layer).sequence_words == "FLAIR (name 'flair')"


def test_the_recommended_method_and_the_command_follow(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Detect anomalies")
    layer = add_volume(viewer, scan())
    assert dock.inputs.method.info.id == recommend("FLAIR")[0] == "robust-intensity"
    dock.inputs._scans.sequence.choose("T1")
    assert dock.inputs.method.info.id == recommend("T1")[0] != "threshold"
    assert "T1" in dock.inputs.method.fit.text()
    words = shlex.split(detect(volume_of(layer), "threshold").command)
    assert words[words.index("--sequence") + 1] == "T1"


def test_what_one_dock_sets_another_shows(make_napari_viewer):
    viewer = make_napari_viewer()
    detect_dock = open_dock(viewer, "Detect anomalies")
    add_volume(viewer, scan())
    detect_dock.inputs._scans.sequence.choose("PD")
    compare_dock = open_dock(viewer, "Compare")
    assert compare_dock.inputs.scans.sequence.currentText() == "PD"
    assert compare_dock.inputs.outline().sequence == "PD"
