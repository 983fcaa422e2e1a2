"""What the values of a file say: a scan, labels, or the part of each voxel that lies inside something."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
from napari.layers import Image, Layer
from numpy.typing import NDArray

from ...core.checks import raise_errors
from ...io.labels import HIGHEST_LABEL, NOISE, check_given_as, is_flat, is_label_map, is_whole
from ...io.labels import inside as inside
from ...io.labels import is_binary as is_binary

Kind = Literal["scan", "labels", "fraction"]

_FAINT = 0.05
"""A map of fractions that stays below this everywhere would be black from 0 to 1."""

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
        "labels" for two values, 0 and another, and for label maps that their values alone tell (`io.labels`), whatever the name; for
        whole numbers in flat patches where the name says mask, labels or truth. "fraction" for values from 0 to 1, not all of them tiny,
        where the name says so. All but for the noise of an interpolation.
    """
    if is_binary(data):
        return "labels"
    if not _LABEL_WORDS.search(stem.lower()):
        return "labels" if is_label_map(data) else "scan"
    low, high = float(data.min()), float(data.max())
    if 0.0 < high <= _FAINT:
        return "scan"  # whose limits are those of its values
    if low >= -NOISE and high <= HIGHEST_LABEL and is_whole(data) and is_flat(data):
        return "labels"
    return "fraction" if low >= -NOISE and high <= 1.0 + NOISE else "scan"


def whole_numbers(data: NDArray[Any]) -> NDArray[np.uint8] | NDArray[np.int32]:
    """Labels of what `kind_of` calls so, without the noise; those of a mask of two values are 0 and its value, at least 1."""
    high = float(data.max())
    labels: NDArray[Any] = (data > high / 2) * max(round(high), 1) if is_binary(data) else np.rint(data)
    return labels.astype(np.uint8) if high <= np.iinfo(np.uint8).max else labels.astype(np.int32)


def inside_layer(layer: Layer, label: str, scan: NDArray[Any] | None = None) -> NDArray[np.bool_]:
    """The voxels inside the mask that a layer holds, in its own axes; for the parameters see `io.labels.check_given_as`.

    Raises
    ------
    InputError
        If its values are such as a file or an array may not hold either: a layer of labels can be made of any whole numbers.
    """
    data = np.asarray(layer.data)
    if layer.ndim == 3:
        raise_errors(f"Layer '{layer.name}'", check_given_as(label, data.T, scan))
    elif not isinstance(layer, Image):  # pictures that are images are offered only in black and white
        raise_errors(f"Layer '{layer.name}'", check_given_as(label, data.T[..., np.newaxis], scan))
    return inside(data)
