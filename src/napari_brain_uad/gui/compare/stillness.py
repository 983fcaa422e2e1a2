"""Many layers come into a viewer with little of what napari does for each one that a user adds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_STEP_SECONDS = 0.03


def _canvas(viewer: ViewerModel) -> Any:
    """The canvas of a viewer with a window; None for a viewer without one."""
    window = getattr(viewer, "window", None)
    return None if window is None else window._qt_viewer.canvas


@contextmanager
def still_canvas(viewer: ViewerModel) -> Iterator[None]:
    """Lay out what is on the canvas at the end and not before.

    As ``layers.batched_update``, but without the collection of all garbage with which that ends: nothing goes, so nothing has to.
    """
    canvas = _canvas(viewer)
    if canvas is None:
        yield
        return
    canvas._pause_scene_graph_update()
    try:
        yield
    finally:
        canvas._pause_scene_graph = False
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


@contextmanager
def unpainted(viewer: ViewerModel) -> Iterator[None]:
    """Paint the canvas at the end, at once, and not before; what is on it is laid out as ever."""
    canvas = _canvas(viewer)
    if canvas is None:
        yield
        return
    canvas.native.setUpdatesEnabled(False)
    try:
        yield
    finally:
        canvas.native.setUpdatesEnabled(True)
        canvas.native.repaint()  # otherwise it comes together with what changes next in the docks


def cells_made(viewer: ViewerModel) -> None:
    """Make the cells of the grid that the canvas lays out next: a good half of that work, for a step of its own."""
    canvas = _canvas(viewer)
    if canvas is not None:
        canvas._init_or_update_grid()


def drawn_ahead(viewer: ViewerModel, *, every: bool = False) -> Iterator[None]:
    """Draw what was never drawn, piece by piece and unseen; some 30 ms a step.

    The first time that vispy draws a piece it writes and compiles a program for the GPU, which costs as much as a whole repaint later. On a
    canvas that is painted as usual, all that came with a layer is compiled in one turn.

    Parameters
    ----------
    every : bool, default False
        Draw what was drawn before as well: after cells or cameras changed, vispy works out the place of every piece again.
    """
    canvas = _canvas(viewer)
    if canvas is None:
        return
    scene = canvas._scene_canvas
    start = time.perf_counter()
    for piece in list(_pieces(scene.scene)):
        if not (every or piece._program._need_build):
            continue
        # Preparing draws the characters of a text that were never seen before; building writes the program, drawing compiles it.
        for act in (partial(piece._prepare_draw, view=piece), piece._program.build_if_needed, partial(_draw_unseen, canvas, piece)):
            act()
            if time.perf_counter() - start > _STEP_SECONDS:
                yield
                start = time.perf_counter()


def _draw_unseen(canvas: Any, piece: Any) -> None:
    scene = canvas._scene_canvas
    canvas.native.makeCurrent()
    scene.set_current()
    # One pixel, which the next repaint covers.
    scene.context.set_state(scissor_test=True)
    scene.context.set_scissor(0, 0, 1, 1)
    try:
        piece.draw()
    finally:
        scene.context.set_state(scissor_test=False)
        scene.context.flush_commands()


def _pieces(node: Any) -> Iterator[Any]:
    """All that is drawn with a program of its own, of a node and what hangs on it, as far as it is seen."""
    if not node.visible:
        return
    yield from _programs(node)
    for child in node.children:
        yield from _pieces(child)


def _programs(visual: Any) -> Iterator[Any]:
    if hasattr(visual, "_program"):
        yield visual
    elif hasattr(visual, "_subvisuals") and visual._prepare_draw(view=visual) is not False:
        for part in visual._subvisuals:
            if part.visible:
                yield from _programs(part)
