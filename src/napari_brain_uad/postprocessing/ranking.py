"""Scores sorted once, inside and outside the ground truth: every count at every threshold is then two binary searches away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.checks import check_same_shape, raise_errors


@dataclass(frozen=True)
class Counts:
    """Voxels of a confusion table: flagged when ``score > threshold``."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def flagged(self) -> int:
        """Voxels above the threshold."""
        return self.tp + self.fp

    @property
    def dice(self) -> float | None:
        """``2 TP / (2 TP + FP + FN)``; None when nothing is flagged and there is no truth."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float | None:
        """``TP / (TP + FP + FN)``; None when nothing is flagged and there is no truth."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float | None:
        """``TP / (TP + FP)``; None when nothing is flagged."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """``TP / (TP + FN)``; None when there is no truth."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float | None:
        """``TN / (TN + FP)``; None when every voxel is truth."""
        return _ratio(self.tn, self.tn + self.fp)

    @property
    def accuracy(self) -> float | None:
        """``(TP + TN) / all``; None when there are no voxels."""
        return _ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


class RankedScores:
    """Scores of a region, sorted, split by the ground truth.

    Parameters
    ----------
    score : array of float32, shape (i, j, k)
        Finite; higher = more abnormal.
    truth : array of bool, same shape
        The ground truth.
    region : array of bool, same shape, optional
        The voxels that take part; all when None.
    missed : int
        Voxels of truth outside the region that count as never flagged.
    """

    def __init__(
        self, score: NDArray[np.float32], truth: NDArray[np.bool_], region: NDArray[np.bool_] | None = None, *, missed: int = 0
    ) -> None:
        raise_errors("Metrics", (check_same_shape(score.shape, truth.shape, "ground truth"),))
        if region is not None:
            raise_errors("Metrics", (check_same_shape(score.shape, region.shape, "brain mask"),))
            score, truth = score[region], truth[region]
        self.positives: NDArray[np.float32] = np.sort(score[truth])
        """Scores inside the truth, ascending."""
        self.negatives: NDArray[np.float32] = np.sort(score[~truth])
        """Scores outside the truth, ascending."""
        self.missed = missed

    @classmethod
    def of_brain(cls, score: NDArray[np.float32], truth: NDArray[np.bool_], mask: NDArray[np.bool_]) -> RankedScores:
        """Only the brain can be flagged; truth outside of it is missed at every threshold."""
        return cls(score, truth, mask, missed=int(np.count_nonzero(truth & ~mask)))

    def counts(self, threshold: float) -> Counts:
        """Confusion table at a threshold, exact; in microseconds."""
        limit = np.float32(threshold)
        fn = int(np.searchsorted(self.positives, limit, side="right"))
        tn = int(np.searchsorted(self.negatives, limit, side="right"))
        return Counts(tp=self.positives.size - fn, fp=self.negatives.size - tn, fn=fn + self.missed, tn=tn)

    def levels(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Distinct scores inside the truth, descending, and how many voxels of truth have each."""
        values, counts = np.unique(self.positives, return_counts=True)
        return values[::-1], counts[::-1]

    def negatives_above(self, values: NDArray[np.float32], *, or_equal: bool) -> NDArray[np.int64]:
        """How many scores outside the truth are above (or equal to) each value."""
        return np.asarray(self.negatives.size - np.searchsorted(self.negatives, values, side="left" if or_equal else "right"))

    def best_dice(self) -> tuple[float, float] | None:
        """Highest Dice over all thresholds, and the threshold; None when there is no truth.

        Between two scores of the truth, lowering the threshold only adds false alarms: the best threshold lies just below a score of
        the truth, and no other needs to be tried. It is returned as the middle between that score and the next lower one of any
        voxel, so that ``score > threshold`` gives exactly this Dice. If several are best, the highest is returned.
        """
        values, counts = self.levels()
        if not values.size:
            return None
        tp = np.cumsum(counts)
        dice = 2.0 * tp / (tp + self.negatives_above(values, or_equal=True) + self.positives.size + self.missed)
        best = int(np.argmax(dice))
        return float(dice[best]), self._just_below(values[best])

    def _just_below(self, value: np.float32) -> float:
        lower = [part[place - 1] for part in (self.positives, self.negatives) if (place := np.searchsorted(part, value)) > 0]
        if not lower:
            return float(np.nextafter(value, np.float32(-np.inf)))
        below = max(lower)
        # Halves first: the sum of two large float32 overflows. Neighbouring floats have no middle; the lower one serves then.
        middle = np.float32(below / 2 + value / 2)
        return float(middle) if below <= middle < value else float(below)
