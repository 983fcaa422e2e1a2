"""Where the cells of a comparison look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_ROOM = 0.9
"""Part of a cell that is filled; the letters stand beside it."""


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
