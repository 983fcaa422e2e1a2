"""Random numbers that depend on the seed and the step alone, not on the device, the number of processes or what ran before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

TRAINING, VALIDATION, ORDER, AUGMENTATION, WEIGHTS = range(5)
"""Streams: what the numbers are for. Different streams of one seed and step are independent."""


def seed_of(seed: int, *numbers: int) -> int:
    """A seed for torch from a seed and further whole numbers (stream, step, ...), well mixed; 0 to 2**63 - 1."""
    words = [number & 0xFFFFFFFFFFFFFFFF for number in (seed, *numbers)]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


class Draw:
    """Random numbers for one batch.

    They are drawn on the CPU for the whole batch, over all processes, and this process's rows are cut out: a training on several
    devices sees the same numbers as one on a single device.

    Parameters
    ----------
    seed : int
        Of this batch (`seed_of`).
    start, stop : int
        This process's rows of the batch.
    total : int
        Rows of the whole batch.
    device : torch.device
        Where the numbers go.

    Notes
    -----
    The n-th call gives the same numbers for the same seed. Every process has to make the same calls in the same order.
    """

    def __init__(self, seed: int, start: int, stop: int, total: int, device: torch.device | str = "cpu") -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._rows = slice(start, stop)
        self._total = total
        self._device = device

    def normal(self, shape: Sequence[int]) -> torch.Tensor:
        """Standard normal numbers, float32, of this shape; its first axis is the rows of this process."""
        return self._own(torch.randn((self._total, *shape[1:]), generator=self._generator))

    def uniform(self, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Numbers from `low` to below `high`, float32, of this shape; its first axis is the rows of this process."""
        return self._own(torch.rand((self._total, *shape[1:]), generator=self._generator) * (high - low) + low)

    def integers(self, shape: Sequence[int], low: int, high: int) -> torch.Tensor:
        """Whole numbers from `low` to below `high`, int64, of this shape; its first axis is the rows of this process."""
        return self._own(torch.randint(low, high, (self._total, *shape[1:]), generator=self._generator))

    def _own(self, drawn: torch.Tensor) -> torch.Tensor:
        return drawn[self._rows].to(self._device)
