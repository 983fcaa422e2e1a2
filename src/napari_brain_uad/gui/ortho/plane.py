"""A plane of the ortho view: slices of everything the viewer shows, and the mouse on them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QWidget

from ..layers.boxes import box_segments
from ..layers.composite import Composite
from ..layers.layers import AXIS_LABELS, BOX_COLOUR, KEY, MILLIMETRES, record
from ..layers.view import PLANES, show_plane
from .canvas import OrthoCanvas

_ZOOM_STEP = 1.15


class PlaneCanvas(OrthoCanvas):
    """Axial, coronal or sagittal slices.

    Parameters
    ----------
    plane : {"axial", "coronal", "sagittal"}
        Which.
    parent : QWidget, optional
        As in Qt.

    Attributes
    ----------
    pointed : Signal(object)
        Emitted with the position of the world (S, A, R) to which the user moves the crosshair.
    hovered : Signal(object)
        Emitted with the position under the cursor, or None when it has left.
    zoomed : Signal(object)
        Emitted with this canvas after the user has zoomed or moved the picture.
    fitted : Signal
        Emitted when the user asks to see all of the scan again.

    Notes
    -----
    Left button: crosshair. Wheel: slices. Ctrl+wheel or right button: zoom. Middle button, or Shift with the left one: move the
    picture. Double click: all of the scan.
    """

    pointed = Signal(object)
    hovered = Signal(object)
    zoomed = Signal(object)
    fitted = Signal()

    def __init__(self, plane: str, parent: QWidget | None = None) -> None:
        super().__init__(f"{plane} view", parent)
        self.plane = plane
        self.axis = PLANES[plane][0]
        self._layer: Image | None = None
        self._composite: Composite | None = None
        self._box_layers: list[Layer] = []
        self._boxes = self.add_lines(BOX_COLOUR)
        self.native.installEventFilter(self)
        self.model.mouse_drag_callbacks[:] = [self._drag]
        self.model.mouse_wheel_callbacks[:] = [self._wheel]
        self.model.mouse_double_click_callbacks[:] = [self._double_click]
        self.model.mouse_move_callbacks.append(self._move)

    def show_layers(self, composite: Composite | None, boxes: Sequence[Layer], *, orientation_known: bool = True) -> bool:
        """Show other layers, or the same ones at other places.

        Parameters
        ----------
        composite : Composite or None
            What the slices show; None empties the plane.
        boxes : sequence of napari.layers.Vectors
            Layers of boxes, visible or not.
        orientation_known : bool
            Whether the letters may be told.

        Returns
        -------
        bool
            Whether the plane now covers another part of the world.
        """
        before = None if self._composite is None else self._composite.lattice
        self._composite, self._box_layers = composite, list(boxes)
        if composite is None:
            self._layer = None
            if self.model.layers:
                self.model.layers.clear()
            self._redraw_cross()
            self.redraw_boxes()
            return before is not None
        lattice = composite.lattice
        if self._layer is None:
            self._layer = Image(
                composite,
                rgb=True,
                contrast_limits=(0, 255),
                name=self.plane,
                scale=lattice.spacing,
                translate=lattice.first,
                units=MILLIMETRES,
                axis_labels=AXIS_LABELS,
                metadata={KEY: {"kind": "composite", "orientation_known": orientation_known}},
            )
            self.model.add_layer(self._layer)
            self.model.layers.selection.clear()
            show_plane(self.model, self.plane)
        else:
            self._layer.metadata[KEY]["orientation_known"] = orientation_known
            self._layer.data = composite
            if before != lattice:
                self._layer.scale, self._layer.translate = lattice.spacing, lattice.first
        if self._point is not None:
            self.go_to(self._point)
        self.letters.update_letters()
        self.redraw_boxes()
        return before != lattice

    def redraw(self) -> None:
        """The layers look different or hold other values: blend this slice again."""
        if self._layer is not None:
            self._layer.refresh(thumbnail=False, extent=False, highlight=False)
        self.redraw_boxes()

    def go_to(self, point: NDArray[np.float64]) -> None:
        """Show the slice of a position of the world (S, A, R), with the crosshair on it."""
        self._point = np.asarray(point, dtype=float)
        if self.model.dims.ndim != 3:
            return
        before = self.model.dims.current_step[self.axis]
        # The axis of the slider alone: the other two would only have the layer cut again.
        self.model.dims.set_point(self.axis, float(self._point[self.axis]))
        if self.model.dims.current_step[self.axis] != before:
            self.redraw_boxes()
        self._keep_in_sight()
        self._redraw_cross()

    def redraw_boxes(self) -> None:
        """Draw the rectangles of those boxes that the slice goes through."""
        ends = [np.zeros((0, 2, 3))]
        if self.model.dims.ndim == 3:
            for layer in self._box_layers:
                boxes = [cut for box in record(layer).get("boxes", ()) if (cut := self._cut(layer, box)) is not None]
                if layer.visible and boxes:
                    segments = box_segments(boxes, self.axis).astype(float)
                    scale, translate = np.array(layer.scale), np.array(layer.translate)
                    start = segments[:, 0] * scale + translate
                    ends.append(np.stack([start, start + segments[:, 1] * scale], axis=1))
        self.set_lines(self._boxes, np.concatenate(ends))

    def _cut(self, layer: Layer, box: tuple[int, ...]) -> tuple[int, int, int, int, int, int] | None:
        """The part of a box on the slice that is shown."""
        place = self.model.dims.point[self.axis]
        slice_at = round((place - layer.translate[self.axis]) / layer.scale[self.axis])
        at = 2 * (2 - self.axis)  # boxes run i, j, k
        if not box[at] <= slice_at < box[at + 1]:
            return None
        cut = list(box)
        cut[at : at + 2] = slice_at, slice_at + 1
        i0, i1, j0, j1, k0, k1 = cut
        return i0, i1, j0, j1, k0, k1

    def _keep_in_sight(self) -> None:
        """Move the picture when the crosshair would lie outside of it."""
        assert self._point is not None  # its caller has set it
        camera, shown = self.model.scene.camera, list(self.model.dims.displayed)
        centre = np.array(camera.center[-2:], dtype=float)
        offset = self._point[shown] - centre
        outside = np.abs(offset) > np.array(self.model.canvas.size, dtype=float) / (2 * camera.zoom)
        if outside.any():
            camera.center = tuple(np.where(outside, self._point[shown], centre))

    def end(self) -> None:
        """Let go of everything."""
        if not self.ended:
            self.native.removeEventFilter(self)
            self.model.mouse_move_callbacks.remove(self._move)
            for callbacks in (self.model.mouse_drag_callbacks, self.model.mouse_wheel_callbacks, self.model.mouse_double_click_callbacks):
                callbacks.clear()
            if self._composite is not None:
                # napari's own objects may live a little longer.
                self._composite.release()
            self._layer = self._composite = None
            self._box_layers.clear()
        super().end()

    # The mouse

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice when the cursor leaves the canvas; no event is held back."""
        if event is not None and event.type() == QEvent.Type.Leave:
            self.hovered.emit(None)
        return False

    def _move(self, _model: object, event: Any) -> None:
        if self._layer is not None:
            self.hovered.emit(np.array(event.position, dtype=float))

    def _drag(self, _model: object, event: Any) -> Generator[None, None, None]:
        camera = self.model.scene.camera
        # napari gives it back whenever no layer is chosen; the buttons have their own meaning here.
        camera.mouse_pan = False
        pans = event.button == 3 or (event.button == 1 and "Shift" in event.modifiers)
        points = event.button == 1 and not event.modifiers
        event.handled = pans or points
        grabbed = self._under(event)
        if points and self._layer is not None:
            self.pointed.emit(np.array(event.position, dtype=float))
        yield
        while event.type == "mouse_move":
            event.handled = pans or points
            if pans:
                camera.center = tuple(np.array(camera.center[-2:]) + grabbed - self._under(event))
            elif points and self._layer is not None:
                self.pointed.emit(np.array(event.position, dtype=float))
            if not points:
                # With the right button vispy's camera zooms.
                self.zoomed.emit(self)
            yield

    def _under(self, event: Any) -> NDArray[np.float64]:
        return np.array(event.position, dtype=float)[list(self.model.dims.displayed)]

    def _wheel(self, _model: object, event: Any) -> None:
        event.handled = True
        steps = float(np.sign(event.delta[1]))
        if self._layer is None or steps == 0:
            return
        if "Control" in event.modifiers:
            self._zoom_at(self._under(event), _ZOOM_STEP**steps)
            return
        point = np.array(self.model.dims.point if self._point is None else self._point, dtype=float)
        low, high, step = self.model.dims.range[self.axis]
        point[self.axis] = np.clip(point[self.axis] + steps * step, low, high)
        self.pointed.emit(point)

    def _zoom_at(self, fixed: NDArray[np.float64], factor: float) -> None:
        """Zoom so that the place under the cursor stays there."""
        camera = self.model.scene.camera
        centre = np.array(camera.center[-2:], dtype=float)
        camera.zoom *= factor
        camera.center = tuple(fixed + (centre - fixed) / factor)
        self.zoomed.emit(self)

    def _double_click(self, _model: object, event: Any) -> None:
        event.handled = True
        self.fitted.emit()
