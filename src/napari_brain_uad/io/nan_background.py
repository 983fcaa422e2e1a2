"""NaN around the image, which some tools write for "nothing here", as background; a few inside it as their neighbours are.

Many NaN inside the image stay an error: what would be filled in there is nothing that was measured.
"""

from __future__ import annotations

from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..core.checks import Finding
from ..core.errors import InputError
from ..core.extremes import robust_range

_FIX = "Set them to the background value and load the scan again"

_SIGNED = 0.25
"""Images whose smallest value is more than this fraction of the largest below 0 use 0 for tissue (z-scores): their background has to
lie lower."""


_MOST_HOLES = 0.01
"""More of the image than this is not filled from its neighbours. The image is what is brighter than the mean, about the brain or head."""


def fill_background(name: str, data: NDArray[np.float32], stored: NDArray[Any]) -> tuple[Finding, ...]:
    """Fill, in place, the NaN that surround an image, and few that it encloses.

    Parameters
    ----------
    name : str
        The file's, for the error.
    data : array of float32, shape (i, j, k)
        The intensities.
    stored : array, same shape
        The numbers they were made from.

    Returns
    -------
    tuple of Finding
        What was filled, and with what; empty when all is finite.

    Raises
    ------
    InputError
        If voxels are infinite or too large for float32, the image encloses many NaN, or there is no image.
    """
    bad = ~np.isfinite(data)
    lost = int(np.count_nonzero(bad))
    if not lost:
        return ()
    empty = np.isnan(stored)
    if not np.array_equal(empty, bad) or lost == data.size:
        raise _not_finite(name, stored, lost)
    around = _at_border(empty)
    return (*_fill_around(data, around, bad), *_fill_holes(name, data, empty & ~around, int(np.count_nonzero(around))))


def _fill_around(data: NDArray[np.float32], around: NDArray[np.bool_], bad: NDArray[np.bool_]) -> tuple[Finding, ...]:
    lost = int(np.count_nonzero(around))
    if not lost:
        return ()
    low, high = robust_range(data[~bad])
    value = 0.0 if low >= -_SIGNED * abs(high) else low - 0.05 * (high - low)
    data[around] = value
    said = f"{lost:,} of {data.size:,} voxels, all around the image, are NaN: they are taken as background, with the value {value:.4g}"
    return (Finding("nan-background", "warning", said),)


def _fill_holes(name: str, data: NDArray[np.float32], holes: NDArray[np.bool_], around: int) -> tuple[Finding, ...]:
    """Give enclosed NaN the value of the nearest voxel that has one."""
    count = int(np.count_nonzero(holes))
    if not count:
        return ()
    image = int(np.count_nonzero(data >= data[~holes].mean(dtype=np.float64)))
    share = count / max(count + image, 1)
    if share > _MOST_HOLES:
        also = f" ({around:,} more lie around it and would count as background)" if around else ""
        much = f"{100 * share:.2g} % of it, and no more than 1 % is filled in"
        why = f"{count:,} of {data.size:,} voxels are NaN inside the image{also}: {much}"
        raise InputError(name, why=why, fix="Set them to the values they should have, or to the background's, and load the scan again")
    box = tuple(slice(max(0, int(at.min()) - 1), int(at.max()) + 2) for at in np.nonzero(holes))
    nearest = ndimage.distance_transform_edt(holes[box], return_distances=False, return_indices=True)
    data[box][holes[box]] = data[box][tuple(nearest)][holes[box]]
    largest = int(np.bincount(cc3d.connected_components(holes[box], connectivity=26).ravel())[1:].max())
    said = f"{count:,} voxels inside the image are NaN ({100 * share:.2g} % of it, at most {largest:,} together)"
    told = "They have the values of their nearest neighbours: nothing unusual can be seen there"
    return (Finding("nan-holes", "warning", said, told),)


def _at_border(empty: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The 6-connected parts that reach the border of the array; along axes of one or two slices all is border, which says nothing."""
    labels = cc3d.connected_components(empty, connectivity=6)
    faces = [np.take(labels, (0, -1), axis=axis) for axis in range(3) if labels.shape[axis] > 2]
    reached = np.unique(np.concatenate([face.ravel() for face in faces])) if faces else np.unique(labels)
    return np.isin(labels, reached[reached > 0])


def _not_finite(name: str, stored: NDArray[Any], lost: int) -> InputError:
    bad = int(np.count_nonzero(~np.isfinite(stored)))
    if bad:
        return InputError(name, why=f"{bad:,} of {stored.size:,} voxels are NaN or infinite", fix=_FIX)
    fix = "Rescale its intensities and save it again"
    return InputError(name, why=f"{lost:,} of {stored.size:,} voxels are too large for float32 (3.4e38)", fix=fix)
