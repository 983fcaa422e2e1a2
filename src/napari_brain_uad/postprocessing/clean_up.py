"""What is done to the mask behind every threshold, and the threshold that is best after it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.volume import Grid
from .components import fill_holes, label_large, opening
from .filters import bounding_box
from .params import PostParams
from .ranking import RankedScores

_COARSE, _FINE = 24, 12


def cleaned(mask: NDArray[np.bool_], post: PostParams, grid: Grid) -> NDArray[np.uint32]:
    """Open a mask, fill its holes, and drop its small regions, as the settings say.

    Parameters
    ----------
    mask : array of bool, shape (i, j, k)
        Voxels above the threshold.

    Returns
    -------
    array of uint32, shape (i, j, k)
        A number for each region that is left, with gaps; 0 elsewhere.
    """
    mask = opened(mask, post, grid)
    if post.fill_holes:
        mask = fill_holes(mask)
    return label_large(mask, post.smallest(grid.voxel_volume_mm3), int(post.connectivity))


def opened(mask: NDArray[np.bool_], post: PostParams, grid: Grid) -> NDArray[np.bool_]:
    """Open a mask, or a box of it, as the settings say."""
    # Of a single slice nothing is taken off towards the slices that are not there. (By the grid: a box of a scan may be as thin.)
    spacing = tuple(np.inf if count == 1 else size for count, size in zip(grid.shape, grid.spacing, strict=True))
    return opening(mask, post.opening, (spacing[0], spacing[1], spacing[2]))


def best_dice(
    score: NDArray[np.float32], brain: NDArray[np.bool_], truth: NDArray[np.bool_], post: PostParams, grid: Grid
) -> tuple[float, float] | None:
    """Highest Dice of the cleaned-up mask, and the threshold that gives it: what is searched is what is reported.

    Without a clean-up sorting gives the best of all thresholds. With one it does not, since a cleaned-up mask need not grow as the
    threshold falls: tried are then the thresholds that flag 1/24, 2/24, ... of the truth, and others between the neighbours of the best.

    Parameters
    ----------
    score : array of float32, shape (i, j, k)
        The filtered score.
    brain, truth : array of bool, same shape
        What can be flagged; truth outside of it is missed at every threshold.

    Returns
    -------
    dice, threshold : float
        None when no voxel of the truth lies in the brain.
    """
    inside = np.sort(score[truth & brain])
    if not inside.size:
        return None
    if not post.opening and not post.fill_holes and post.smallest(grid.voxel_volume_mm3) <= 1:
        return RankedScores.of_brain(score, truth, brain).best_dice()
    total = int(np.count_nonzero(truth))
    # The lowest threshold flags most: all others live in its box.
    box = bounding_box(brain & (score >= inside[0]))
    score, brain, truth = score[box], brain[box], truth[box]
    tried: dict[int, float] = {}

    def dice(rank: int) -> float:
        if rank not in tried:
            mask = cleaned((score > below(inside[rank])) & brain, post, grid) > 0
            tried[rank] = 2.0 * int(np.count_nonzero(mask & truth)) / (total + int(np.count_nonzero(mask)))
        return tried[rank]

    ranks = np.unique((np.arange(_COARSE + 1) / _COARSE * (inside.size - 1)).round().astype(int))
    best = max(ranks, key=lambda rank: (dice(int(rank)), rank))
    place = int(np.searchsorted(ranks, best))
    low, high = ranks[max(place - 1, 0)], ranks[min(place + 1, ranks.size - 1)]
    fine = np.unique(np.linspace(low, high, _FINE + 2).round().astype(int))
    best = max(fine, key=lambda rank: (dice(int(rank)), rank))
    return tried[int(best)], float(below(inside[best]))


def below(value: np.float32) -> np.float32:
    """The float just below: ``score > below(value)`` keeps the value itself."""
    return np.float32(np.nextafter(value, np.float32(-np.inf)))
