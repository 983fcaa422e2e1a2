"""Regions of a mask: how large, where, how strong, and their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cc3d
import numpy as np
from numpy.typing import NDArray

from ..core.volume import Grid
from .components import label
from .filters import Box, bounding_box


@dataclass(frozen=True)
class Region:
    """One connected region of a detection.

    Parameters
    ----------
    number : int
        From 1, the strongest first; the value of its voxels in the label image.
    voxels : int
        Its size.
    volume_ml : float
        Its size in millilitres.
    centroid_mm : tuple of float
        Centre of its voxels, world mm (RAS+).
    strength : float
        Sum over its voxels of the score above the threshold, times the voxel's volume: score unit x ml. What regions are sorted by: a
        single bright voxel ranks below a large lesion, which the peak alone would not do.
    peak : float
        Its highest score.
    peak_mm : tuple of float
        Where that is, world mm (RAS+).
    peak_index : tuple of int
        Where that is, voxel (i, j, k).
    box : tuple of int
        (i0, i1, j0, j1, k0, k1), half-open voxel ranges.
    hit : bool or None
        Whether it touches the ground truth; None without one.
    name : str
        The structures it lies in (`atlas.region_names`); empty where the scan's relation to MNI is not known.
    review : str
        What a person said about it: "accepted", "rejected" or nothing (`edits`).
    note : str
        What a person wrote about it.
    parts : int
        How many separate regions a person merged into it; 1 as it was found.
    p_value : float or None
        Against the strongest region of each healthy brain (`calibration.verdict`); None where the method has no reference that applies.
    verdict : str
        How it compares with healthy brains, in words; empty where there is nothing to say.
    healthy_mean : float or None
        What healthy brains score on average at its place (`calibration.places`); None where that is not known.
    """

    number: int
    voxels: int
    volume_ml: float
    centroid_mm: tuple[float, float, float]
    strength: float
    peak: float
    peak_mm: tuple[float, float, float]
    peak_index: tuple[int, int, int]
    box: tuple[int, int, int, int, int, int]
    hit: bool | None = None
    name: str = ""
    review: str = ""
    note: str = ""
    parts: int = 1
    p_value: float | None = None
    verdict: str = ""
    healthy_mean: float | None = None

    @property
    def slices(self) -> Box:
        """The box as slices of an array."""
        i0, i1, j0, j1, k0, k1 = self.box
        return slice(i0, i1), slice(j0, j1), slice(k0, k1)


def number_regions(
    labels_or_mask: NDArray[Any],
    score: NDArray[np.float32],
    grid: Grid,
    *,
    connectivity: int = 26,
    truth: NDArray[np.bool_] | None = None,
    threshold: float | None = None,
    within: Box | None = None,
) -> tuple[NDArray[np.uint32], tuple[Region, ...]]:
    """Regions sorted by strength, then volume (both descending), and a label image that carries their numbers.

    Parameters
    ----------
    labels_or_mask : array of bool or integer, shape (i, j, k)
        A mask is split into its connected components; in a label image every value above 0 is a region.
    score : array of float32, shape (i, j, k)
        Gives the peaks.
    grid : Grid
        Gives millilitres and millimetres.
    connectivity : int
        6, 18 or 26; for masks.
    truth : array of bool, shape (i, j, k), optional
        Gives `Region.hit`.
    threshold : float, optional
        The strength counts from here; from the lowest flagged score when None.
    within : tuple of slice, optional
        The box of `score` that `labels_or_mask` covers, when that is not the whole; there is nothing outside of it.
    """
    labels = label(labels_or_mask, connectivity) if labels_or_mask.dtype == bool else labels_or_mask
    numbered = np.zeros_like(score, np.uint32)
    flagged = labels > 0
    if not flagged.any():
        return numbered, ()
    held = bounding_box(flagged)
    labels, flagged = labels[held], flagged[held]
    box = held if within is None else _moved(held, within)
    inside, scores = labels[flagged], score[box][flagged]
    values, first, region_of, voxels = np.unique(inside, return_index=True, return_inverse=True, return_counts=True)
    peaks = np.full(values.size, -np.inf, np.float32)
    np.maximum.at(peaks, region_of, scores)
    floor = scores.min() if threshold is None else np.float32(threshold)
    excess = np.maximum(scores.astype(np.float64) - floor, 0.0)  # voxels of filled holes may lie below the threshold
    strength = np.bincount(region_of, weights=excess) * (grid.voxel_volume_mm3 / 1000.0)
    order = np.lexsort((first, -voxels, -strength))
    number_of = np.empty(values.size, np.uint32)
    number_of[order] = np.arange(1, values.size + 1)
    numbered[box][flagged] = number_of[region_of]
    hits = None if truth is None else np.bincount(region_of, weights=truth[box][flagged], minlength=values.size)[order] > 0
    at_peak = np.flatnonzero(scores == peaks[region_of])
    peak_first = np.empty(values.size, np.int64)
    peak_first[region_of[at_peak][::-1]] = at_peak[::-1]  # the last one written is the region's first voxel
    places = np.argwhere(flagged) + [side.start for side in box]
    extents = _extents_of(places, number_of[region_of].astype(np.int64) - 1, voxels[order])
    return numbered, _table(extents, score, grid, places[peak_first[order]], strength[order], hits)


def _extents_of(places: NDArray[np.int64], region: NDArray[np.int64], voxels: NDArray[np.int64]) -> _Extents:
    """Centres and boxes of the regions that voxels at these places belong to, by the number of each voxel's region, from 0."""
    starts = np.append(0, np.cumsum(voxels))[:-1]
    by_region = places[np.argsort(region, kind="stable")]  # region by region, each in the order of its voxels
    boxes = np.stack((np.minimum.reduceat(by_region, starts), np.maximum.reduceat(by_region, starts) + 1), axis=2)
    return _Extents(voxels, np.add.reduceat(by_region, starts) / voxels[:, None], boxes)


