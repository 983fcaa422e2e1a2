"""What a mask that is taken for the brain may be instead: a part of it, a box, or another scan's.

Warnings alone: scans of a few slices, phantoms and animals have brains of any size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Finding
from ..core.volume import Volume
from .field_of_view import field_of_view

PLAUSIBLE_ML = (600.0, 2300.0)
"""Adult and child brains with their ventricles."""

GIVEN_MASK = ("mask-everything", "mask-elsewhere", "mask-size")
"""The codes of what is found of masks that were given."""

_EVERYTHING = 0.95
"""Brain masks of whole scans cover 0.12 to 0.26 of the image (TCGA, BraTS 2013), and in a box around the brain about a half."""

_ELSEWHERE = 0.3
"""Of brain masks by HD-BET and of BraTS less than 0.004 lies where their scan is exactly 0; dark fluid of 8-bit scans may add some."""

_FIX = "See whether it is the brain mask of this scan, and lies on it; without one the brain is found"


def millilitres(mask: NDArray[np.bool_], volume: Volume) -> float:
    """The volume of a mask on a scan's grid."""
    return float(np.count_nonzero(mask)) * volume.grid.voxel_volume_mm3 / 1000


def is_plausible(size_ml: float) -> bool:
    """Whether a brain has this size."""
    return PLAUSIBLE_ML[0] <= size_ml <= PLAUSIBLE_ML[1]


def given_mask_findings(mask: NDArray[np.bool_], volume: Volume) -> tuple[Finding, ...]:
    """Warnings about a brain mask that somebody gave with a scan; an empty one is the methods' to refuse.

    Parameters
    ----------
    mask : array of bool, shape of ``volume.data``
        The brain.
    volume : Volume
        The scan.
    """
    if not mask.any():
        return ()
    share = float(mask.mean())
    if share >= _EVERYTHING:
        message = f"the brain mask given covers {share:.0%} of the image: all around the brain is scored as brain, too"
        return (Finding("mask-everything", "warning", message, _FIX),)
    found = (_elsewhere(mask, volume), _size(mask, volume))
    return tuple(finding for finding in found if finding is not None)


def with_mask_findings(volume: Volume) -> Volume:
    """A scan with what is found of the mask that was given with it, each kind once."""
    if volume.mask is None or any(finding.code in GIVEN_MASK for finding in volume.findings):
        return volume
    return volume.with_findings(*given_mask_findings(volume.mask, volume))


def _elsewhere(mask: NDArray[np.bool_], volume: Volume) -> Finding | None:
    inside = volume.data[mask]
    # Around a stripped brain lies 0, or whatever 0 became when the scan was scaled.
    background = max((0.0, float(volume.data.flat[0])), key=lambda value: np.count_nonzero(inside == np.float32(value)))
    share = float((inside == np.float32(background)).mean())
    if share < _ELSEWHERE:
        return None
    message = f"{share:.0%} of the brain mask given lies where the scan shows nothing (its value is {background:g})"
    return Finding("mask-elsewhere", "warning", message, _FIX)


def _size(mask: NDArray[np.bool_], volume: Volume) -> Finding | None:
    size, (least, most) = millilitres(mask, volume), PLAUSIBLE_ML
    if volume.is_slice or is_plausible(size):
        return None
    if size < least and (mask.size * volume.grid.voxel_volume_mm3 / 1000 < least or not field_of_view(mask, volume.grid).whole):
        return None  # the image shows no more of it
    message = f"the brain mask given has {size:.3g} ml; brains have {least:.0f} to {most:.0f}"
    return Finding("mask-size", "warning", message, f"{_FIX}; of an animal or a phantom it may be right")
