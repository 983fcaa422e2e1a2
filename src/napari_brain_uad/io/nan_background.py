"""NaN around the image, which some tools write for "nothing here", as background; NaN inside it stays an error."""

from __future__ import annotations

from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from ..core.checks import Finding
from ..core.errors import InputError
from ..core.extremes import robust_range

_FIX = "Set them to the background value and load the scan again"

_SIGNED = 0.25
"""Images whose smallest value is more than this fraction of the largest below 0 use 0 for tissue (z-scores): their background has to
lie lower."""


def fill_background(name: str, data: NDArray[np.float32], stored: NDArray[Any]) -> tuple[Finding, ...]:
    """Fill, in place, the NaN that surround an image.

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
        What was filled, and with which value; empty when all is finite.

    Raises
    ------
    InputError
        If voxels are infinite or too large for float32, NaN are enclosed by the image, or there is no image.
    """
    bad = ~np.isfinite(data)
    lost = int(np.count_nonzero(bad))
    if not lost:
        return ()
    empty = np.isnan(stored)
    if not np.array_equal(empty, bad) or lost == data.size:
        raise _not_finite(name, stored, lost)
    enclosed = lost - int(np.count_nonzero(_at_border(empty)))
    if enclosed:
        around = f" ({lost - enclosed:,} more lie around it and would count as background)" if lost > enclosed else ""
        raise InputError(name, why=f"{enclosed:,} of {data.size:,} voxels are NaN inside the image{around}", fix=_FIX)
    low, high = robust_range(data[~bad])
    value = 0.0 if low >= -_SIGNED * abs(high) else low - 0.05 * (high - low)
    data[bad] = value
    said = f"{lost:,} of {data.size:,} voxels, all around the image, are NaN: they are taken as background, with the value {value:.4g}"
    return (Finding("nan-background", "warning", said),)


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
