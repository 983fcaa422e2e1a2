"""What a person did to regions, as data; `region_edits` does it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ACCEPTED, REJECTED = "accepted", "rejected"
"""What a person may say about a region."""

Voxels = NDArray[np.int64]
"""Flat indices of an array of the map's shape, in C order."""


@dataclass(frozen=True, eq=False)
class Mark:
    """What was said about the region that had these voxels."""

    voxels: Voxels
    review: str
    note: str


@dataclass(frozen=True, eq=False)
class RegionEdits:
    """Everything a person did to the regions of one map; a new one after every act, so that acts can be undone.

    Parameters
    ----------
    merges : tuple
        In the order in which they were done; each holds the voxels of the regions that are one.
    marks : tuple of Mark
        Reviews and notes.
    """

    merges: tuple[tuple[Voxels, ...], ...] = ()
    marks: tuple[Mark, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.merges or self.marks)
