"""Best Dice over a list of thresholds, with small components dropped at each: the protocol of the FLAIR threshold baseline."""

from __future__ import annotations

import heapq
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
    lowest: NDArray[np.bool_] = np.greater(score, np.float32(candidates[0]))
    flaggable = lowest if mask is None else lowest & mask
    if not flaggable.any():
        return BestDice(0.0, float(candidates[-1]))
    counts = _Counts(score, truth, flaggable, candidates.astype(np.float32), min_voxels, connectivity)
    dice, best = _best(counts, total, progress)
    return BestDice(dice, float(candidates[best]))


class _Counts:
    """Hits and false alarms that are left at a threshold once small components are dropped."""

    def __init__(
        self,
        score: NDArray[np.float32],
        truth: NDArray[np.bool_],
        flaggable: NDArray[np.bool_],
        candidates: NDArray[np.float32],
        min_voxels: int,
        connectivity: int,
    ) -> None:
        # Higher thresholds flag less: all of them live in the box of the lowest.
        box = bounding_box(flaggable)
        self._score, self._flaggable = np.ascontiguousarray(score[box]), np.ascontiguousarray(flaggable[box])
        self._min_voxels, self._connectivity, self._candidates = min_voxels, connectivity, candidates
        # From the highest score down, so that those above a threshold are the first few.
        voxels = np.flatnonzero(self._flaggable)
        scores = self._score.ravel()[voxels]
        order = np.argsort(-scores)
        self._voxels, self._true = voxels[order], truth[box].ravel()[voxels[order]]
        self._above = scores.size - np.searchsorted(scores[order][::-1], candidates, side="right")
        self.hits_before = np.concatenate([[0], np.cumsum(self._true)])[self._above]
        """Hits at each threshold before any component is dropped."""

    def at(self, number: int) -> tuple[int, int]:
        """Hits and false alarms at the threshold of this number."""
        labels = label(self._flaggable & (self._score > self._candidates[number]), self._connectivity).ravel()
        flagged, true = self._voxels[: self._above[number]], self._true[: self._above[number]]
        own = labels[flagged]
        kept = np.bincount(own) >= self._min_voxels
        left = kept[own]
        hits = int(np.count_nonzero(left & true))
        return hits, int(np.count_nonzero(left)) - hits


def _best(counts: _Counts, total: int, progress: Progress) -> tuple[float, int]:
    """The best Dice and the number of its threshold, the lowest of equals.

    Not every threshold has to be tried. What a threshold keeps, every lower one keeps as well; so between two that were tried, no more is
    hit than at the lower one, and no fewer false alarms are left than at the higher one. Where that is too little for the best so far,
    nothing in between is looked at. The answer is that of trying them all.
    """
    last = counts.hits_before.size
    best, at = 0.0, last - 1
    # Stretches of untried thresholds: the Dice they cannot pass, their ends, hits at the lower one and false alarms at the higher one.
    waiting = [(-1.0, -1, last, total, 0)]
    tried = 0
    while waiting and -waiting[0][0] >= max(best, np.finfo(np.float64).tiny):
        _, low, high, most_hits, least_alarms = heapq.heappop(waiting)
        middle = (low + high) // 2
        hits, alarms = counts.at(middle)
        dice = 2.0 * hits / (total + hits + alarms)
        if dice > best or (dice == best > 0.0 and middle < at):
            best, at = dice, middle
        for start, end, cap, floor in ((low, middle, most_hits, alarms), (middle, high, hits, least_alarms)):
            if end - start > 1:
                reach = min(cap, int(counts.hits_before[start + 1]))
                heapq.heappush(waiting, (-2.0 * reach / (total + reach + floor), start, end, cap, floor))
        tried += 1
        progress.update(tried / last, "Searching the best threshold")
    progress.update(1.0, "Best threshold found")
    return best, at
