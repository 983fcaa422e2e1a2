"""Moving images between grids: one interpolation, from a known affine, in voxel coordinates.

Work in voxel coordinates keeps sheared grids (which medical image formats may hold and ITK's own geometry may not) as exact as
any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..core.volume import Grid, Volume
from .warp import Route, affine_transform

Interpolation = Literal["nearest", "linear", "cubic"]
_ITK = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear, "cubic": sitk.sitkBSpline3}

Way = NDArray[np.float64] | Route | None
"""World mm of the wanted grid to world mm of the given one: a matrix (4 x 4), a route with a deformation, or None for the identity."""

INSIDE = 0.5
"""A resampled voxel belongs to a mask when at least this fraction of it does (linear interpolation)."""


def resample_array(
    data: NDArray[Any],
    grid: Grid,
    target: Grid,
    matrix: Way = None,
    *,
    interpolation: Interpolation = "linear",
    fill: float = 0.0,
) -> NDArray[Any]:
    """The values of an image at the voxel centres of another grid.

    Parameters
    ----------
    data : array, shape of `grid`
        bool and integers keep their type (use "nearest"), all else becomes float32.
    grid, target : Grid
        Where `data` lies, and where it is wanted.
    matrix : array, shape (4, 4), or Route, optional
        World mm of `target` to world mm of `grid`; the identity by default.
    interpolation : {"nearest", "linear", "cubic"}
        "cubic" is a B-spline of order 3, clipped to the range of `data`: its overshoot would be intensities nobody measured.
    fill : float
        For voxels outside the image, which ends half a voxel beyond its outermost centres.

    Returns
    -------
    array, shape of ``target``
        Axis i varies fastest in memory.
    """
    transform = matrix.transform(grid, target) if isinstance(matrix, Route) else _index_transform(grid, target, matrix)
    stored = data.astype(np.uint8) if data.dtype == np.bool_ else data if data.dtype.kind in "iu" else data.astype(np.float32, copy=False)
    moved = sitk.Resample(
        sitk.GetImageFromArray(stored.T),
        target.shape,
        transform,
        _ITK[interpolation],
        (0.0,) * 3,
        (1.0,) * 3,
        np.eye(3).ravel().tolist(),
        fill,
    )
    values: NDArray[Any] = sitk.GetArrayFromImage(moved).T
    if interpolation == "cubic":
        np.clip(values, min(float(stored.min()), fill), max(float(stored.max()), fill), out=values)
    return values.astype(np.bool_) if data.dtype == np.bool_ else values


def _index_transform(grid: Grid, target: Grid, matrix: NDArray[np.float64] | None) -> sitk.Transform:
    to_index = np.linalg.inv(grid.affine) @ (np.eye(4) if matrix is None else matrix) @ target.affine
    # Grids that differ by whole voxels are copied exactly: rounding here spares interpolation at 0.9999999.
    near = np.round(to_index)
    return affine_transform(near if np.allclose(to_index, near, rtol=0.0, atol=1e-6) else to_index)


def resample_mask(mask: NDArray[np.bool_], grid: Grid, target: Grid, matrix: Way = None) -> NDArray[np.bool_]:
    """A mask on another grid: linear interpolation, inside from `INSIDE` on; for `matrix` see `resample_array`."""
    return np.asarray(resample_array(mask.astype(np.float32), grid, target, matrix) >= INSIDE)


def resample_inside(
    data: NDArray[np.float32],
    mask: NDArray[np.bool_],
    grid: Grid,
    target: Grid,
    matrix: Way = None,
    *,
    outside: float = 0.0,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Image and mask on another grid, linear, from voxels inside the mask only.

    Plain interpolation of a skull-stripped brain mixes the background into a rim as wide as the slices are thick; here each
    value is the mean of the neighbours inside the mask (normalised convolution, Knutsson & Westin 1993).

    Parameters
    ----------
    data, mask : array, shape of `grid`
        The image and its brain.
    outside : float
        The value outside the resampled mask.

    Returns
    -------
    data, mask : array, shape of `target`
    """
    weight = resample_array(mask.astype(np.float32), grid, target, matrix)
    values = resample_array(np.where(mask, data, np.float32(0.0)), grid, target, matrix)
    inside = weight >= INSIDE
    result = np.full(target.shape, outside, np.float32, order="F")
    result[inside] = values[inside] / weight[inside]
    return result, inside


def resample_volume(volume: Volume, target: Grid, matrix: Way = None, *, interpolation: Interpolation = "linear") -> Volume:
    """A volume and its mask on another grid.

    With a mask and "linear" the values come from inside the mask only (`resample_inside`) and 0 lies around it.
    """
    if volume.mask is not None and interpolation == "linear":
        data, mask = resample_inside(volume.data, volume.mask, volume.grid, target, matrix)
        return replace(volume, data=data, mask=mask, grid=target)
    data = resample_array(volume.data, volume.grid, target, matrix, interpolation=interpolation)
    moved = None if volume.mask is None else resample_mask(volume.mask, volume.grid, target, matrix)
    return replace(volume, data=data if moved is None else data * moved, mask=moved, grid=target)


def grid_with_spacing(grid: Grid, spacing_mm: tuple[float, float, float]) -> Grid:
    """A grid over the same space with other voxel sizes; its outer faces coincide at the first voxel, the last may reach beyond."""
    factor = np.array(spacing_mm) / np.array(grid.spacing)
    shape = np.maximum(np.ceil(np.array(grid.shape) / factor - 1e-6), 1).astype(int)
    change = np.diag([*factor, 1.0])
    change[:3, 3] = (factor - 1.0) / 2.0
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), grid.affine @ change)


def shifted_grid(grid: Grid, offset: tuple[int, int, int], shape: tuple[int, int, int]) -> Grid:
    """The grid whose voxel 0 is voxel `offset` of `grid` (which may be negative)."""
    change = np.eye(4)
    change[:3, 3] = offset
    return Grid(shape, grid.affine @ change)
