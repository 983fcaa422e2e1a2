"""A window with the ortho view in it, for its tests."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QEventLoop, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.ortho.dock import OrthoDock


class OrthoBench:
    """Opens the dock in a viewer that is shown, and acts on it as a hand would."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        # High enough for the dock to stay in the window.
        viewer.window.resize(1100, 950)
        self.dock: OrthoDock = open_dock(viewer, "Ortho view")
        self.wait_for_canvases()

    def wait_for_canvases(self) -> None:
        """Until the planes are there and drawn."""
        self.wait(lambda: len(self.dock.planes) == 3)
        self.rest()

    def rest(self) -> None:
        """Until nothing is left to do."""
        for _ in range(2):
            QApplication.processEvents()
        self.wait(lambda: not (self.dock._soon.isActive() or self.dock._place.isActive()))
        QApplication.processEvents()

    @staticmethod
    def wait(ready: Any, rounds: int = 4000) -> None:
        """Let events be handled until something is so."""
        for _ in range(rounds):
            if ready():
                return
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
            time.sleep(0.005)
        raise AssertionError("it did not happen")

    def point_to(self, layer: Any, index: tuple[int, int, int]) -> NDArray[np.float64]:
        """Put the crosshair on a voxel (i, j, k) of a layer, and return its place in the world."""
        world = np.array(layer.data_to_world(index[::-1]), dtype=float)
        self.dock.point_to(world)
        self.rest()
        return world

    def picture(self, plane: str) -> NDArray[np.int_]:
        """What a plane shows, RGB."""
        return self.dock.planes[plane].screenshot()[..., :3].astype(int)

    def pixel_of(self, plane: str, point: Any) -> NDArray[np.float64]:
        """Canvas pixels (x right, y down) of a world point, from the scene graph itself."""
        canvas = self.dock.planes[plane]
        assert canvas._qt_viewer is not None
        view = canvas._qt_viewer.canvas.view
        shown = np.asarray(point)[list(canvas.model.dims.displayed)][::-1]
        return np.asarray((view.transform * view.scene.transform).map((*shown, 0.0, 1.0)))[:2]

    def mouse(self, plane: str, kind: QEvent.Type, at: QPoint, button: Qt.MouseButton, held: Qt.MouseButton) -> None:
        """Send a plane a mouse event."""
        native = self.dock.planes[plane].native
        where = QPointF(native.mapToGlobal(at))
        QApplication.sendEvent(native, QMouseEvent(kind, QPointF(at), where, button, held, Qt.KeyboardModifier.NoModifier))

    def wheel(self, plane: str, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Turn the wheel over the middle of a plane by one step."""
        native = self.dock.planes[plane].native
        at = QPointF(native.width() / 2, native.height() / 2)
        turned, none, phase = QPoint(0, 120), QPoint(), Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(at, native.mapToGlobal(at), none, turned, Qt.MouseButton.NoButton, keys, phase, False)
        QApplication.sendEvent(native, event)
        self.rest()
