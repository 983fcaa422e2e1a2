"""The atlas that names regions: coarse structures on the MNI grid, left and right; no lobes, no gyri."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.volume import Grid
from ..io.nifti import read_volume

ATLAS = Path(__file__).parent / "atlases" / "mni_structures_2mm.nii.gz"

ATLAS_TITLE = "structures of 8 subjects on MNI152, from SynthSeg's training maps"

PAIRED = (
    "cerebral white matter",
    "cerebral cortex",
    "lateral ventricle",
    "cerebellar white matter",
    "cerebellar cortex",
    "thalamus",
    "caudate",
    "putamen",
    "pallidum",
    "hippocampus",
    "amygdala",
    "accumbens",
    "ventral diencephalon",
)
"""Structures with a left and a right one."""

MIDDLE = ("third ventricle", "fourth ventricle", "brain stem", "fluid around the brain")
"""Structures without a side."""

NAMES: tuple[str, ...] = ("", *(f"{side} {name}" for name in PAIRED for side in ("left", "right")), *MIDDLE)
"""The name of every value of the atlas; 0 is outside."""

OUTSIDE = "outside the atlas"

_SHARE = 0.25
"""A structure is named when at least this share of a region lies in it."""

_ENOUGH = 4000
"""So many voxels of a region tell where it lies."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """Structures by place.

    Parameters
    ----------
    labels : array of uint8, shape (i, j, k)
        Index into `names`, 0 outside.
    grid : Grid
        Where the voxels lie, world mm of MNI152.
    names : tuple of str
        What the values mean.
    """

    labels: NDArray[np.uint8]
    grid: Grid
    names: tuple[str, ...] = NAMES

    def at(self, points: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The values at places in MNI mm, shape (n, 3); 0 beyond the grid."""
        place = self.grid.voxel_at(points)
        return np.where(place >= 0, self.labels.ravel()[place], np.uint8(0))

    def name(self, points: NDArray[np.float64]) -> str:
        """What lies at places in MNI mm, shape (n, 3): the structures with a quarter of them or more, the largest share first.

        Where none has that much it is the largest; `OUTSIDE` where no place lies in a structure.
        """
        counts = np.bincount(self.at(points), minlength=len(self.names))
        inside = counts[1:]
        if not inside.any():
            return OUTSIDE
        # By the number of voxels, then by the order of the names: the same region always has the same name.
        order = np.argsort(-inside, kind="stable") + 1
        told = [value for value in order if counts[value] >= _SHARE * len(points)] or [order[0]]
        return " / ".join(self.names[value] for value in told)


@cache
def atlas() -> Atlas:
    """The atlas that comes with the package. Where it is from: ``atlases/NOTICE.txt``."""
    volume = read_volume(ATLAS, name="atlas")
    return Atlas(np.rint(volume.data).astype(np.uint8), volume.grid)


def region_names(
    labels: NDArray[np.uint32], numbers: Sequence[int], grid: Grid, to_mni: NDArray[np.float64], structures: Atlas | None = None
) -> tuple[str, ...]:
    """A name for every numbered region.

    Parameters
    ----------
    labels : array of uint32, shape (i, j, k)
        Each region's number, 0 outside.
    numbers : sequence of int
        Which regions.
    grid : Grid
        Where `labels` lie.
    to_mni : array, shape (4, 4)
        World mm of `grid` to world mm of MNI152.
    structures : Atlas, optional
        The package's own when None.
    """
    structures = structures or atlas()
    return tuple(structures.name(points) for points in region_points(labels, numbers, grid, to_mni))


def region_points(
    labels: NDArray[np.uint32], numbers: Sequence[int], grid: Grid, to_mni: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """The places of every numbered region in MNI mm, shape (n, 3), of large ones enough of them; for the parameters see `region_names`."""
    places = np.flatnonzero(labels)
    values = labels.ravel()[places]
    order = np.argsort(values, kind="stable")
    places, values = places[order], values[order]
    for number in numbers:
        first, last = np.searchsorted(values, [number, number + 1])
        own = places[first : last : max(1, (last - first) // _ENOUGH)]
        world = grid.to_world(np.column_stack(np.unravel_index(own, labels.shape)))
        yield world @ to_mni[:3, :3].T + to_mni[:3, 3]
