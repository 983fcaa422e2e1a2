"""What a scan shows of a brain: where the brain is cut off by the image's edge, nothing is known beyond it; elsewhere there is air."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.volume import Grid

_CUT = 0.02
"""A brain is cut off by a face of the image when it covers this share of its largest cross-section there."""


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """The part of space in which a scan tells brain from not brain.

    Parameters
    ----------
    grid : Grid
        The scan's.
    low, high : array, shape (3,)
        Voxel indices beyond which nothing is known; infinite where the brain ends inside the image.
    """

    grid: Grid
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def whole(self) -> bool:
        """Whether the image cuts off nothing of the brain."""
        return bool(np.isinf(self.low).all() and np.isinf(self.high).all())

    def holds_index(self, index: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points are known, by their voxel indices, shape (3, n)."""
        return np.asarray(((index >= self.low[:, None]) & (index <= self.high[:, None])).all(axis=0))

    def holds(self, world: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether points are known, by their place in mm, shape (n, 3)."""
        return np.ones(len(world), np.bool_) if self.whole else self.holds_index(self.grid.to_index(world).T)

    def cut_axes(self) -> NDArray[np.bool_]:
        """For each world axis whether it is the one closest to an axis along which the brain is cut off."""
        closest = np.abs(self.grid.affine[:3, :3] / np.array(self.grid.spacing)).argmax(axis=0)
        cut = np.isfinite(self.low) | np.isfinite(self.high)
        return np.isin(np.arange(3), closest[cut])


def field_of_view(mask: NDArray[np.bool_], grid: Grid) -> FieldOfView:
    """What is known, from the brain in the image.

    Parameters
    ----------
    mask : array of bool, shape of `grid`
        The brain.
    """
    low, high = np.full(3, -np.inf), np.full(3, np.inf)
    for axis in range(3):
        area = np.count_nonzero(mask, axis=tuple({0, 1, 2} - {axis}))
        if area[0] > _CUT * area.max():
            low[axis] = -0.5
        if area[-1] > _CUT * area.max():
            high[axis] = len(area) - 0.5
    return FieldOfView(grid, low, high)
