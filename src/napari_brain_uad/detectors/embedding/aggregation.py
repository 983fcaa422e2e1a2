"""Features of several slices averaged into one (SimpleSliceNet; for its ablations SimpleNet, too). Imports torch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from .features import aggregated, brain_cells


def pooled_places(
    places: NDArray[np.float32], mask: NDArray[np.bool_], aggregation: int, cells: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Features of places, averaged over so many slices, and which of them show brain.

    Parameters
    ----------
    places : array of float32, shape (S, h, w, D)
        Of all slices of a scan.
    mask : array of bool, shape (S, H, W)
        The brain in them.
    aggregation : int
        Slices that become one; the last ones may be fewer.
    cells : tuple of int
        (h, w).

    Returns
    -------
    pooled, shown : array, shape (S', h, w, D) and (S', h, w)
        S' is S / `aggregation`, rounded up.
    """
    depth = -(-len(places) // aggregation)
    shown = brain_cells(torch.from_numpy(mask), (depth, *cells)).numpy()
    return aggregated(torch.from_numpy(places), depth).numpy(), shown
