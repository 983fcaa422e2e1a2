"""Batches made ahead of time."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import torch

from .sources import BatchSource, PartSource


class Ahead:
    """Prepares the next batch in a thread while the network works on this one.

    Parameters
    ----------
    source : BatchSource
        Gives the batches.
    steps, size : int
        Steps in all, rows of a whole batch.
    rows : tuple of int
        First and last + 1 of this process's rows.
    """

    def __init__(self, source: BatchSource, steps: int, size: int, rows: tuple[int, int]) -> None:
        self._source, self._steps, self._size, self._rows = source, steps, size, rows
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._next: tuple[int, Future[torch.Tensor]] | None = None

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, step: int) -> torch.Tensor:
        """This process's rows of the batch of a step."""
        kept = self._next
        batch = kept[1].result() if kept is not None and kept[0] == step else self._make(step)
        following = step + 1
        self._next = (following, self._pool.submit(self._make, following)) if following < self._steps else None
        return batch

    def _make(self, step: int) -> torch.Tensor:
        if self._rows == (0, self._size) or not isinstance(self._source, PartSource):
            return self._source.batch(step, self._size)[slice(*self._rows)]
        return self._source.part(step, self._size, *self._rows)
