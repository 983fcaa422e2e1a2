"""Boxes of regions as line segments, drawn on the slices they cover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int, int, int]
"""(i0, i1, j0, j1, k0, k1), half-open, as in `postprocessing.regions.Region`."""


def box_segments(boxes: Sequence[Box], across: int | None) -> NDArray[np.float32]:
    """Edges of boxes for a napari Vectors layer.

    Parameters
    ----------
    boxes : sequence of (i0, i1, j0, j1, k0, k1)
        Half-open voxel boxes.
    across : {0, 1, 2} or None
        The layer axis (k, j, i) that the slider walks through: a rectangle is drawn on each slice a box covers.
        None, for the 3-D view, gives the twelve edges of each box.

    Returns
    -------
    array of float32, shape (n, 2, 3)
        Start and direction of every segment in the layer's (k, j, i) voxels.
    """
    parts = [_edges(box) if across is None else _outline(box, across) for box in boxes]
    return np.concatenate(parts) if parts else np.zeros((0, 2, 3), np.float32)


def _corners(box: Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    i0, i1, j0, j1, k0, k1 = box
    # Voxel n reaches from n - 0.5 to n + 0.5 in a layer.
    return np.array((k0, j0, i0), np.float32) - 0.5, np.array((k1, j1, i1), np.float32) - 0.5


def _outline(box: Box, across: int) -> NDArray[np.float32]:
    low, high = _corners(box)
    u, v = (axis for axis in range(3) if axis != across)
    slices = np.arange(low[across] + 0.5, high[across] + 0.5, dtype=np.float32)
    lines = np.zeros((len(slices), 4, 2, 3), np.float32)
    lines[:, :, 0] = low
    lines[:, :, 0, across] = slices[:, None]
    lines[:, 1, 0, v] = high[v]
    lines[:, 3, 0, u] = high[u]
    lines[:, :2, 1, u] = high[u] - low[u]
    lines[:, 2:, 1, v] = high[v] - low[v]
    return lines.reshape(-1, 2, 3)


def _edges(box: Box) -> NDArray[np.float32]:
    low, high = _corners(box)
    lines = []
    for axis in range(3):
        u, v = (other for other in range(3) if other != axis)
        for at_u in (low[u], high[u]):
            for at_v in (low[v], high[v]):
                start, direction = low.copy(), np.zeros(3, np.float32)
                start[u], start[v], direction[axis] = at_u, at_v, high[axis] - low[axis]
                lines.append((start, direction))
    return np.array(lines, np.float32)
