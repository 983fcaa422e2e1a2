"""Where batches come from. A batch is a function of seed and step, so resuming needs nothing but the step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.errors import InputError
from .draws import ORDER, seed_of

_BATCH, _MOST = 32, 512


class BatchSource(Protocol):
    """Gives batches of healthy samples.

    The loop prepares batches ahead in a thread of its own: `batch` must not use torch's or numpy's global random numbers.
    """

    def __len__(self) -> int:
        """How many samples there are to train on."""
        ...

    def batch(self, step: int, size: int) -> torch.Tensor:
        """The batch of a step, float32, shape (size, channels, ...); a pure function of its arguments and the source's seed."""
        ...

    def validation(self) -> Iterator[torch.Tensor]:
        """Batches that are not trained on, the same at every call; none when there are none."""
        ...


@runtime_checkable
class PartSource(Protocol):
    """A source that can make only some rows of a batch: each of several processes then makes its own."""

    def part(self, step: int, size: int, start: int, stop: int) -> torch.Tensor:
        """Rows `start` to `stop` of ``batch(step, size)``."""
        ...


class Samples(Protocol):
    """An array of samples, or what gives rows like one."""

    def __len__(self) -> int:
        """How many."""
        ...

    def __getitem__(self, rows: Any, /) -> NDArray[Any]:
        """Those at an array (or list) of whole numbers."""
        ...


class ArraySource:
    """Samples from an array in memory (or a memory map), shuffled anew in every epoch.

    Parameters
    ----------
    train, validation : array or `stacks.Stacks`, shape (n, channels, ...), float16, float32 or uint8
        The samples; values are handed on as they are, as float32. `validation` may have no rows.
    seed : int
        Fixes the order.

    Raises
    ------
    InputError
        If there is no sample to train on.

    Notes
    -----
    A validation looks at no more than 512 samples, spread evenly: enough for a mean, and it costs no more than it must.
    """

    def __init__(self, train: Samples, validation: Samples, seed: int) -> None:
        if len(train) == 0:
            raise InputError("There is nothing to train on", why="no slice shows enough brain", fix="Give healthy scans of whole brains")
        self._train = train
        self._held_out = validation
        self._seed = seed
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self._train)

    def batch(self, step: int, size: int) -> torch.Tensor:
        """The batch of a step; see `BatchSource`."""
        return self.part(step, size, 0, size)

    def part(self, step: int, size: int, start: int, stop: int) -> torch.Tensor:
        """Rows of the batch of a step; see `PartSource`."""
        rows = self._train[[self._sample(step * size + row) for row in range(start, stop)]]
        return torch.from_numpy(rows.astype(np.float32, copy=False))

    def validation(self) -> Iterator[torch.Tensor]:
        """Batches of 32; see `BatchSource`."""
        count = min(len(self._held_out), _MOST)
        chosen = np.linspace(0, len(self._held_out) - 1, count).round().astype(np.int64)
        for start in range(0, count, _BATCH):
            yield torch.from_numpy(self._held_out[chosen[start : start + _BATCH]].astype(np.float32, copy=False))

    def _sample(self, position: int) -> int:
        """The sample at a position of the endless sequence of shuffled epochs."""
        epoch, place = divmod(position, len(self._train))
        known, order = self._order
        if known != epoch:
            order = np.random.default_rng(seed_of(self._seed, ORDER, epoch)).permutation(len(self._train))
            self._order = (epoch, order)
        return int(order[place])
