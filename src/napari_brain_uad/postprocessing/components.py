"""Connected components of a mask, and the morphology that makes and unmakes them."""

from __future__ import annotations

from typing import Literal, cast

import cc3d
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .filters import bounding_box

CONNECTIVITIES = (6, 18, 26)


_COARSE = 2.0
"""An axis whose voxels are more than this many times as long as the shortest is left out of the opening."""


def label(mask: NDArray[np.bool_], connectivity: int = 26) -> NDArray[np.uint32]:
    """Number the connected components of a mask from 1; 0 is background.

    Parameters
    ----------
    mask : array of bool, shape (i, j, k)
    connectivity : int
        Voxels that count as neighbours: 6 (faces), 18 (and edges) or 26 (and corners).

    Raises
    ------
    InputError
        For another connectivity.
    """
    if connectivity not in CONNECTIVITIES:
        raise InputError("Connected components", why=f"connectivity is {connectivity}", fix="Choose 6, 18 or 26")
    labels = np.zeros_like(mask, np.uint32)
    if mask.any():
        box = bounding_box(mask)
        neighbours = cast("Literal[6, 18, 26]", connectivity)
        inside = mask[box].copy(order="K")
        # cc3d 3 takes arrays that are one voxel thin for too few runs, and fails on some of them.
        thin = [(0, int(side == 1)) for side in inside.shape]
        found = cc3d.connected_components(np.pad(inside, thin) if 1 in inside.shape else inside, connectivity=neighbours)
        labels[box] = found[tuple(slice(0, side) for side in inside.shape)]
    return labels


def label_large(mask: NDArray[np.bool_], min_voxels: int, connectivity: int = 26) -> NDArray[np.uint32]:
    """`label`, with components of fewer than `min_voxels` voxels set to 0; the numbers of the others stay, with gaps."""
    if min_voxels <= 1 or not mask.any():
        return label(mask, connectivity)
    labels = np.zeros_like(mask, np.uint32)
    box = bounding_box(mask)
    inside = label(mask[box], connectivity)
    numbers = inside[mask[box]]
    small = np.bincount(numbers) < min_voxels
    numbers[small[numbers]] = 0
    inside[mask[box]] = numbers
    labels[box] = inside
    return labels


def drop_small(mask: NDArray[np.bool_], min_voxels: int, connectivity: int = 26) -> NDArray[np.bool_]:
    """Take away components of fewer than `min_voxels` voxels."""
    return mask if min_voxels <= 1 else label_large(mask, min_voxels, connectivity) > 0


def opening(mask: NDArray[np.bool_], iterations: int, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> NDArray[np.bool_]:
    """Erode and dilate by `iterations` layers (face neighbours): cuts thin bridges and specks.

    Parameters
    ----------
    mask : array of bool, shape (i, j, k)
    iterations : int
        Layers of voxels.
    spacing : tuple of float
        Voxel size in mm. Along an axis more than twice as coarse as the finest no layer is taken off: through 5 mm slices it would
        delete every lesion that two slices show, at a scale where nothing thin is left to cut.
    """
    if iterations == 0 or not mask.any():
        return mask
    opened = np.zeros_like(mask)
    box = bounding_box(mask)
    inner = mask[box]
    axes = tuple(axis for axis in range(3) if spacing[axis] <= _COARSE * min(spacing))
    # Shifted copies give what scipy's binary_opening gives, in less time.
    for _ in range(iterations):
        inner = _shrunk(inner, axes)
    for _ in range(iterations):
        inner = _grown(inner, axes)
    opened[box] = inner
    return opened


def _shrunk(mask: NDArray[np.bool_], axes: tuple[int, ...]) -> NDArray[np.bool_]:
    """One layer (face neighbours) less; what lies outside the array counts as background."""
    out = mask.copy(order="K")
    for axis in axes:
        kept, given = np.moveaxis(out, axis, 0), np.moveaxis(mask, axis, 0)
        kept[1:] &= given[:-1]
        kept[:-1] &= given[1:]
        kept[0] = kept[-1] = False
    return out


def _grown(mask: NDArray[np.bool_], axes: tuple[int, ...]) -> NDArray[np.bool_]:
    """One layer (face neighbours) more."""
    out = mask.copy(order="K")
    for axis in axes:
        wide, given = np.moveaxis(out, axis, 0), np.moveaxis(mask, axis, 0)
        wide[1:] |= given[:-1]
        wide[:-1] |= given[1:]
    return out


def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill what the mask encloses on all sides (background reached through faces only), as ``scipy.ndimage.binary_fill_holes``."""
    if not mask.any():
        return mask
    filled = mask.copy(order="K")
    box = bounding_box(mask)
    outside = np.pad(~mask[box], 1, constant_values=True)
    labels = cc3d.connected_components(outside, connectivity=6)
    filled[box] = (labels != labels[0, 0, 0])[1:-1, 1:-1, 1:-1]
    return filled
