"""Filters of the raw score and of the brain mask, before a threshold is applied."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..core.errors import InputError
from ..core.volume import Grid
from ._median_network import median_valid
from .params import MEDIAN_SIZES

Box = tuple[slice, slice, slice]


def median(score: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Exact 3-D median over a cube of `size` voxels.

    Equal, voxel for voxel, to ``scipy.ndimage.median_filter(score, size, mode="nearest")``: beyond the border the nearest voxel
    is repeated. Used on anomaly maps by Kascenas et al. 2022 and Behrendt et al. 2023 (section 4, size 5).

    Parameters
    ----------
    score : array of float32, shape (i, j, k)
        Finite.
    size : int
        0 (no filter), 3, 5 or 7 voxels.

    Raises
    ------
    InputError
        For another size.
    """
    if size not in MEDIAN_SIZES:
        raise InputError("Median filter", why=f"its size is {size} voxels", fix="Choose 0 (off), 3, 5 or 7")
    if size == 0:
        return score
    radius = size // 2
    box = _changing_box(score, radius)
    filtered = score.copy(order="K")  # scans lie in memory with the first axis fastest
    if box is None:
        return filtered
    filtered[box] = median_valid(_with_margin(score, box, radius), size)
    return filtered


def gaussian(score: NDArray[np.float32], sigma_mm: float, grid: Grid) -> NDArray[np.float32]:
    """Gaussian smoothing, cut off at 4 sigma, the border voxel repeated.

    Parameters
    ----------
    score : array of float32, shape (i, j, k)
    sigma_mm : float
        Standard deviation in mm along every axis; 0 = no filter.
    grid : Grid
        Gives the voxel size.
    """
    if sigma_mm == 0:
        return score
    sigma = [sigma_mm / size for size in grid.spacing]
    radius = int(4.0 * max(sigma) + 0.5)
    box = _changing_box(score, radius)
    smoothed = score.copy(order="K")
    if box is None:
        return smoothed
    inner: Box = tuple(slice(radius, -radius or None) for _ in range(3))  # type: ignore[assignment]  # three slices
    smoothed[box] = ndimage.gaussian_filter(_with_margin(score, box, radius), sigma, mode="nearest", truncate=4.0)[inner]
    return smoothed


def erode(mask: NDArray[np.bool_], iterations: int) -> NDArray[np.bool_]:
    """Take `iterations` layers of voxels (face neighbours) off a mask; outside the image counts as outside the mask.

    Erosion of the brain mask keeps the rim, where every reconstruction fails, out of the result (Behrendt et al. 2023: 3 layers).
    """
    if iterations == 0 or not mask.any():
        return mask
    eroded = np.zeros_like(mask)
    box = bounding_box(mask)
    neighbours = ndimage.generate_binary_structure(3, 1)
    for axis in (axis for axis in range(3) if mask.shape[axis] == 1):  # of a single slice the rim alone is taken off
        np.moveaxis(neighbours, axis, 0)[[0, 2]] = False
    eroded[box] = ndimage.binary_erosion(mask[box], neighbours, iterations=iterations, border_value=0)
    return eroded


def bounding_box(mask: NDArray[np.bool_]) -> Box:
    """Smallest box around the True voxels of a mask that has some."""
    flat: NDArray[np.bool_] = np.any(mask, axis=2)
    sides = []
    for line in (flat.any(axis=1), flat.any(axis=0), mask.any(axis=(0, 1))):
        hits = np.flatnonzero(line)
        sides.append(slice(int(hits[0]), int(hits[-1]) + 1))
    return sides[0], sides[1], sides[2]


def grown_box(box: Box, margins: Sequence[int], shape: Sequence[int]) -> Box:
    """A box with so many voxels more on both sides along each axis, as far as the volume reaches."""
    i, j, k = (
        slice(max(side.start - margin, 0), min(side.stop + margin, length))
        for side, margin, length in zip(box, margins, shape, strict=True)
    )
    return i, j, k


def _changing_box(score: NDArray[np.float32], radius: int) -> Box | None:
    """The box outside of which a filter with this radius meets only one constant, the value in the corner; None if all is constant.

    Anomaly maps are constant outside the brain, which is more than half of a usual volume.
    """
    different: NDArray[np.bool_] = np.not_equal(score, score[0, 0, 0])
    if not different.any():
        return None
    return grown_box(bounding_box(different), (radius,) * 3, score.shape)


def _with_margin(score: NDArray[np.float32], box: Box, radius: int) -> NDArray[np.float32]:
    """The voxels of `box` and `radius` more on every side, the border voxel repeated where the image ends."""
    inside = tuple(
        slice(max(side.start - radius, 0), min(side.stop + radius, length)) for side, length in zip(box, score.shape, strict=True)
    )
    missing = [(max(radius - side.start, 0), max(side.stop + radius - length, 0)) for side, length in zip(box, score.shape, strict=True)]
    return np.pad(score[inside], missing, mode="edge")
