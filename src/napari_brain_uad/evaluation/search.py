"""Best Dice over a list of thresholds, with small components dropped at each: the protocol of the FLAIR threshold baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.progress import Progress
from ..postprocessing.components import label
from ..postprocessing.filters import bounding_box


@dataclass(frozen=True)
class BestDice:
    """The best threshold of a search and its Dice."""

    dice: float
    threshold: float


def recall_thresholds(
    score: NDArray[np.float32], truth: NDArray[np.bool_], mask: NDArray[np.bool_] | None = None, count: int = 100
) -> NDArray[np.float64]:
    """Thresholds at which 1/count, 2/count, ... of the truth's voxels are flagged, ascending.

    They follow the scores of the truth, so a strictly growing function of the score changes nothing in what they flag, whatever its
    unit, range and tails: methods are compared alike. Where voxels tie, fewer thresholds are left.

    Parameters
    ----------
    score : array of float32, shape (i, j, k)
    truth, mask : array of bool, same shape
        As in `best_dice_with_components`.

    Returns
    -------
    array of float, shape (n,)
        Empty without truth; each lies just below a score of the truth.
    """
    inside = np.sort(score[truth if mask is None else truth & mask])
    if not inside.size:
        return np.zeros(0)
    levels = np.unique(inside[inside.size - np.ceil(np.arange(1, count + 1) / count * inside.size).astype(int)])
    return np.asarray(np.nextafter(levels, np.float32(-np.inf)), dtype=np.float64)


def best_dice_with_components(
    score: NDArray[np.float32],
    truth: NDArray[np.bool_],
    mask: NDArray[np.bool_] | None = None,
    thresholds: NDArray[np.float64] | None = None,
    min_voxels: int = 20,
    connectivity: int = 6,
    *,
    progress: Progress | None = None,
) -> BestDice | None:
    """Try every threshold, drop small components, keep the best Dice (Meissen et al. 2021, section 3).

    Parameters
    ----------
    score : array of float32, shape (i, j, k)
    truth : array of bool, same shape
    mask : array of bool, same shape, optional
        Voxels that may be flagged, and the truth that counts; all when None.
    thresholds : array of float, optional
        ``numpy.linspace(0, 1, 100)`` when None.
    min_voxels : int
        Smaller components are dropped.
    connectivity : int
        6, 18 or 26.

    Returns
    -------
    BestDice or None
        The lowest of the best thresholds; None without truth.
    """
    progress = progress or Progress()
    candidates = np.linspace(0.0, 1.0, 100) if thresholds is None else np.sort(thresholds)
    if mask is not None:
        truth = truth & mask
    total = int(np.count_nonzero(truth))
    if not total:
        return None
    best = BestDice(0.0, float(candidates[-1]))
    lowest: NDArray[np.bool_] = np.greater(score, np.float32(candidates[0]))
    flaggable = lowest if mask is None else lowest & mask
    if not flaggable.any():
        return best
    # Higher thresholds flag less: all of them live in the box of the lowest.
    box = bounding_box(flaggable)
    score, truth, flaggable = np.ascontiguousarray(score[box]), np.ascontiguousarray(truth[box]), np.ascontiguousarray(flaggable[box])
    inside = np.flatnonzero(truth)
    for number, threshold in enumerate(candidates):
        progress.update(number / len(candidates), "Searching the best threshold")
        labels = label(flaggable & (score > np.float32(threshold)), connectivity)
        sizes = np.bincount(labels.ravel())
        kept = sizes >= min_voxels
        kept[0] = False
        hits = np.bincount(labels.ravel()[inside], minlength=sizes.size)
        dice = 2.0 * hits[kept].sum() / (total + sizes[kept].sum())
        if dice > best.dice:
            best = BestDice(float(dice), float(threshold))
    return best
