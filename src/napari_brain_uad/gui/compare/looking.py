"""Where the cells of a comparison look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..layers.crosshair import point_at

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_ROOM = 0.9
"""Part of a cell that is filled; the letters stand beside it."""

_TOLERANCE = 4
"""A press and release of the mouse closer together than this, in pixels, is a click."""


def look_at(viewer: ViewerModel, layer: Layer, corners: Sequence[Sequence[int]]) -> None:
    """Centre the box between two voxels of a layer, as large as the view allows; the view shows the whole layer before."""
    low, high = (layer.data_to_world(corner) for corner in corners)
    shown = [axis - (viewer.dims.ndim - 3) for axis in viewer.dims.displayed]
    whole = layer.extent.world
    parts = [(whole[1][axis] - whole[0][axis]) / max(high[axis] - low[axis], 1e-6) for axis in shown]
    centre = list(viewer.scene.camera.center)
    centre[-2:] = [(low[axis] + high[axis]) / 2 for axis in shown]
    viewer.scene.camera.center = tuple(centre)
    viewer.scene.camera.zoom *= max(min(parts) * _ROOM, 1.0)


def point_by_click(viewer: ViewerModel, event: Any) -> Iterator[None]:
    """Take a press of the mouse: a click, not a drag, moves the crosshair."""
    start = np.asarray(event.pos, dtype=float)
    yield
    while event.type == "mouse_move":
        yield
    still = float(np.abs(np.asarray(event.pos, dtype=float) - start).max()) <= _TOLERANCE
    if still and event.button == 1 and not event.modifiers and viewer.dims.ndisplay == 2:
        point_at(viewer, event.position)
