"""Whether what differs from an empty background is a brain or a head: by what lies under its surface.

Under the skin of a head lie fat, often bright, and bone, which is dark on every sequence; a brain has cortex and a little fluid there.
Size does not tell: a child's head, a slab or a head cut at the neck is no larger than a brain. What was measured on real scans, and
where the bounds come from, stands in ``docs/sequences.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from ..core.volume import Volume

_COARSE_MM = 3.0
_SHELL_MM = (5.0, 15.0)
_INSIDE_MM = 20.0

_DARK, _BRIGHT = 0.35, 1.6
"""Times the median of what lies deeper than `_INSIDE_MM`."""

_BONE = 0.145
"""From this fraction of dark voxels in the shell it is a head, ..."""

_BONE_AND_FAT = (0.05, 0.10)
"""... or from these fractions of dark and of bright ones."""

_UNSURE = 0.115

_LARGEST_BRAIN_ML = 2300.0

_FEWEST = 400
"""Coarse voxels in the shell that a judgement needs."""


@dataclass(frozen=True)
class Surface:
    """What a foreground was found to be.

    Parameters
    ----------
    verdict : "brain", "head" or "unsure"
        An unsure one is to be taken for a head: extracting the brain of a brain loses little, scoring a skull misleads.
    why : str
        In words.
    """

    verdict: Literal["brain", "head", "unsure"]
    why: str


def brain_or_head(volume: Volume, foreground: NDArray[np.bool_], background: float) -> Surface:
    """Judge the voxels that differ from the background.

    Parameters
    ----------
    volume : Volume
        The scan.
    foreground : array of bool, shape (i, j, k)
        The largest connected part that is not background, its holes filled.
    background : float
        The value around it.

    Returns
    -------
    Surface
    """
    millilitres = np.count_nonzero(foreground) * volume.grid.voxel_volume_mm3 / 1000
    if millilitres > _LARGEST_BRAIN_ML:
        return Surface("head", f"{millilitres:.0f} ml are too much for a brain")
    fractions = _shell(volume, foreground, background)
    if fractions is None:
        return Surface("brain", "one value around it; too small to look for bone under its surface")
    dark, bright = fractions
    said = f"{100 * dark:.0f} % of what lies {_SHELL_MM[0]:.0f} to {_SHELL_MM[1]:.0f} mm under its surface is dark as bone"
    if dark >= _BONE_AND_FAT[0] and bright >= _BONE_AND_FAT[1]:
        return Surface("head", f"{said}, {100 * bright:.0f} % bright as fat")
    if dark >= _BONE:
        return Surface("head", said)
    return Surface("unsure", said) if dark >= _UNSURE else Surface("brain", "one value around it, no bone under its surface")


def _shell(volume: Volume, foreground: NDArray[np.bool_], background: float) -> tuple[float, float] | None:
    """Fractions of dark and bright voxels under the surface; None when there are too few."""
    steps = tuple(max(1, round(_COARSE_MM / size)) for size in volume.grid.spacing)
    coarse = tuple(slice(None, None, step) for step in steps)
    spacing = [step * size for step, size in zip(steps, volume.grid.spacing, strict=True)]
    data, inside = volume.data[coarse], foreground[coarse]
    # Where the array ends above or below, the anatomy goes on: that is no surface.
    depth = distance_transform_edt(np.pad(inside, ((1, 1), (1, 1), (0, 0))), sampling=spacing)[1:-1, 1:-1]
    shell, core = inside & (depth > _SHELL_MM[0]) & (depth <= _SHELL_MM[1]), inside & (depth > _INSIDE_MM)
    if np.count_nonzero(shell) < _FEWEST or np.count_nonzero(core) < _FEWEST // 8:
        return None
    # z-scored scans go below their background, and fluid is near their lowest value.
    lowest = float(data[inside].min())
    values = np.abs(data - background) if lowest >= background else data - lowest
    middle = float(np.median(values[core]))
    if middle <= 0:
        return None
    return float((values[shell] < _DARK * middle).mean()), float((values[shell] > _BRIGHT * middle).mean())
