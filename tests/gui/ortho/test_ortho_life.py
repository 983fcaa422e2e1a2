"""The ortho view goes without a trace, and survives what Qt does to a canvas that changes its window."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from napari.qt import QtViewer
from qtpy.QtCore import QEvent, QEventLoop
from qtpy.QtWidgets import QApplication, QDockWidget

from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.view import PLANES, add_volume, attach
from napari_brain_uad.gui.ortho.canvas import OrthoCanvas
from napari_brain_uad.workflows.detect.detect import Detection
from tests.gui.ortho_bench import OrthoBench


@pytest.fixture
def bench(make_napari_viewer: Callable[..., Any], detection: Detection) -> Iterator[OrthoBench]:
    viewer = make_napari_viewer(show=True)
    add_volume(viewer, detection.volume)
    add_detection(viewer, detection)
    made = OrthoBench(viewer)
    yield made
    if made.dock is not None and not made.dock._lifetime.over:
        viewer.window.remove_dock_widget(made.dock)
    _let_go()


def _let_go() -> None:
    for _ in range(3):
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    gc.collect()


def _canvases() -> int:
    gc.collect()
    return sum(isinstance(widget, OrthoCanvas | QtViewer) for widget in QApplication.allWidgets())


@pytest.mark.slow
def test_closing_and_opening_again_and_again_leaves_nothing(bench: OrthoBench) -> None:
    viewer = bench.viewer
    emitters = [
        viewer.dims.events.point,
        viewer.scene.camera.events.orientation,
        viewer.layers.events.inserted,
        viewer.layers.selection.events.active,
        viewer.layers[0].events.opacity,
        viewer.layers[0].events.set_data,
    ]

    def close() -> None:
        viewer.window.remove_dock_widget(bench.dock)
        _let_go()

    close()
    callbacks, widgets = [len(emitter.callbacks) for emitter in emitters], len(QApplication.allWidgets())
    listeners = len(attach(viewer).listeners)
    gone = []
    for _ in range(6):
        bench.dock = open_dock(viewer, "Ortho view")
        bench.wait_for_canvases()
        gone += [weakref.ref(bench.dock), *(weakref.ref(canvas.native) for canvas in bench.dock.planes.values())]
        close()
    bench.dock = None  # type: ignore[assignment]
    _let_go()
    assert _canvases() == 1
    assert [len(emitter.callbacks) for emitter in emitters] == callbacks
    assert len(attach(viewer).listeners) == listeners
    assert [reference() for reference in gone if reference() is not None] == []
    # napari's own widgets of before may have been deleted since.
    assert len(QApplication.allWidgets()) <= widgets


def _until_there_again(bench: OrthoBench) -> None:
    """Until canvases are made for another window, or it is clear that none are needed."""
    for _ in range(30):
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
    bench.wait(lambda: all(canvas.model.layers for canvas in bench.dock.planes.values()))
    bench.rest()


def test_taking_the_dock_out_of_its_window_and_back(bench: OrthoBench, capfd: pytest.CaptureFixture[str]) -> None:
    around = next(dock for dock in bench.viewer.window._qt_window.findChildren(QDockWidget) if dock.isAncestorOf(bench.dock))
    for floating in (True, False):
        around.setFloating(floating)
        around.resize(900, 700)
        _until_there_again(bench)
        assert all(bench.picture(plane).max() > 200 for plane in PLANES)
        _let_go()
        assert _canvases() == 7
    # vispy writes down what it cannot draw.
    assert "Error drawing" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("floating", [False, True])
def test_closing_the_window_with_the_dock_open(bench: OrthoBench, floating: bool) -> None:
    dock = bench.dock
    bench.dock.in_3d.setChecked(True)
    if floating:
        around = next(one for one in bench.viewer.window._qt_window.findChildren(QDockWidget) if one.isAncestorOf(dock))
        around.setFloating(True)
        _until_there_again(bench)
    planes = list(dock.planes.values())
    bench.viewer.close()
    bench.wait(lambda: dock._lifetime.over)
    assert all(canvas.ended for canvas in planes)
    assert dock.planes == {}


def test_a_layer_of_labels_goes_when_the_viewer_lets_it_go(bench: OrthoBench) -> None:
    layer = bench.viewer.add_labels(np.zeros((30, 44, 40), np.uint8), scale=(2, 1, 1.5), units=("mm",) * 3)
    bench.rest()
    gone = weakref.ref(layer)
    bench.viewer.layers.remove(layer)
    bench.rest()
    del layer
    _let_go()
    assert gone() is None
