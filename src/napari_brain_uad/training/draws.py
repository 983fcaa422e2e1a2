"""Random numbers that depend on the seed and the step alone, not on the device, the number of processes or what ran before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch

TRAINING, VALIDATION, ORDER, AUGMENTATION, WEIGHTS, SCORING = range(6)
"""Streams: what the numbers are for. Different streams of one seed and step are independent."""


def seed_of(seed: int, *numbers: int) -> int:
    """A seed for torch from a seed and further whole numbers (stream, step, ...), well mixed; 0 to 2**63 - 1."""
    words = [number & 0xFFFFFFFFFFFFFFFF for number in (seed, *numbers)]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


class Draw(ABC):
    """Random numbers for the rows of a batch. The n-th call gives the same numbers for the same seed."""

    def normal(self, shape: Sequence[int]) -> torch.Tensor:
        """Standard normal numbers, float32, of this shape; its first axis is the rows."""
        return self._drawn(shape, lambda size, generator: torch.randn(size, generator=generator))

    def uniform(self, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        """Numbers from `low` to below `high`, float32, of this shape; its first axis is the rows."""
        return self._drawn(shape, lambda size, generator: torch.rand(size, generator=generator) * (high - low) + low)

    def integers(self, shape: Sequence[int], low: int, high: int) -> torch.Tensor:
        """Whole numbers from `low` to below `high`, int64, of this shape; its first axis is the rows."""
        return self._drawn(shape, lambda size, generator: torch.randint(low, high, size, generator=generator))

    @abstractmethod
    def _drawn(self, shape: Sequence[int], make: Callable[[tuple[int, ...], torch.Generator], torch.Tensor]) -> torch.Tensor:
        """What `make` gives for these rows."""


class BatchDraw(Draw):
    """Random numbers for one batch of a training.

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
    Every process has to make the same calls in the same order.
    """

    def __init__(self, seed: int, start: int, stop: int, total: int, device: torch.device | str = "cpu") -> None:
        self._generator = torch.Generator().manual_seed(seed)
        self._rows = slice(start, stop)
        self._total = total
        self._device = device

    def _drawn(self, shape: Sequence[int], make: Callable[[tuple[int, ...], torch.Generator], torch.Tensor]) -> torch.Tensor:
        return make((self._total, *shape[1:]), self._generator)[self._rows].to(self._device)


class SampleDraw(Draw):
    """Random numbers that belong to samples: a scan's map is the same however many samples are scored at once.

    Parameters
    ----------
    seed : int
        Of the map.
    index : sequence of int
        Which samples of the scan these are.
    device : torch.device
        Where the numbers go.
    """

    def __init__(self, seed: int, index: Sequence[int], device: torch.device | str = "cpu") -> None:
        self._generators = [torch.Generator().manual_seed(seed_of(seed, SCORING, number)) for number in index]
        self._device = device

    def _drawn(self, shape: Sequence[int], make: Callable[[tuple[int, ...], torch.Generator], torch.Tensor]) -> torch.Tensor:
        return torch.stack([make(tuple(shape[1:]), generator) for generator in self._generators]).to(self._device)
