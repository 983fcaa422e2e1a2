"""The tissues of a whole scan beside those expected of it, in several passes through a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ...preprocessing.tissue_scale import WHITE
from ...sampling.slices import Slices
from ..base.smoothing import smoothed

Floats = NDArray[np.float32]

_FILLED_FROM, _FILLED_AT, _FILL_MM = 0.25, 0.5, 1.4
"""Probability of lost white matter, smoothed, from which a place is filled in part, and from which wholly."""

SHIFTED = 4
"""Passes of `TissueScan.averaged` where it shifts."""


@dataclass(frozen=True, eq=False)
class TissueScan:
    """One scan.

    Parameters
    ----------
    slices : Slices
        Tissue, from 0 to 4.
    pixels_mm : tuple of float
        Distance of slices, rows and columns.
    expect : callable
        One pass through the network: probabilities (S, 3, H, W) of CSF, grey and white matter, which add up to 1, for such slices.
    shift : int
        Pixels; see `averaged`.
    """

    slices: Slices
    pixels_mm: tuple[float, float, float]
    expect: Callable[[Slices], Floats]
    shift: int = 0

    def averaged(self, slices: Slices) -> Floats:
        """What is expected of slices, the mean over copies shifted along both diagonals, each shifted back.

        Four views of the same brain: what the network makes of one position of the pixels by chance averages out.
        """
        if self.shift == 0:
            return self.expect(slices)
        ways = list(product((-self.shift, self.shift), repeat=2))
        shifted = (
            np.roll(self.expect(slices.with_data(np.roll(slices.data, (down, right), (1, 2)))), (-down, -right), (2, 3))
            for down, right in ways
        )
        return np.asarray(sum(shifted) / np.float32(len(ways)), np.float32)

    def restored(self, times: int) -> Floats:
        """What is expected once missing white matter has been filled in with what was expected before, so many times over.

        A network that sees a lesion believes in part of it; one that sees a smaller lesion believes in less.
        """
        tissue, mask = self.slices.data, self.slices.mask
        tissues = np.arange(1, 4, dtype=np.float32).reshape(1, 3, 1, 1)
        seen, expected = tissue, self.averaged(self.slices)
        for _ in range(times):
            lost = smoothed(expected[:, 2] * (WHITE - seen).clip(0.0, 1.0), mask, self.pixels_mm, _FILL_MM)
            share = ((lost - _FILLED_FROM) / (_FILLED_AT - _FILLED_FROM)).clip(0.0, 1.0)
            before, lacking = seen, ((expected * tissues).sum(axis=1) - tissue).clip(min=0.0)
            seen = np.where(mask, tissue + share * lacking, tissue).astype(np.float32)
            # Of a slice in which nothing was filled in, the network would expect the same again.
            new = (seen != before).any(axis=(1, 2))
            if new.any():
                expected[new] = self.averaged(replace(self.slices, data=seen[new], mask=mask[new]))
        return expected
