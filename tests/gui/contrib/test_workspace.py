"""The whole workspace: from the menu, and from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QLabel, QWidget

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.gui.app import workers
from napari_brain_uad.gui.app.docks import PLUGIN, open_dock
from napari_brain_uad.gui.batch.dock import BatchDock
from napari_brain_uad.gui.compare.dock import CompareDock
from napari_brain_uad.gui.contrib.workspace import Workspace, open_window
from napari_brain_uad.gui.detect.dock import DetectDock
from napari_brain_uad.gui.models.dock import ModelsDock
from napari_brain_uad.gui.prepare.dock import PrepareDock
from napari_brain_uad.gui.train.dock import TrainDock
from napari_brain_uad.gui.tune.dock import TuneDock
from napari_brain_uad.gui.widgets.side_dock import SideDock
from tests.gui.scans import head, write
from tests.gui.window import dock_tabs, docks_in_front

TABS = ["Prepare", "Detect", "Tune", "Compare", "Batch", "Train", "Models"]


def _has_links(label: QLabel) -> bool:
    try:
        return label.receivers(label.linkActivated) > 0
    except RuntimeError:  # a label that Qt made, like those of a form's rows
        return False


def test_the_menus_entry_opens_every_dock_and_leaves_none_of_its_own(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.window.add_plugin_dock_widget(PLUGIN, "Workspace (all docks)")
    qtbot.waitUntil(lambda: dock_tabs(viewer) == TABS and type(docks_in_front(viewer)[0]).__name__ == "DetectDock", timeout=30_000)
    assert not any(isinstance(content, Workspace) for content in viewer.window.dock_widgets.values())
    assert len(viewer.window.dock_widgets) == len(TABS)
    labels = [label for dock in viewer.window.dock_widgets.values() for label in dock.findChildren(QLabel)]
    linked = [label for label in labels if _has_links(label)]
    assert len(linked) >= 3
    # A label that is to show its text as it is would show a link as HTML.
    assert all(label.textFormat() == Qt.TextFormat.RichText for label in linked)
    viewer.window.add_plugin_dock_widget(PLUGIN, "Workspace (all docks)")
    qtbot.waitUntil(lambda: not any(isinstance(content, Workspace) for content in viewer.window.dock_widgets.values()), timeout=30_000)
    assert len(viewer.window.dock_widgets) == len(TABS)
    qtbot.waitUntil(lambda: not workers._RUNNING, timeout=10_000)


@pytest.mark.parametrize("kind", [BatchDock, CompareDock, DetectDock, ModelsDock, PrepareDock, TrainDock, TuneDock])
def test_a_dock_opened_by_a_script_works_on_the_viewer_itself(make_napari_viewer: Any, qtbot: Any, kind: type[SideDock]) -> None:
    """`napari -w` hands docks a proxy, whose layers are never *the* layers of a list."""
    viewer = make_napari_viewer()
    dock = kind(PublicOnlyProxy(viewer))
    qtbot.addWidget(dock)
    known = [getattr(part, name) for part in (dock, *dock.findChildren(QWidget)) for name in ("viewer", "_viewer") if hasattr(part, name)]
    assert known
    assert all(one is viewer for one in known)
    dock._end()


def test_a_file_that_does_not_exist_is_refused_before_a_window_opens(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        open_window([tmp_path / "nowhere.nii"])
    assert napari.current_viewer() is None


def test_the_command_opens_scans_with_the_docks_around_them(make_napari_viewer: Any, tmp_path: Path, monkeypatch: Any) -> None:
    viewer, seen = make_napari_viewer(), {}
    scan = write(tmp_path / "sub-01_FLAIR.nii.gz", head()[0])
    # The fixture's viewer is one that the test may leave behind.
    monkeypatch.setattr(napari, "Viewer", lambda: viewer)

    def look() -> None:
        if not viewer.layers or workers._RUNNING:
            QTimer.singleShot(100, look)
            return
        seen.update(
            layers=[layer.name for layer in viewer.layers], docks={type(dock).__name__ for dock in viewer.window.dock_widgets.values()}
        )
        napari._qt.qt_event_loop.get_qapp().exit()  # quit() would close the window, which is the fixture's

    def run() -> None:
        QTimer.singleShot(100, look)
        napari._qt.qt_event_loop.get_qapp().exec()

    monkeypatch.setattr(napari, "run", run)
    assert open_window([scan]) == 0
    assert seen["layers"] == ["sub-01_FLAIR"]
    assert seen["docks"] == {"PrepareDock", "DetectDock", "BatchDock", "TuneDock", "CompareDock", "TrainDock", "ModelsDock"}


def test_masks_beside_a_scan_come_along_and_have_their_role(make_napari_viewer: Any, tmp_path: Path, monkeypatch: Any) -> None:
    viewer, seen = make_napari_viewer(), {}
    data, truth = head()
    scan = write(tmp_path / "pat7_T2.nii.gz", data)
    for name, values in (("pat7_mask", data > 0), ("pat7_seg", truth), ("pat8_mask", data > 0), ("pat7_T2_threshold_mask", truth)):
        write(tmp_path / f"{name}.nii.gz", values.astype(np.uint8))
    monkeypatch.setattr(napari, "Viewer", lambda: viewer)

    def look() -> None:
        if len(viewer.layers) < 3 or workers._RUNNING:
            QTimer.singleShot(100, look)
            return
        for title in ("Detect anomalies", "Compare"):
            inputs = open_dock(viewer, title).inputs
            scans = inputs._scans if title == "Detect anomalies" else inputs.scans
            seen[title] = [box.layer and box.layer.name for box in (scans.scan, scans.brain, scans.truth)]
        seen["layers"] = {layer.name for layer in viewer.layers}
        seen["maximised"] = viewer.window._qt_window.isMaximized()
        napari._qt.qt_event_loop.get_qapp().exit()  # quit() would close the window, which is the fixture's

    def run() -> None:
        QTimer.singleShot(100, look)
        napari._qt.qt_event_loop.get_qapp().exec()

    monkeypatch.setattr(napari, "run", run)
    assert open_window([scan]) == 0
    assert seen["layers"] == {"pat7_T2", "pat7_mask", "pat7_seg"}
    assert seen["Detect anomalies"] == seen["Compare"] == ["pat7_T2", "pat7_mask", "pat7_seg"]
    assert seen["maximised"]
