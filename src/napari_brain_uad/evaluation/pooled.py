"""All scans of a cohort as if they were one: figures over their voxels together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .curves import Curves, LevelCurves
from .merged_levels import merged_curves
from .report import thinned

Part = TypeVar("Part")


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


def pool(scans: Iterable[BrainScores]) -> Pooled:
    """Pool the scans of one method; its scores must mean the same in every scan.

    Where `scans` reads each scan when it is asked for, one is in memory at a time. It is gone through twice.
    """
    curves = cohort_curves(scans)
    return Pooled(
        curves.average_precision,
        curves.auroc,
        curves.highest_dice,
        thinned(curves.pr_curve()),
        thinned(curves.roc_curve()),
    )


class EachScan(Iterable[Part]):
    """What is needed of every scan, made anew each time that it is gone through, so that one scan at a time is in memory.

    Parameters
    ----------
    scans : iterable of BrainScores
        It can be gone through more than once.
    needed : callable
        What is made of a scan.
    """

    def __init__(self, scans: Iterable[BrainScores], needed: Callable[[BrainScores], Part]) -> None:
        self._scans = scans
        self._needed = needed

    def __iter__(self) -> Iterator[Part]:
        return map(self._needed, self._scans)


def scan_curves(scan: BrainScores) -> Curves:
    """The curves of one scan; what is missed lies below every score."""
    lowest = scan.score.min() if scan.score.size else np.float32(0)
    below = np.full(scan.missed, np.nextafter(lowest, np.float32(-np.inf)), np.float32)
    return Curves(np.concatenate([scan.score, below]), np.concatenate([scan.truth, np.ones(scan.missed, bool)]))


def cohort_curves(scans: Iterable[BrainScores]) -> LevelCurves:
    """The curves of all scans as if they were one, made scan by scan; see `merged_levels.merged_curves`."""
    return merged_curves(EachScan(scans, lambda scan: (scan.score, scan.truth, scan.missed)))
