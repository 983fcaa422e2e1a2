"""Remembering how a viewer stands, to put it back exactly so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from vispy.scene.widgets import Grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari.components import ViewerModel

_CAMERA = ("orientation", "perspective", "angles", "zoom", "center", "mouse_pan", "mouse_zoom")
_GRID = ("stride", "shape", "spacing", "enabled")


class ViewerState:
    """Layers with their order, visibility and selection, the grid, the camera and the slices of a viewer, as they were when it was made.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer; only read.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._layers = tuple(viewer.layers)
        self._visible = {layer: bool(layer.visible) for layer in self._layers}
        self._selected, self._active = set(viewer.layers.selection), viewer.layers.selection.active
        self._camera: dict[str, Any] = {name: getattr(viewer.scene.camera, name) for name in _CAMERA}
        self._grid: dict[str, Any] = {name: getattr(viewer.canvas.grid, name) for name in _GRID}
        dims = viewer.dims
        self._ndim, self._ndisplay, self._order, self._point = dims.ndim, dims.ndisplay, dims.order, dims.point

    def restore(self, viewer: ViewerModel, *, remove: Iterable[Layer] = ()) -> None:
        """Put everything back, and take the layers of `remove` out; layers that went meanwhile stay away, new ones stay on top."""
        for _ in self.restoring(viewer, remove=remove):
            pass

    def restoring(self, viewer: ViewerModel, *, remove: Iterable[Layer] = ()) -> Iterator[None]:
        """`restore` in steps."""
        with viewer.layers.batched_update():
            for layer in remove:
                if layer in viewer.layers:
                    viewer.layers.remove(layer)
            for name in _GRID:
                setattr(viewer.canvas.grid, name, self._grid[name])
            yield
            present = [layer for layer in self._layers if layer in viewer.layers]
            for layer in present:
                layer.visible = self._visible[layer]
            for place, layer in enumerate(present):
                if viewer.layers.index(layer) != place:
                    viewer.layers.move(viewer.layers.index(layer), place)
            yield  # the end of the batch lays out the canvas
        yield
        dims = viewer.dims
        if dims.ndim == self._ndim:
            dims.ndisplay = self._ndisplay
            dims.order = self._order
            dims.point = self._point
        for name in _CAMERA:
            setattr(viewer.scene.camera, name, self._camera[name])
        yield
        present = [layer for layer in present if layer in viewer.layers]
        selection = viewer.layers.selection
        if self._active in present:
            selection.active = self._active
        else:
            selection.clear()
            selection.update(layer for layer in present if layer in self._selected)


def release_grids(viewer: ViewerModel) -> None:
    """Let go of the grids that a viewer's canvas has laid out and shows no more.

    napari 0.9 makes another one for every change of the grid's shape, and its canvas keeps them all: some megabytes each, for as long as
    the window is open.
    """
    window = getattr(viewer, "window", None)
    if window is None:
        return
    canvas = window._qt_viewer.canvas
    around = canvas.central_widget
    for widget in tuple(around._widgets):
        if isinstance(widget, Grid) and widget is not canvas.grid:
            around.remove_widget(widget)
