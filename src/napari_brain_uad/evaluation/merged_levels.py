"""Curves over the voxels of many scans, with one scan in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .curves import LevelCurves

MOST_LEVELS = 1 << 22
"""Distinct scores of truth that are kept apart. Up to here all is exact."""

_MISSED = -(1 << 40)
"""Below the key of every score, whatever is shifted off."""


def merged_curves(scans: Iterable[tuple[NDArray[np.float32], NDArray[np.bool_], int]], most: int = MOST_LEVELS) -> LevelCurves:
    """The curves of all scans as if they were one.

    Counts at the scores of the truth add up over scans: first these scores are collected, then each scan's other voxels are counted
    between them. Memory grows with the number of distinct scores of truth, and no further than `most`: beyond it, the last bits of
    scores are dropped until they fit. With k bits dropped, scores that differ by less than 2^(k-23) of their size may count as ties.
    Scores over ten powers of two lose at most 5 bits, 4 millionths of their size, however many scans there are.

    Parameters
    ----------
    scans : iterable of (score, truth, missed)
        Arrays of float32 and bool, shape (n,), and how many voxels of truth lie outside the brain: they rank below every score. It is
        gone through twice.
    most : int
        See above.
    """
    keys, counts, shift, missed = _levels_of_truth(scans, most)
    # Of other voxels, how many lie between which levels: by the number of levels at or below, and below them.
    reached, passed = np.zeros(keys.size + 1, np.int64), np.zeros(keys.size + 1, np.int64)
    lowest, highest, negatives = np.inf, -np.inf, 0
    for score, truth, _ in scans:
        if score.size:
            lowest, highest = min(lowest, float(score.min())), max(highest, float(score.max()))
        # In order, which the searches among the levels are many times faster for than the sorting takes.
        others = _keys(np.sort(score[~truth])) >> shift
        negatives += others.size
        reached += np.bincount(np.searchsorted(keys, others, side="right"), minlength=keys.size + 1)
        passed += np.bincount(np.searchsorted(keys, others, side="left"), minlength=keys.size + 1)
    lowest, highest = (0.0, 0.0) if lowest > highest else (lowest, highest)
    levels = _scores(keys, shift)
    if missed:
        below = np.nextafter(np.float32(lowest), np.float32(-np.inf))
        levels, lowest = np.where(keys == _MISSED >> shift, below, levels), float(below)
    return LevelCurves(
        levels[::-1],
        np.cumsum(counts[::-1]),
        np.cumsum(reached[:0:-1]),
        np.cumsum(passed[:0:-1]),
        negatives=negatives,
        lowest=lowest,
        highest=highest,
    )


def _levels_of_truth(
    scans: Iterable[tuple[NDArray[np.float32], NDArray[np.bool_], int]], most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], int, bool]:
    """Keys of the distinct scores of truth, ascending; voxels of each; bits dropped; whether truth was missed."""
    keys, counts, shift, any_missed = np.zeros(0, np.int64), np.zeros(0, np.int64), 0, False
    waiting: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for score, truth, missed in scans:
        own, number = np.unique(_keys(score[truth]) >> shift, return_counts=True)
        waiting.append((own, number))
        if missed:
            waiting.append((np.array([_MISSED >> shift]), np.array([missed])))
            any_missed = True
        # As many at once as are there already: each key is then merged a few times, not once a scan.
        if sum(one.size for one, _ in waiting) > max(keys.size, most // 4):
            keys, counts = _merged([(keys, counts), *waiting])
            waiting = []
        while keys.size > most:
            shift += 1
            keys, counts = _merged([(keys >> 1, counts)])
            waiting = [(one >> 1, number) for one, number in waiting]
    keys, counts = _merged([(keys, counts), *waiting])
    while keys.size > most:
        shift += 1
        keys, counts = _merged([(keys >> 1, counts)])
    return keys, counts, shift, any_missed


def _merged(parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    keys, place = np.unique(np.concatenate([one for one, _ in parts]), return_inverse=True)
    counts = np.zeros(keys.size, np.int64)
    np.add.at(counts, place, np.concatenate([number for _, number in parts]))
    return keys, counts


def _keys(score: NDArray[np.float32]) -> NDArray[np.int64]:
    """Whole numbers in the order of the scores; neighbouring floats have neighbouring numbers."""
    # Adding 0 makes -0 to 0, which is equal to it.
    bits = (score.astype(np.float32, copy=False) + np.float32(0)).view(np.int32)
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)


def _scores(keys: NDArray[np.int64], shift: int) -> NDArray[np.float32]:
    """The lowest score of each key."""
    low = np.maximum(keys << shift, np.iinfo(np.int32).min).astype(np.int32)
    bits: NDArray[np.int32] = np.where(low < 0, low ^ np.int32(0x7FFFFFFF), low)
    return bits.view(np.float32)
