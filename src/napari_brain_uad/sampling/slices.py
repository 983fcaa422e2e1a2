"""Any scan as a stack of axial slices of one size, centred on the brain, and scores of such slices back on the scan's grid.

What 2-D methods look at. Voxel axes are taken as the anatomical ones (arrays are RAS+, see `core.volume`): an oblique scan is sliced
along its own axes, and nothing is rotated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.volume import Volume

Axes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

INSIDE = 0.5
"""A pixel belongs to the brain when at least this fraction of it does."""


@dataclass(frozen=True)
class SliceGrid:
    """The size of the slices.

    Parameters
    ----------
    height, width : int
        Pixels from posterior to anterior (rows) and from left to right (columns).
    pixel_mm : float or None
        Size of a pixel; None = a whole slice of any size is resized.
    step_mm : float or None
        Distance between slices; None = the scan's own.
    depth : int, optional
        Number of slices; as many as the brain is high when None.
    """

    height: int = 128
    width: int = 128
    pixel_mm: float | None = 1.6
    step_mm: float | None = 2.0
    depth: int | None = None


@dataclass(frozen=True, eq=False)
class Slices:
    """Axial slices of a scan, from inferior to superior.

    Parameters
    ----------
    data : array of float32, shape (S, H, W)
        ``data[s, h, w]``: s runs to superior, h to anterior, w to the patient's right; 0 outside the brain.
    mask : array of bool, shape (S, H, W)
        The brain.
    positions : three arrays of float64, shapes (W,), (H,), (S,)
        Voxel index i, j and k of the pixels' centres in the scan they were cut from.
    shape : tuple of int
        The scan's shape (I, J, K).
    """

    data: NDArray[np.float32]
    mask: NDArray[np.bool_]
    positions: Axes
    shape: tuple[int, int, int]

    def with_data(self, data: NDArray[np.float32]) -> Slices:
        """Other values at the same places."""
        return replace(self, data=data)

    def back(self, score: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of slices at the voxels of the scan, linear between the pixels of the brain; 0 where none is near.

        Parameters
        ----------
        score : array of float32, shape (S, H, W)
            Only what lies inside `mask` counts.

        Returns
        -------
        array of float32, shape (I, J, K)
        """
        weights = []
        for count, axis in zip(self.shape, self.positions, strict=True):
            start, step = axis[0], axis[1] - axis[0] if len(axis) > 1 else 1.0
            weights.append(_weights((np.arange(count) - start) / step, len(axis)))
        three = (weights[0], weights[1], weights[2])
        share = _separable(self.mask.astype(np.float32).transpose(2, 1, 0), three)
        values = _separable(np.where(self.mask, score, np.float32(0.0)).transpose(2, 1, 0), three)
        result = np.zeros(self.shape, np.float32)
        return np.divide(values, share, out=result, where=share > 1e-3)


def to_slices(volume: Volume, grid: SliceGrid, *, interpolation: Literal["linear", "nearest"] = "linear") -> Slices:
    """Cut a scan of any grid into slices of one grid, centred on the box around its brain.

    Parameters
    ----------
    volume : Volume
        Its mask is the brain; all of it when it has none.
    grid : SliceGrid
        The slices wanted. Their number follows from the brain's height.
    interpolation : {"linear", "nearest"}
        "linear" takes the values from inside the brain only (normalised convolution) and averages over what a coarser pixel
        covers (a triangle as wide as two pixels), so that fine detail does not alias. "nearest" is for labels.
    """
    mask = volume.brain
    positions = _positions(mask, volume.grid.spacing, grid)
    cut = _cut_nearest if interpolation == "nearest" else _cut_linear
    data, inside = cut(volume.data, mask, positions)
    shape = (int(mask.shape[0]), int(mask.shape[1]), int(mask.shape[2]))
    return Slices(np.ascontiguousarray(data.transpose(2, 1, 0)), np.ascontiguousarray(inside.transpose(2, 1, 0)), positions, shape)


def _positions(mask: NDArray[np.bool_], spacing: tuple[float, float, float], grid: SliceGrid) -> Axes:
    sides = [np.flatnonzero(mask.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    ends = [(int(side[0]), int(side[-1])) if side.size else (0, count - 1) for side, count in zip(sides, mask.shape, strict=True)]
    if grid.pixel_mm is None:
        left, behind = _resized(mask.shape[0], grid.width), _resized(mask.shape[1], grid.height)
    else:
        left = _spaced(ends[0], grid.width, grid.pixel_mm / spacing[0])
        behind = _spaced(ends[1], grid.height, grid.pixel_mm / spacing[1])
    if grid.step_mm is None:
        return left, behind, np.arange(ends[2][0], ends[2][1] + 1, dtype=np.float64)
    thick = (ends[2][1] - ends[2][0] + 1) * spacing[2] if sides[2].size else spacing[2]
    depth = grid.depth or max(1, int(np.ceil(thick / grid.step_mm - 1e-6)))
    return left, behind, _spaced(ends[2], depth, grid.step_mm / spacing[2])


def _spaced(ends: tuple[int, int], count: int, step: float) -> NDArray[np.float64]:
    """Positions a step apart, centred between two ends."""
    return np.asarray(sum(ends) / 2.0 + (np.arange(count) - (count - 1) / 2.0) * step, np.float64)


def _resized(count: int, wanted: int) -> NDArray[np.float64]:
    """Positions of so many pixels that cover all voxels of a row."""
    return np.asarray((np.arange(wanted) + 0.5) * (count / wanted) - 0.5, np.float64)


def _cut_nearest(data: NDArray[np.float32], mask: NDArray[np.bool_], axes: Axes) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rounded = [np.rint(axis).astype(int) for axis in axes]
    taken = np.ix_(*(np.clip(axis, 0, n - 1) for axis, n in zip(rounded, mask.shape, strict=True)))
    i, j, k = ((axis >= 0) & (axis < n) for axis, n in zip(rounded, mask.shape, strict=True))
    inside = mask[taken] & i[:, None, None] & j[None, :, None] & k[None, None, :]
    return np.where(inside, data[taken], np.float32(0.0)), inside


def _cut_linear(data: NDArray[np.float32], mask: NDArray[np.bool_], axes: Axes) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    weights = [_weights(axis, n) for axis, n in zip(axes, mask.shape, strict=True)]
    three = (weights[0], weights[1], weights[2])
    share = _separable(mask.astype(np.float32), three)
    values = _separable(np.where(mask, data, np.float32(0.0)), three)
    inside = share >= INSIDE
    result = np.zeros(share.shape, np.float32)
    np.divide(values, share, out=result, where=inside)
    return result, inside


def _weights(at: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    """Matrix (len(at), count) that reads `count` samples at the positions `at`: linear, or a wider triangle when they lie coarser.

    A row is zero where the position lies more than half a sample outside; nearer the edge the outermost sample goes on.
    """
    radius = max(1.0, float(at[1] - at[0]) if len(at) > 1 else 1.0)
    inside = (at >= -0.5) & (at <= count - 0.5)
    clamped = np.clip(at, 0, count - 1)
    rows = np.maximum(0.0, 1.0 - np.abs(clamped[:, None] - np.arange(count)) / radius)
    rows /= rows.sum(axis=1, keepdims=True)
    return np.asarray(rows * inside[:, None], dtype=np.float32)


def _separable(
    data: NDArray[np.float32], weights: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Apply one matrix along each axis (each turn moves the axis done to the end, so after three the order is as it was)."""
    for matrix in weights:
        data = np.tensordot(data, matrix, axes=(0, 1))
    return data
