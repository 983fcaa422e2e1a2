"""What the values of a file say: a scan, labels, or the part of each voxel that lies inside something."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["scan", "labels", "fraction"]

_NOISE = 1e-3
"""Interpolation leaves whole numbers this far (of the number, or of 1) from where they were."""

_INSIDE = 0.5
"""As in `io.nifti.read_mask`: above it a voxel of a mask in floating point is inside."""

_FAINT = 0.05
"""A map of fractions that stays below this everywhere would be black from 0 to 1."""

_HIGHEST_LABEL = 65535
_STEP, _ALIKE = 4, 0.5

_LABEL_WORDS = re.compile(
    r"(^|[._+-])(brain_?mask|mask|msk|ground_?truth|truth|gt|wmh|lesions?|tumou?r|d?seg|segmentation|labels?|rois?"
    r"|aseg|wmparc|a?parc(\.[a-z0-9]+)?|parcellation|atlas|prob(seg|ability)?|pve(_?\d|seg)?|fraction|mixeltype)(?=[._+-]|$)"
)


def kind_of(stem: str, data: NDArray[Any]) -> Kind:
    """What a file holds.

    Parameters
    ----------
    stem : str
        Its name without the ending, like ``"aparc+aseg"``.
    data : array, shape (i, j, k)
        Its values.

    Returns
    -------
    {"scan", "labels", "fraction"}
        "labels" for two values, 0 and another, whatever the name; for whole numbers in flat patches where the name says mask, labels or
        truth. "fraction" for values from 0 to 1, not all of them tiny, where the name says so. Both but for the noise of an interpolation.
    """
    if is_binary(data):
        return "labels"
    if not _LABEL_WORDS.search(stem.lower()):
        return "scan"
    low, high = float(data.min()), float(data.max())
    if 0.0 < high <= _FAINT:
        return "scan"  # whose limits are those of its values
    if low >= -_NOISE and high <= _HIGHEST_LABEL and _is_whole(data) and _is_flat(data):
        return "labels"
    return "fraction" if low >= -_NOISE and high <= 1.0 + _NOISE else "scan"


def is_binary(data: NDArray[Any]) -> bool:
    """Whether values are 0 and one other, which is above 0.5; an empty mask, all of it 0, is none."""
    high = float(data.max()) if data.size else 0.0
    if not _INSIDE < high < np.inf:
        return False
    # A scan is told from a few of its voxels.
    return all(_two_valued(part, high) for part in (data[::_STEP, ::_STEP, ::_STEP], data)) and bool((data <= high / 2).any())


def whole_numbers(data: NDArray[Any]) -> NDArray[np.uint8] | NDArray[np.int32]:
    """Labels of what `kind_of` calls so, without the noise; those of a mask of two values are 0 and its value, at least 1."""
    high = float(data.max())
    labels: NDArray[Any] = (data > high / 2) * max(round(high), 1) if is_binary(data) else np.rint(data)
    return labels.astype(np.uint8) if high <= np.iinfo(np.uint8).max else labels.astype(np.int32)


def inside(data: NDArray[Any]) -> NDArray[np.bool_]:
    """The voxels inside a mask: above 0 where it holds whole numbers, above a half where others, as `io.nifti.read_mask` has it."""
    return np.asarray(data > (_INSIDE if np.issubdtype(data.dtype, np.floating) else 0))


def _two_valued(data: NDArray[Any], high: float) -> bool:
    noise = _NOISE * max(high, 1.0)
    return bool((((data >= -noise) & (data <= noise)) | (data >= high - noise)).all())


def _is_flat(data: NDArray[Any]) -> bool:
    """Whether neighbours are mostly alike: the grey values of a scan, whole numbers though they may be, are not."""
    one, next_to_it = (np.rint(part) for part in (data[:-1], data[1:]))
    pairs = (one != 0) & (next_to_it != 0)
    return not pairs.any() or float((one == next_to_it)[pairs].mean()) > _ALIKE


def _is_whole(data: NDArray[Any]) -> bool:
    return not np.issubdtype(data.dtype, np.floating) or bool((np.abs(data - np.rint(data)) <= _NOISE).all())
