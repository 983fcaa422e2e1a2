"""One more canvas on the scan, with orientation letters and a crosshair; what it shows is up to its subclasses."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.qt import QtViewer
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget
from vispy.scene.visuals import Line

from ..layers.view import attach, detach

CROSS_COLOUR = (0.45, 1.0, 0.45, 0.75)
_CROSS_GAP = 9.0
"""Pixels around the crosshair's centre that stay free, so that it does not hide what it points at."""

_FAR = 2000.0
"""Half the length of a crosshair's line in mm: longer than any scan."""


class OrthoCanvas(QWidget):
    """A napari canvas of its own beside the viewer's.

    Parameters
    ----------
    name : str
        What it shows, for assistive technology.
    parent : QWidget, optional
        As in Qt.

    Attributes
    ----------
    lost : Signal
        Emitted when Qt destroys the OpenGL context, and with it all that was drawn, because the canvas came into another window.

    Notes
    -----
    The canvas takes no focus, so that the keys stay those of the viewer. `end` must be called before it is dropped.
    """

    lost = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.model = ViewerModel(title=name)
        self._qt_viewer: QtViewer | None = QtViewer(self.model)
        # The sliders of the viewer are enough.
        self._qt_viewer.dims.hide()
        self._qt_viewer.setMinimumSize(80, 80)
        self._qt_viewer.setAcceptDrops(False)
        self.native = self._qt_viewer.canvas.native
        self.native.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._initialized = False
        self._qt_viewer.canvas.events.initialize.connect(self._initialize)
        self.letters = attach(self.model, letters_only=True)
        self._point: NDArray[np.float64] | None = None
        self._cross = self.add_lines(CROSS_COLOUR)
        self.model.scene.camera.events.zoom.connect(self._redraw_cross)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._qt_viewer)

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._qt_viewer is None

    def add_lines(self, colour: Any) -> Line:
        """Lines over all layers, without any yet; `set_lines` gives them some."""
        assert self._qt_viewer is not None  # only while it is made
        lines = Line(pos=np.zeros((2, 3), np.float32), color=colour, connect="segments", parent=self._qt_viewer.canvas.view.scene)
        lines.order = 10_000
        lines.set_gl_state("translucent", depth_test=False)
        lines.visible = False
        return lines

    def set_lines(self, lines: Line, ends: NDArray[np.float64]) -> None:
        """Draw straight lines between pairs of points of the world (S, A, R); `ends` has the shape (n, 2, 3)."""
        lines.visible = len(ends) > 0
        if len(ends):
            shown = list(self.model.dims.displayed)
            # The scene's axes run the other way: across, up(, depth).
            drawn = np.zeros((2 * len(ends), 3), np.float32)
            drawn[:, : len(shown)] = ends.reshape(-1, 3)[:, shown[::-1]]
            lines.set_data(pos=drawn, connect="segments")

    def orient(self, orientation: tuple[Any, ...]) -> None:
        """Look from the side that the viewer's camera looks from."""
        if tuple(self.model.scene.camera.orientation) != tuple(orientation):
            self.model.scene.camera.orientation = orientation

    def go_to(self, point: NDArray[np.float64]) -> None:
        """Put the crosshair on a position of the world (S, A, R)."""
        self._point = np.asarray(point, dtype=float)
        self._redraw_cross()

    def fit(self) -> float:
        """Show all of the scan, and return the zoom that takes."""
        if self.model.layers:
            self.model.fit_to_view(margin=0.02)
        return float(self.model.scene.camera.zoom)

    def screenshot(self) -> NDArray[np.uint8]:
        """What the canvas shows, as RGBA."""
        assert self._qt_viewer is not None  # only an open canvas is asked
        return np.asarray(self._qt_viewer.screenshot(flash=False))

    def end(self) -> None:
        """Let go of everything: layers, callbacks, the canvas and its OpenGL context."""
        viewer, self._qt_viewer = self._qt_viewer, None
        if viewer is None:
            return
        viewer.canvas.events.initialize.disconnect(self._initialize)
        self.model.scene.camera.events.zoom.disconnect(self._redraw_cross)
        detach(self.model)
        viewer.close()
        viewer.setParent(None)
        viewer.deleteLater()

    def _initialize(self, _event: object) -> None:
        """There is an OpenGL context now: the first one, or another in place of the one that all was uploaded to."""
        if self._initialized and self._qt_viewer is not None:
            # What is drawn would name textures and buffers that are gone.
            self._qt_viewer.canvas.events.draw.block()
            self.lost.emit()
        self._initialized = True

    def _redraw_cross(self, _event: object = None) -> None:
        if self._point is None or self.model.dims.ndim != 3:
            self._cross.visible = False
            return
        gap = _CROSS_GAP / max(float(self.model.scene.camera.zoom), 1e-6)
        shown = list(self.model.dims.displayed)
        ends = np.tile(self._point, (len(shown), 2, 2, 1))
        for row, axis in enumerate(shown):
            ends[row, :, :, axis] += np.array([[-_FAR, -gap], [gap, _FAR]])
        self.set_lines(self._cross, ends.reshape(-1, 2, 3))
