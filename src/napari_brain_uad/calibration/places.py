"""Where healthy brains score high: the mean of their maps in MNI152, in cells of 4 mm, and what it says of a region.

A method does not score all healthy tissue alike: on FLAIR, cingulate cortex, hippocampus and cerebellum are brighter than the rest. A
region in such a place means less than the same region elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..core.volume import Grid
from ..postprocessing.atlas import region_points
from ..postprocessing.pipeline import PostResult
from ..preprocessing.geometry import grid_with_spacing
from ..preprocessing.mni_way import moved
from ..preprocessing.template import MNI_GRID

CELLS = grid_with_spacing(MNI_GRID, (4.0, 4.0, 4.0))
"""Wide enough for what an affine registration leaves, and for thick slices."""

_SEEN_BY = 0.5
"""A cell counts where this share of the scans has brain; at the brain's border fewer would say little."""


@dataclass(frozen=True, eq=False)
class HealthyPlaces:
    """How healthy brains score on average, place by place.

    Parameters
    ----------
    mean : array of float32, shape (46, 55, 46)
        Of the filtered score in every cell of `CELLS`, over the scans; NaN where too few of them have brain.
    people : int
        How many healthy people it rests on.
    """

    mean: NDArray[np.float32]
    people: int

    def at(self, points: NDArray[np.float64]) -> float | None:
        """The mean at places in MNI mm, shape (n, 3); None where none of them lies in a cell that counts."""
        cell = CELLS.voxel_at(points)
        values = self.mean.ravel()[cell[cell >= 0]]
        known = values[np.isfinite(values)]
        return float(known.mean(dtype=np.float64)) if known.size else None


def cell_means(score: NDArray[np.float32], judged: NDArray[np.bool_], grid: Grid, to_mni: NDArray[np.float64]) -> NDArray[np.float32]:
    """The mean score of one scan in every cell of `CELLS`, NaN where it has no brain.

    Parameters
    ----------
    score, judged : array, shape (i, j, k)
        Filtered score, and where it counts.
    grid : Grid
        Where they lie.
    to_mni : array, shape (4, 4)
        World mm of `grid` to world mm of MNI152.
    """
    sums, counts = (np.zeros(int(np.prod(CELLS.shape))) for _ in range(2))
    for k in range(score.shape[2]):  # a slice at a time: the coordinates of a whole scan take ten times its memory
        index = np.argwhere(judged[:, :, k])
        cell = CELLS.voxel_at(moved(to_mni, grid.to_world(np.column_stack([index, np.full(len(index), k)]))))
        known = cell >= 0
        values = score[index[known, 0], index[known, 1], k]
        sums += np.bincount(cell[known], weights=values, minlength=sums.size)
        counts += np.bincount(cell[known], minlength=sums.size)
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan).astype(np.float32).reshape(CELLS.shape)


def mean_of(scans: Sequence[NDArray[np.float32]], people: int) -> HealthyPlaces | None:
    """The mean of what `cell_means` gave, of so many people; None without any."""
    if not scans:
        return None
    stack = np.stack(scans)
    seen = np.isfinite(stack)
    enough = seen.sum(axis=0) >= max(1.0, _SEEN_BY * len(scans))
    total = np.where(seen, stack, 0.0).sum(axis=0, dtype=np.float64) / np.maximum(seen.sum(axis=0), 1)
    return HealthyPlaces(np.where(enough, total, np.nan).astype(np.float32), people) if enough.any() else None


def with_healthy_means(result: PostResult, grid: Grid, to_mni: NDArray[np.float64], places: HealthyPlaces) -> PostResult:
    """The result with what healthy brains score on average at the place of every region.

    Parameters
    ----------
    grid : Grid
        Of the result.
    to_mni : array, shape (4, 4)
        World mm of `grid` to world mm of MNI152.
    """
    points = region_points(result.labels, [region.number for region in result.regions], grid, to_mni)
    regions = tuple(replace(region, healthy_mean=places.at(own)) for region, own in zip(result.regions, points, strict=True))
    return replace(result, regions=regions)