def _moved(box: Box, within: Box) -> Box:
    """The box of an array that `box` is in a part of it."""
    i, j, k = (slice(side.start + whole.start, side.stop + whole.start) for side, whole in zip(box, within, strict=True))
    return i, j, k


class _Extents(NamedTuple):
    """Where regions 1, 2, ... lie: voxels (n,), centroids (n, 3) as voxel indices, half-open ranges (n, 3, 2)."""

    voxels: NDArray[np.int64]
    centroids: NDArray[np.float64]
    ranges: NDArray[np.int64]


def _table(
    extents: _Extents,
    score: NDArray[np.float32],
    grid: Grid,
    peaks: NDArray[np.int64],
    strength: NDArray[np.floating[Any]],
    hits: NDArray[np.bool_] | None,
) -> tuple[Region, ...]:
    """Region 1, 2, ...; `peaks` are their voxel indices."""
    # All at once: a point at a time, hundreds of regions would take longer than finding them.
    centroids = grid.to_world(extents.centroids).tolist()
    peaks_mm, values = grid.to_world(peaks).tolist(), score[tuple(peaks.T)].tolist()
    voxel_ml = grid.voxel_volume_mm3 / 1000.0
    counts, ranges = extents.voxels.tolist(), extents.ranges.reshape(-1, 6).tolist()
    regions = []
    for row, (i, j, k) in enumerate(peaks.tolist()):
        i0, i1, j0, j1, k0, k1 = ranges[row]
        regions.append(
            Region(
                number=row + 1,
                voxels=counts[row],
                volume_ml=counts[row] * voxel_ml,
                centroid_mm=_point(centroids[row]),
                strength=float(strength[row]),
                peak=values[row],
                peak_mm=_point(peaks_mm[row]),
                peak_index=(i, j, k),
                box=(i0, i1, j0, j1, k0, k1),
                hit=None if hits is None else bool(hits[row]),
            )
        )
    return tuple(regions)


def _point(values: Sequence[float]) -> tuple[float, float, float]:
    return values[0], values[1], values[2]


def boxes_2d(mask: NDArray[np.bool_]) -> list[tuple[int, int, int, int, int]]:
    """Boxes around the 8-connected components of every axial slice: (k, i0, i1, j0, j1), ranges half-open."""
    boxes = []
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        labels = cc3d.connected_components(np.ascontiguousarray(mask[:, :, k]), connectivity=8)
        for i0, i1, j0, j1 in cc3d.statistics(labels, no_slice_conversion=True)["bounding_boxes"][1:]:
            boxes.append((int(k), int(i0), int(i1) + 1, int(j0), int(j1) + 1))
    return boxes


REGION_COLUMNS = (
    "region",
    "volume_ml",
    "voxels",
    "strength",
    "peak",
    *(f"{point}_{axis}_mm" for point in ("centroid", "peak") for axis in "xyz"),
    "peak_index",
    "box",
    "hit",
    "region_name",
    "review",
    "note",
    "parts",
    "p_value",
    "verdict",
    "healthy_mean",
)
"""The keys of every row of `as_rows`, in reading order: a table without regions has a header too."""


def as_rows(regions: Sequence[Region]) -> list[dict[str, Any]]:
    """The region table as plain data, one dictionary a region, columns in reading order."""
    return [
        {
            "region": region.number,
            "volume_ml": round(region.volume_ml, 4),
            "voxels": region.voxels,
            "strength": region.strength,
            "peak": region.peak,
            **{f"centroid_{axis}_mm": round(value, 2) for axis, value in zip("xyz", region.centroid_mm, strict=True)},
            **{f"peak_{axis}_mm": round(value, 2) for axis, value in zip("xyz", region.peak_mm, strict=True)},
            "peak_index": list(region.peak_index),
            "box": list(region.box),
            "hit": region.hit,
            "region_name": region.name,
            "review": region.review,
            "note": region.note,
            "parts": region.parts,
            "p_value": region.p_value,
            "verdict": region.verdict,
            "healthy_mean": region.healthy_mean,
        }
        for region in regions
    ]
