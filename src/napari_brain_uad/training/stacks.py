"""Slices and their neighbours as samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Stacks:
    """Slices with their neighbours in the same scan, put together when asked for: all of them would take several times the memory.

    Parameters
    ----------
    slices : array, shape (N, H, W)
        Of all scans, one scan after the other.
    scans : array of int, shape (N,)
        The scan of each.
    chosen : array of int, shape (n,)
        Slices that are samples; the others are only ever neighbours.
    neighbours : int
        On either side; beyond a scan's ends they are 0.
    """

    def __init__(self, slices: NDArray[Any], scans: NDArray[np.int64], chosen: NDArray[np.int64], neighbours: int) -> None:
        self._slices, self._scans, self._chosen = slices, scans, chosen
        self._steps = np.arange(-neighbours, neighbours + 1)

    def __len__(self) -> int:
        """How many samples."""
        return len(self._chosen)

    def __getitem__(self, rows: Any, /) -> NDArray[Any]:
        """Those at an array (or list) of whole numbers, shape (len(rows), 2 neighbours + 1, H, W)."""
        middle = self._chosen[np.asarray(rows)][:, None]
        wanted = middle + self._steps
        there = wanted.clip(0, len(self._slices) - 1)
        same = (wanted == there) & (self._scans[there] == self._scans[middle])
        stacks: NDArray[Any] = np.where(same[:, :, None, None], self._slices[there], self._slices.dtype.type(0))
        return stacks
