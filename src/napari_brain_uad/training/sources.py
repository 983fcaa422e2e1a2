"""Where batches come from. A batch is a function of seed and step, so resuming needs nothing but the step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.errors import InputError
from .batch import Batch
from .draws import ORDER, seed_of

_BATCH, _MOST = 32, 512


class BatchSource(Protocol):
    """Gives batches of healthy samples.

    The loop prepares batches ahead in a thread of its own: `batch` must not use torch's or numpy's global random numbers.
    """

    def __len__(self) -> int:
        """How many samples there are to train on."""
        ...

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step; a pure function of its arguments and the source's seed."""
        ...

    def validation(self) -> Iterator[Batch]:
        """Batches that are not trained on, the same at every call; none when there are none."""
        ...


@runtime_checkable
class PartSource(Protocol):
    """A source that can make only some rows of a batch: each of several processes then makes its own."""

    def part(self, step: int, size: int, start: int, stop: int) -> Batch:
        """Rows `start` to `stop` of ``batch(step, size)``."""
        ...


class Samples(Protocol):
    """Samples that are read by their numbers, like a `sampling.pool.Pool`."""

    def __len__(self) -> int:
        """How many."""
        ...

    def images(self, numbers: Any, /) -> NDArray[Any]:
        """Those with these numbers, shape (len(numbers), channels, ...)."""
        ...

    def brain(self, numbers: Any, /) -> NDArray[np.bool_]:
        """Where they show brain, shape (len(numbers), ...)."""
        ...


class ArraySamples:
    """Samples that lie in an array, or a memory map.

    Parameters
    ----------
    images : array, shape (n, channels, ...)
    brain : array of bool, shape (n, ...), optional
        Everywhere when None.
    """

    def __init__(self, images: NDArray[Any], brain: NDArray[np.bool_] | None = None) -> None:
        self._images, self._brain = images, brain

    def __len__(self) -> int:
        """See `Samples`."""
        return len(self._images)

    def images(self, numbers: Any, /) -> NDArray[Any]:
        """See `Samples`."""
        found: NDArray[Any] = self._images[numbers]
        return found

    def brain(self, numbers: Any, /) -> NDArray[np.bool_]:
        """See `Samples`."""
        return np.ones((len(numbers), *self._images.shape[2:]), np.bool_) if self._brain is None else self._brain[numbers]


class ArraySource:
    """Samples in memory, shuffled anew in every epoch.

    Parameters
    ----------
    train, validation : Samples, or array of shape (n, channels, ...)
        Values are handed on as they are, as float32. `validation` may be empty.
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

    def __init__(self, train: Samples | NDArray[Any], validation: Samples | NDArray[Any], seed: int) -> None:
        if len(train) == 0:
            raise InputError("There is nothing to train on", why="no slice shows enough brain", fix="Give healthy scans of whole brains")
        self._train = ArraySamples(train) if isinstance(train, np.ndarray) else train
        self._held_out = ArraySamples(validation) if isinstance(validation, np.ndarray) else validation
        self._seed = seed
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self._train)

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step; see `BatchSource`."""
        return self.part(step, size, 0, size)

    def part(self, step: int, size: int, start: int, stop: int) -> Batch:
        """Rows of the batch of a step; see `PartSource`."""
        return batch_of(self._train, np.array([self._sample(step * size + row) for row in range(start, stop)], np.int64))

    def validation(self) -> Iterator[Batch]:
        """Batches of 32; see `BatchSource`."""
        count = min(len(self._held_out), _MOST)
        chosen = np.linspace(0, len(self._held_out) - 1, count).round().astype(np.int64)
        for start in range(0, count, _BATCH):
            yield batch_of(self._held_out, chosen[start : start + _BATCH])

    def _sample(self, position: int) -> int:
        """The sample at a position of the endless sequence of shuffled epochs."""
        epoch, place = divmod(position, len(self._train))
        known, order = self._order
        if known != epoch:
            order = np.random.default_rng(seed_of(self._seed, ORDER, epoch)).permutation(len(self._train))
            self._order = (epoch, order)
        return int(order[place])


def batch_of(samples: Samples, numbers: NDArray[np.int64]) -> Batch:
    """The samples with these numbers."""
    images = torch.from_numpy(samples.images(numbers).astype(np.float32, copy=False))
    return Batch(images, torch.from_numpy(samples.brain(numbers)), torch.from_numpy(np.asarray(numbers, np.int64)))
