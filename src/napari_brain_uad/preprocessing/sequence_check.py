"""Whether the image agrees with the sequence that it is said to be.

It is judged by the fluid, dark on T1 and FLAIR and bright on T2, and by the cortex, darker than white matter on T1. Only clear
disagreement is said. What was measured on real scans, and where the bounds come from, stands in ``docs/sequences.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from ..core.checks import Finding
from ..core.volume import Volume

SEQUENCE_IMAGE = "sequence-image"
"""The code of the finding of a scan that does not look like its sequence; no verdict follows from healthy scans of that sequence."""

_COARSE_MM = 3.0
_RIM_MM = 4.0
"""Brain masks are off by as much."""

_HEAD_RIM_MM = 22.0
_HEAD_SLAB_MM = (20.0, 85.0)
"""Of a whole head, what lies as deep under the skin, and as far below the crown, is brain."""

_FEWEST = 1500
"""Voxels of `_COARSE_MM` that a judgement needs: 40 ml."""

_FLUID_DARK = ("T1", "T1c", "FLAIR")


@dataclass(frozen=True)
class Look:
    """What the brain's voxels look like, relative to their median.

    Parameters
    ----------
    dark, bright : float
        Fractions of voxels below 0.55 and above 1.5 of the median.
    high : float
        The 98th percentile.
    cortex : float
        Median of the outer tissue / median of the inner tissue, fluid apart.
    """

    dark: float
    bright: float
    high: float
    cortex: float


def check_against_image(volume: Volume, mask: NDArray[np.bool_], *, head: bool = False) -> Finding | None:
    """A warning when a scan clearly does not look like its sequence.

    Parameters
    ----------
    volume : Volume
        The scan; nothing is said of one whose sequence is unknown.
    mask : array of bool, shape (i, j, k)
        Its brain; or its whole head.
    head : bool
        Whether `mask` is the head.

    Returns
    -------
    Finding or None
    """
    if volume.sequence is None:
        return None
    look = look_at(volume, mask, head=head)
    seen = None if look is None else _disagreement(volume.sequence, look, head)
    if seen is None:
        return None
    said = f" ({volume.sequence_origin})" if volume.sequence_origin else ""
    return Finding(
        SEQUENCE_IMAGE,
        "warning",
        f"the scan is taken for {volume.sequence}{said}, but {seen}",
        "Set its sequence if that is wrong",
    )


def _disagreement(sequence: str, look: Look, head: bool) -> str | None:
    # Tumours are bright on FLAIR, too, but never without dark fluid beside them.
    few, little = (0.05, 0.01) if head else (0.105, 0.25 * look.bright)
    bright = look.high >= 1.9 and look.bright >= few and look.dark < little
    dark = look.dark >= 0.02 and look.bright < 2.0 * look.dark and look.high < 2.3
    if sequence in _FLUID_DARK and bright:
        return "its fluid is bright, as on T2"
    if sequence == "T2" and dark:
        return "its fluid is dark, as on T1 and FLAIR"
    if sequence == "FLAIR" and dark and look.cortex < (0.80 if head else 0.87):
        return "its cortex is darker than its white matter, as on T1"
    if sequence == "T1" and dark and look.cortex > (1.12 if head else 1.05):
        return "its cortex is brighter than its white matter, as on FLAIR"
    return None


def look_at(volume: Volume, mask: NDArray[np.bool_], *, head: bool = False) -> Look | None:
    """Measure a brain, or the inside of a head; None when there is too little of it."""
    steps = tuple(max(1, round(_COARSE_MM / size)) for size in volume.grid.spacing)
    coarse = tuple(slice(None, None, step) for step in steps)
    spacing = [step * size for step, size in zip(steps, volume.grid.spacing, strict=True)]
    data, inside = volume.data[coarse], mask[coarse]
    if not inside.any():
        return None
    # Below, heads and brains are cut off by the field of view: no rim there.
    depth = distance_transform_edt(np.pad(inside, ((1, 1), (1, 1), (0, 1))), sampling=spacing)[1:-1, 1:-1, :-1]
    brain = depth > _RIM_MM
    if head:
        crown = int(np.flatnonzero(inside.any(axis=(0, 1))).max())
        below = (crown - np.arange(inside.shape[2])) * spacing[2]
        brain = (depth >= _HEAD_RIM_MM) & ((below >= _HEAD_SLAB_MM[0]) & (below <= _HEAD_SLAB_MM[1]))
    values, depths = data[brain].astype(np.float64), depth[brain]
    if values.size * float(np.prod(spacing)) < _FEWEST * _COARSE_MM**3:
        return None
    # z-scored scans go below 0; there fluid is near their lowest value.
    lowest = float(np.percentile(values, 0.5))
    floor = min(0.0, lowest)
    middle = float(np.median(values)) - floor
    if middle <= 0:
        return None
    values = (values - floor) / middle
    tissue = (values > 0.6) & (values < 1.5)
    outer, inner = tissue & (depths < depths.min() + 5.0), tissue & (depths > depths.min() + 8.0)
    cortex = float(np.median(values[outer]) / np.median(values[inner])) if outer.any() and inner.any() else 1.0
    return Look(float((values < 0.55).mean()), float((values > 1.5).mean()), float(np.percentile(values, 98)), cortex)
