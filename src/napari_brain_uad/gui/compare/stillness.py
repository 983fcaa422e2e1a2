"""Many layers come into a viewer with little of what napari does for each one that a user adds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


def _canvas(viewer: ViewerModel) -> Any:
    """The canvas of a viewer with a window; None for a viewer without one."""
    window = getattr(viewer, "window", None)
    return None if window is None else window._qt_viewer.canvas


@contextmanager
def still_canvas(viewer: ViewerModel) -> Iterator[None]:
    """Paint the canvas, and lay out what is on it, at the end and not before.

    As ``layers.batched_update``, but without the collection of all garbage with which that ends: nothing goes, so nothing has to.
    """
    canvas = _canvas(viewer)
    if canvas is None:
        yield
        return
    native = canvas.native
    canvas._pause_scene_graph_update()
    native.setUpdatesEnabled(False)
    try:
        yield
    finally:
        canvas._pause_scene_graph = False
        native.setUpdatesEnabled(True)
        canvas._update_scenegraph()


def insert_quietly(viewer: ViewerModel, place: int, layer: Layer) -> None:
    """Insert a layer; the selection, and the slices that are looked at, stay as they are.

    napari selects what comes, which shows its controls in the window: a good part of the time that a layer takes.
    """
    layers, point = viewer.layers, viewer.dims.point
    selects, layers._activate_on_insert = layers._activate_on_insert, False
    try:
        layers.insert(place, layer)
    finally:
        layers._activate_on_insert = selects
    if viewer.dims.point != point:
        viewer.dims.point = point
