"""Batches made ahead of time."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait

from ..core.progress import Progress
from .augment import augmentation
from .batch import Batch
from .params import TrainingParams
from .sources import BatchSource, PartSource

_PATIENCE = 0.2
"""Seconds between looks at whether the user has cancelled."""


class Ahead:
    """Prepares the next batch in a thread while the network works on this one.

    Parameters
    ----------
    source : BatchSource
        Gives the batches.
    training : TrainingParams
        Says how large they are, and how they are changed at random.
    count : int
        How many there will be.
    seed : int
        Of the random changes.
    rows : tuple of int
        First and last + 1 of this process's rows.
    """

    def __init__(self, source: BatchSource, training: TrainingParams, count: int, seed: int, rows: tuple[int, int]) -> None:
        self._source, self._seed, self._rows = source, seed, rows
        self._count, self._size = count, training.batch_size
        self._change = augmentation(training.augmentation)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._next: tuple[int, Future[Batch]] | None = None

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        # A batch that is being made may take its time; nobody waits for it any more.
        self._pool.shutdown(wait=False, cancel_futures=True)

    def take(self, step: int, progress: Progress) -> Batch:
        """This process's rows of a batch by its number; cancelling `progress` ends the wait for it."""
        if self._next is None or self._next[0] != step:
            self._next = (step, self._pool.submit(self._make, step))
        made = self._next[1]
        while not made.done():
            progress.check()
            wait((made,), timeout=_PATIENCE)
        following = step + 1
        self._next = (following, self._pool.submit(self._make, following)) if following < self._count else None
        return made.result()

    def _make(self, step: int) -> Batch:
        if self._rows != (0, self._size) and isinstance(self._source, PartSource):
            batch = self._source.part(step, self._size, *self._rows)
        else:
            batch = self._source.batch(step, self._size)[slice(*self._rows)]
        return batch if self._change is None else self._change(batch, self._seed, step, self._rows[0])
