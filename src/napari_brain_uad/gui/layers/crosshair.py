"""One place in several views: a position shared through a viewer's slices, and the lines that mark it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from napari.components import ViewerModel

GAP = 3
"""Voxels left free on each side of the marked one: what is looked at must not be covered."""


def point_at(viewer: ViewerModel, position: ArrayLike) -> None:
    """Make a position of napari's world (its last three axes) the viewer's point: the slices go there, and so does every crosshair."""
    dims = viewer.dims
    dims.point = (*dims.point[: dims.ndim - 3], *(float(value) for value in np.asarray(position)[-3:]))


def marked_voxel(viewer: ViewerModel, layer: Layer) -> tuple[int, ...]:
    """The voxel of a 3-D layer, in its own axes (k, j, i), at the viewer's point; it may lie outside of the layer."""
    inside = layer.world_to_data(np.asarray(viewer.dims.point[-3:]))
    return tuple(int(value) for value in np.round(inside))


def crosshair_lines(shape: tuple[int, int], at: tuple[int, int], gap: int = GAP) -> list[tuple[Any, Any]]:
    """The lines of a crosshair in a slice, as pairs of indices into an array of this shape; none where it lies outside.

    Parameters
    ----------
    shape, at : tuple of int
        Of the slice, and the marked voxel in it.
    gap : int
        Voxels left free on each side of it.
    """
    (rows, columns), (row, column) = shape, at
    lines: list[tuple[Any, Any]] = []
    if 0 <= column < columns:
        lines += [(slice(0, max(row - gap, 0)), column), (slice(max(row + gap + 1, 0), rows), column)]
    if 0 <= row < rows:
        lines += [(row, slice(0, max(column - gap, 0))), (row, slice(max(column + gap + 1, 0), columns))]
    return lines


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The voxels of a slice's mask that have a neighbour outside of it, shape as given."""
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return mask & ~inner
