"""The brain of a scan that comes without a mask: exact where the scan is skull-stripped, a stated guess where it is not.

Skull-stripped scans have one constant value (mostly 0) outside the brain, and no bone under their surface (see `skull`). Real brain
extraction of raw heads is another step.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, distance_transform_edt
from skimage.filters import threshold_otsu

from ..core.checks import Finding
from ..core.extremes import without_extremes
from ..core.volume import Grid, Volume
from .skull import brain_or_head

_STRIPPED_BORDER = 0.75
"""A scan may be skull-stripped when at least this fraction of the voxels on the array's border shares one value."""

_OVER_AIR = 0.25
"""Of the way from air to tissue. It is half of Otsu's threshold, which is midway between both, where air is 0."""

_RINGING = 0.01
"""Departures from the background smaller than this fraction of the 99th percentile's are taken for interpolation ringing."""

_CAVITY_ML = 1.0
"""Empty holes from this size on may be air that reaches into the brain's outline from outside, as at the base of the skull."""

_OPENING_MM = 2.0
"""They are when a ball of this radius comes in. Fluid that is as dark as the background has narrower ways out, if any."""


@dataclass(frozen=True, eq=False)
class BrainMask:
    """A brain mask and how it was found.

    Parameters
    ----------
    mask : array of bool, shape (i, j, k)
        The brain.
    origin : str
        How it was found, in words.
    stripped : bool
        Whether the scan was found to be skull-stripped.
    why : str
        What says so, in words.
    findings : tuple of Finding
        What the user has to know about it.
    """

    mask: NDArray[np.bool_]
    origin: str
    stripped: bool
    why: str
    findings: tuple[Finding, ...] = ()


def estimate_brain_mask(volume: Volume) -> BrainMask:
    """Find the brain: everything that is not background on a skull-stripped scan, the whole head on a raw one.

    The largest connected part is kept and its holes are filled slice by slice (ventricles may be as dark as the background), except for
    cavities that are wide open to the outside in another plane.
    A raw head gets the finding "skull", because skull and skin would be scored as if they were brain. A single slice is too little to
    tell a head from a brain, or to extract the brain of: it gets the finding "head-of-slice".
    """
    data = without_extremes(volume).data
    if volume.is_slice:
        return _head_of_slice(data)
    background = _constant_background(data)
    if background is None:
        return _whole_head(data, "no single value fills the space around it")
    tissue = _largest(_foreground(data, background))
    foreground = _filled(tissue)
    surface = brain_or_head(volume.with_data(data), foreground, background)
    if surface.verdict != "brain":
        return _whole_head(data, surface.why, unsure=surface.verdict == "unsure")
    brain = foreground & ~_open_cavities(foreground, tissue, volume.grid)
    return BrainMask(brain, f"voxels other than the background value {background:g}", True, surface.why)


def stripped_brain(volume: Volume) -> NDArray[np.bool_]:
    """The brain of a scan that is known to be skull-stripped: everything that is not background.

    Without a constant background, everything counts as brain.
    """
    data = without_extremes(volume).data
    background = _constant_background(data)
    return np.ones(data.shape, bool) if background is None else _solid(_foreground(data, background))


def _foreground(data: NDArray[np.float32], background: float) -> NDArray[np.bool_]:
    distance = np.abs(data - np.float32(background))
    floor = _RINGING * float(np.percentile(distance[distance > 0], 99)) if (distance > 0).any() else 0.0
    return np.asarray(distance > floor)


def _head_of_slice(data: NDArray[np.float32]) -> BrainMask:
    """What is brighter than a quarter of the way from the air (below Otsu's threshold, on average) to the tissue (above it)."""
    head = np.zeros(data.shape, bool)
    if data.min() < data.max():
        between = threshold_otsu(data)
        air, tissue = float(data[data <= between].mean()), float(data[data > between].mean())
        head = data > air + _OVER_AIR * (tissue - air)
    warning = Finding(
        "head-of-slice",
        "warning",
        "a single slice does not tell a brain from a head: the largest part that is brighter than the air around it is scored, with skull "
        "and skin where they belong to it",
        "Give a brain mask",
    )
    why = "a single slice does not tell whether it shows skull and skin"
    return BrainMask(_solid(head), "head in the slice: brighter than the air; not a brain mask", False, why, (warning,))


def _whole_head(data: NDArray[np.float32], why: str, *, unsure: bool = False) -> BrainMask:
    constant = data.min() == data.max()
    head = np.zeros(data.shape, bool) if constant else data > threshold_otsu(data) * 0.5
    warning = Finding(
        "skull",
        "warning",
        f"the scan {'may show' if unsure else 'seems to show'} the whole head, not only the brain ({why}): skull and skin are scored too",
        "Give a brain mask, or a skull-stripped scan",
    )
    return BrainMask(_solid(head), "whole head (half of Otsu's threshold); not a brain mask", False, why, (warning,))


def _constant_background(data: NDArray[np.float32]) -> float | None:
    """The value that fills the surroundings of a skull-stripped brain, or None."""
    border = np.concatenate([data[[0, -1]].ravel(), data[:, [0, -1]].ravel(), data[:, :, [0, -1]].ravel()])
    values, counts = np.unique(border, return_counts=True)
    return float(values[np.argmax(counts)]) if counts.max() >= _STRIPPED_BORDER * border.size else None


def _solid(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest 6-connected part with its holes filled in every axial slice."""
    return _filled(_largest(mask))


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(cc3d.largest_k(mask, k=1, connectivity=6) > 0) if mask.any() else mask


def _filled(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.stack([binary_fill_holes(part[:, :, k]) for k in range(part.shape[2])], axis=2)


def _open_cavities(filled: NDArray[np.bool_], tissue: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Of what was filled, the air that reaches in from outside through a wide opening, which no axial slice shows."""
    found = np.zeros(filled.shape, bool)
    holes = cc3d.connected_components(filled & ~tissue, connectivity=6)
    about = cc3d.statistics(holes)
    fewest = _CAVITY_ML * 1000 / grid.voxel_volume_mm3
    # A way that is a single voxel wide is narrow on coarse grids, too.
    radius = max(_OPENING_MM, sorted(grid.spacing)[1])
    margins = [int(np.ceil(4 * radius / size)) + 1 for size in grid.spacing]
    for number in (one for one in range(1, len(about["voxel_counts"])) if about["voxel_counts"][one] >= fewest):
        bounds = zip(about["bounding_boxes"][number], margins, strict=True)
        box = tuple(slice(max(int(part.start) - margin, 0), int(part.stop) + margin) for part, margin in bounds)
        air = ~tissue[box]
        room = distance_transform_edt(np.pad(air, 1, mode="edge"), sampling=grid.spacing)[1:-1, 1:-1, 1:-1] > radius
        ways = cc3d.connected_components(room, connectivity=6)
        outside = np.unique(ways[room & ~filled[box]])
        reached = np.isin(ways, outside[outside > 0])
        if reached.any():
            near = distance_transform_edt(~reached, sampling=grid.spacing) <= 2 * radius
            cavity = (holes[box] == number) & near
            if np.count_nonzero(cavity) >= fewest:  # and no mere mouth of a narrow way
                found[box] |= cavity
    return found


def solid(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part without holes."""
    if not mask.any():
        return mask
    return np.asfortranarray(binary_fill_holes(cc3d.largest_k(mask, k=1, connectivity=6) > 0))
