"""The ortho view: axial, coronal and sagittal slices through one crosshair, for whatever the viewer shows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtGui import QShowEvent

from ..app import keys
from ..app.home import settle, unwrapped
from ..app.lifetime import Lifetime
from ..layers.composite import Composite, can_be_shown
from ..layers.crosshair import point_at
from ..layers.layer_watch import LayerWatch, visible_here
from ..layers.layers import record
from ..layers.view import PLANES, CursorReading, attach, orientation_known, read_at, show_plane
from ..layers.view_actions import ViewActions
from ..layers.windowing import DEFAULT, set_window
from .layout import OrthoLayout
from .plane import PlaneCanvas
from .volume import VolumeCanvas

if TYPE_CHECKING:
    from napari.viewer import Viewer

_REST_MS = 250
"""The 3-D canvas, which takes long to draw, follows when nothing has changed for this long."""


class OrthoDock(OrthoLayout):
    """Three planes of what the viewer shows.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Injected by napari.

    Notes
    -----
    The crosshair is the viewer's point (``viewer.dims.point``): a click in a plane moves the sliders, and the sliders move the crosshair.
    The planes hold no copies of layers; their slices are blended from the viewer's own (see `composite`). Whatever changes is noted,
    and everything noted is done once, when the events of a change are over.

    The canvases are made when the dock is seen in a window, and anew in another one: Qt destroys the OpenGL context of a canvas, with all
    that was drawn, when its dock is taken out of its window or put back.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        napari_viewer = unwrapped(napari_viewer)
        super().__init__(napari_viewer)
        self._viewer = napari_viewer
        self._overlay = attach(napari_viewer)
        self._layers_moved = self._looks_changed = self._fit_wanted = True
        self._by_hand = self._settled = False
        self._main_reading: CursorReading | None = None
        self._target: NDArray[np.float64] | None = None
        self._cursor: NDArray[np.float64] | None = None
        self._shown_at: tuple[Any, ...] | None = None
        self._soon = _timer(self, 0, self._follow)
        self._rest = _timer(self, _REST_MS, self._follow_in_3d)
        self._place = _timer(self, 0, self._make_canvases)
        self._made = False
        self._actions = ViewActions(napari_viewer)
        self._watch = LayerWatch(napari_viewer, self._layers_changed)
        self._connect()
        self._lifetime = Lifetime(self)
        self._lifetime.ended.connect(self._leave)
        self._soon.start()

    def _emitters(self) -> tuple[tuple[Any, Any], ...]:
        viewer = self._viewer
        grid = viewer.canvas.grid.events
        return (
            (viewer.dims.events.point, self._point_changed),
            (viewer.scene.camera.events.orientation, self._point_changed),
            (grid.enabled, self._cell_changed),
            (grid.stride, self._cell_changed),
            (grid.shape, self._cell_changed),
            (viewer.layers.selection.events.active, self._active_changed),
            (viewer.events.theme, self._theme_changed),
        )

    def _connect(self) -> None:
        for emitter, slot in self._emitters():
            emitter.connect(slot)
        self._overlay.listeners.append(self._show_main_cursor)
        self.window_box.activated.connect(self._window_chosen)
        self.reset.clicked.connect(self._reset)
        self.in_3d.toggled.connect(self._switch_3d)
        actions: dict[str, Callable[[], None]] = {
            keys.NEXT_REGION: partial(self._actions.step_region, 1),
            keys.PREVIOUS_REGION: partial(self._actions.step_region, -1),
            keys.HEATMAP: self._actions.toggle_heatmaps,
            keys.TRUTH: self._actions.toggle_truth,
            keys.NEXT_METHOD: self._actions.next_method,
            **{key: partial(show_plane, self._viewer, plane) for key, plane in keys.PLANE_KEYS.items()},
        }
        keys.bind(self, {key: partial(self._press, key, action) for key, action in actions.items()})

    def _press(self, key: str, action: Callable[[], None]) -> None:
        # Tune and Compare know more: which map, which regions, which row of a table.
        if not keys.pressed_elsewhere(key, self, list(self._viewer.window.dock_widgets.values())):
            action()

    def _leave(self) -> None:
        """The dock was closed: let go of the viewer and of every canvas."""
        self._soon.stop()
        self._rest.stop()
        self._place.stop()
        self._watch.detach()
        for emitter, slot in self._emitters():
            emitter.disconnect(slot)
        if self._show_main_cursor in self._overlay.listeners:
            self._overlay.listeners.remove(self._show_main_cursor)
        self.view.disconnect_viewer()
        self.set_canvases({}, None)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Find a place when the dock is shown for the first time, and have canvases for the window it is in."""
        super().showEvent(event)
        if not self._lifetime.over:
            self._place.start()
            self._soon.start()

    def _make_canvases(self) -> None:
        if not self._settled:
            self._settled = True
            settle(self)
        if self._lifetime.over or self._made:
            return
        self._made = True
        planes = {plane: PlaneCanvas(plane) for plane in PLANES}
        for canvas in planes.values():
            canvas.pointed.connect(self.point_to)
            canvas.hovered.connect(self._hover)
            canvas.zoomed.connect(self._zoomed)
            canvas.fitted.connect(self.fit)
            canvas.model.canvas.events.size.connect(self._resized)
        self.set_canvases(planes, VolumeCanvas() if self.in_3d.isChecked() else None)
        for made in self.canvases():
            made.lost.connect(self._context_lost)
        self._theme_changed()
        self._layers_moved = self._looks_changed = True
        self.fit()

    def _theme_changed(self, _event: object = None) -> None:
        for canvas in self.canvases():
            canvas.model.theme = self._viewer.theme

    def _context_lost(self) -> None:
        if not self._lifetime.over:
            self._made = False
            self._place.start()

    # What is noted

    def point_to(self, position: NDArray[np.float64]) -> None:
        """Move the crosshair to a position of the world (S, A, R), when the events of now are over."""
        self._target = np.asarray(position, dtype=float)
        self._soon.start()

    def fit(self) -> None:
        """Show all of the scan in every plane, all at one scale."""
        self._fit_wanted, self._by_hand = True, False
        self._soon.start()

    def _layers_changed(self, moved: bool) -> None:
        self._layers_moved |= moved
        self._looks_changed = True
        self._soon.start()

    def _cell_changed(self, _event: object = None) -> None:
        self._layers_changed(True)

    def _active_changed(self, _event: object = None) -> None:
        if self._viewer.canvas.grid.enabled:
            self._layers_changed(True)

    def _point_changed(self, _event: object = None) -> None:
        self._soon.start()

    def _resized(self, _event: object = None) -> None:
        if not self._by_hand:
            self._fit_wanted = True
            self._soon.start()

    def _hover(self, position: NDArray[np.float64] | None) -> None:
        self._cursor, self._main_reading = position, None
        self._soon.start()

    # What is done

    @property
    def crosshair(self) -> NDArray[np.float64] | None:
        """Where the crosshair is in the world (S, A, R), or None when nothing with three axes is open."""
        point = np.array(self._viewer.dims.point, dtype=float)
        return point[-3:] if len(point) >= 3 else None

    def _follow(self) -> None:
        """Bring the planes up to date with everything that was noted."""
        if self._lifetime.over or not self.isVisible():
            # What was noted is done when the dock is seen again.
            return
        target, self._target = self._target, None
        if target is not None and self.crosshair is not None:
            point_at(self._viewer, target)
            self._soon.stop()
        again = self._layers_moved
        if self._layers_moved:
            self._follow_layers()
        elif self._looks_changed:
            for canvas in self.planes.values():
                canvas.redraw()
        if self._looks_changed and self.volume is not None:
            self._rest.start()
        self._layers_moved = self._looks_changed = False
        self._follow_point(again)
        if self._fit_wanted and self.planes:
            self._fit_now()
        self._read()

    def _follow_point(self, again: bool) -> None:
        point, orientation = self.crosshair, self._viewer.scene.camera.orientation
        at = (None if point is None else tuple(point), orientation, len(self.canvases()))
        # A mouse that moves over a plane is told from here as well; that draws nothing.
        if again or at != self._shown_at:
            self._shown_at = at
            for canvas in self.canvases():
                canvas.orient(orientation)
                if point is not None:
                    canvas.go_to(point)

    def _follow_layers(self) -> None:
        layers = visible_here(self._viewer)
        shown = [layer for layer in layers if can_be_shown(layer)]
        boxes = [layer for layer in layers if record(layer).get("kind") == "boxes"]
        composite = Composite(shown) if shown else None
        known = all(orientation_known(layer) for layer in shown if isinstance(layer, Image))
        moved = [canvas.show_layers(composite, boxes, orientation_known=known) for canvas in self.planes.values()]
        self._fit_wanted |= any(moved)
        self.show_empty(composite is None)

    def _follow_in_3d(self) -> None:
        if self.volume is not None and not self._lifetime.over:
            self.volume.show_layers(visible_here(self._viewer))

    def _fit_now(self) -> None:
        self._fit_wanted = False
        zoom = min(canvas.fit() for canvas in self.planes.values())
        for canvas in self.planes.values():
            canvas.model.scene.camera.zoom = zoom

    def _zoomed(self, source: PlaneCanvas) -> None:
        self._by_hand = True
        for plane in self.planes.values():
            if plane is not source:
                plane.model.scene.camera.zoom = source.model.scene.camera.zoom

    def _read(self) -> None:
        point = self.crosshair
        cursor = self._main_reading if self._cursor is None else read_at(self._viewer, self._cursor)
        self.readout.show_readings(None if point is None else read_at(self._viewer, point), cursor)

    def _show_main_cursor(self, reading: CursorReading | None) -> None:
        self._cursor, self._main_reading = None, reading
        self._soon.start()

    def _window_chosen(self, _index: int = 0) -> None:
        set_window(self._viewer, self.window_box.currentText())

    def _reset(self) -> None:
        set_window(self._viewer, DEFAULT)
        self.window_box.setCurrentText(DEFAULT)
        self.fit()

    def _switch_3d(self, on: bool) -> None:
        if self.planes:
            self.set_canvases(self.planes, VolumeCanvas() if on else None)
            if self.volume is not None:
                self.volume.lost.connect(self._context_lost)
        self._fit_wanted = not self._by_hand
        self._rest.start()
        self._soon.start()


def _timer(dock: OrthoDock, after_ms: int, slot: Callable[[], None]) -> QTimer:
    timer = QTimer(dock)
    timer.setSingleShot(True)
    timer.setInterval(after_ms)
    timer.timeout.connect(slot)
    return timer
