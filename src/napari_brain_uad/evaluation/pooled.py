"""All scans of a cohort as if they were one: figures over their voxels together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .merged_levels import merged_curves
from .report import thinned


@dataclass(frozen=True, eq=False)
class BrainScores:
    """The brain of one scan, n voxels.

    Parameters
    ----------
    score, truth, slices : array, shape (n,)
        Scores, ground truth, and the number of each voxel's axial slice.
    missed : int
        Voxels of truth outside of the brain.
    """

    score: NDArray[np.float32]
    truth: NDArray[np.bool_]
    slices: NDArray[np.uint16]
    missed: int

    @classmethod
    def of(cls, score: NDArray[np.float32], truth: NDArray[np.bool_], brain: NDArray[np.bool_]) -> BrainScores:
        """From a map, shape (i, j, k)."""
        slices = np.broadcast_to(np.arange(brain.shape[2], dtype=np.uint16), brain.shape)[brain]
        return cls(score[brain], truth[brain], slices, int(np.count_nonzero(truth & ~brain)))


@dataclass(frozen=True, eq=False)
class Pooled:
    """Figures over the brain voxels of all scans together; None when no scan has truth.

    Truth outside the brain masks counts as missed: it ranks below every voxel of the brain.
    """

    auprc: float | None
    auroc: float | None
    best_dice_voxels: float | None
    pr_curve: NDArray[np.float64]
    roc_curve: NDArray[np.float64]


def pool(scans: Sequence[BrainScores]) -> Pooled:
    """Pool the scans of one method; its scores must mean the same in every scan.

    Where `scans` reads each scan when it is asked for, one is in memory at a time; see `merged_levels.merged_curves`.
    """
    curves = merged_curves(_Parts(scans))
    return Pooled(
        curves.average_precision,
        curves.auroc,
        curves.highest_dice,
        thinned(curves.pr_curve()),
        thinned(curves.roc_curve()),
    )


class _Parts:
    """Of every scan what the curves need, each time anew."""

    def __init__(self, scans: Sequence[BrainScores]) -> None:
        self._scans = scans

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_], int]]:
        return ((scan.score, scan.truth, scan.missed) for scan in self._scans)


def joined(scans: Sequence[BrainScores]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scores and truth of all scans, shape (n,); what is missed lies below every score."""
    missed = sum(scan.missed for scan in scans)
    lowest = min((scan.score.min() for scan in scans if scan.score.size), default=np.float32(0))
    below = np.full(missed, np.nextafter(np.float32(lowest), np.float32(-np.inf)), np.float32)
    return np.concatenate([*(scan.score for scan in scans), below]), np.concatenate(
        [*(scan.truth for scan in scans), np.ones(missed, bool)]
    )
