"""The samples of many scans, for training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .windows import Cut

_LEAST_BRAIN = 0.02
"""Samples with less brain than this share of their pixels are not trained on: there is hardly anything to learn from them."""


class Pool:
    """Samples that show enough brain, of one scan after the other, put together when they are asked for.

    Parameters
    ----------
    cuts : iterable of Cut
        One a scan; kept as float16.
    shape : tuple of int
        Of a sample, for a pool without one.
    """

    def __init__(self, cuts: Iterable[Cut], shape: tuple[int, ...]) -> None:
        self._cuts = [cut.half() for cut in cuts]
        self._shape = shape
        chosen = [np.flatnonzero(enough_brain(cut)) for cut in self._cuts]
        self._scan = np.repeat(np.arange(len(chosen)), [len(rows) for rows in chosen])
        self._row = np.concatenate(chosen) if chosen else np.empty(0, np.int64)

    def __len__(self) -> int:
        """How many samples."""
        return len(self._row)

    def images(self, numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Samples by their numbers, float16, shape (len(numbers), *shape of a sample)."""
        found = np.empty((len(numbers), *self._shape), np.float16)
        for scan, where, rows in self._by_scan(numbers):
            found[where] = self._cuts[scan].images(rows)
        return found

    def brain(self, numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where they show brain, shape (len(numbers), ...) without the channels."""
        found = np.empty((len(numbers), *self._shape[1:]), np.bool_)
        for scan, where, rows in self._by_scan(numbers):
            found[where] = self._cuts[scan].brain(rows)
        return found

    def _by_scan(self, numbers: Sequence[int] | NDArray[np.int64]) -> Iterable[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        wanted = np.asarray(numbers, np.int64)
        scans, rows = self._scan[wanted], self._row[wanted]
        for scan in np.unique(scans):
            where = np.flatnonzero(scans == scan)
            yield int(scan), where, rows[where]


def enough_brain(cut: Cut) -> NDArray[np.bool_]:
    """Samples that are trained on, shape (N,)."""
    return np.array([cut.brain([row]).mean() >= _LEAST_BRAIN for row in range(len(cut))], np.bool_)
