"""Working on many samples in batches that shrink until a device's memory holds them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from ..core.errors import DeviceError
from ..core.memory import keep_freed_memory, out_of_memory

__all__ = ["in_batches", "out_of_memory", "too_little_memory"]

Work = Callable[[int, int], None]


def in_batches(count: int, size: int, device: str, work: Work, *, workers: int = 1) -> None:
    """Call ``work(start, stop)`` for the samples 0 to `count`, `size` at a time; where memory runs out, half as many from there on.

    Parameters
    ----------
    work : callable
        Gets the first sample and the one after the last; called again with fewer when it ran out of memory.
    workers : int
        Threads that do so at the same time, each with a batch of its own; 1 = the caller's, with the batches in their order.

    Raises
    ------
    DeviceError
        When not even a single sample fits.
    """
    if device == "cpu":
        keep_freed_memory()
    left = _Left(count, size, workers)
    if workers == 1:
        left.work_off(work, device)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="batches") as pool:
        done = [pool.submit(left.work_off, work, device) for _ in range(workers)]
    for one in done:
        one.result()


class _Left:
    """What is still to be done, for several threads that take their batches from it."""

    def __init__(self, count: int, size: int, workers: int) -> None:
        self._parts = [(0, count)] if count else []
        self._size, self._workers, self._lock = size, workers, threading.Lock()

    def work_off(self, work: Work, device: str) -> None:
        """Do batches until none is left; where it fails, the others stop too."""
        with ExitStack() as failing:
            failing.callback(self._stop)
            while (part := self._take()) is not None:
                try:
                    work(*part)
                except (RuntimeError, MemoryError) as error:
                    if not out_of_memory(error):
                        raise
                    goes_on = self._halve(*part)
                    if goes_on is None:
                        raise too_little_memory(device) from error
                else:
                    continue
                _give_back(device)
                if not goes_on:
                    break
            failing.pop_all()

    def _take(self) -> tuple[int, int] | None:
        with self._lock:
            if not self._parts:
                self._workers -= 1
                return None
            start, stop = self._parts.pop()
            if stop - start > self._size:
                self._parts.append((start + self._size, stop))
                stop = start + self._size
            return start, stop

    def _halve(self, start: int, stop: int) -> bool | None:
        """Leave a batch that did not fit for later; whether its worker goes on, None when there is nothing smaller to try."""
        with self._lock:
            if stop - start > 1:
                self._size = min(self._size, (stop - start) // 2)
                self._parts.append((start, stop))
                return True
            if self._workers == 1:
                return None
            # Another worker's batch lies in memory beside it: those that are left have more room.
            self._workers -= 1
            self._parts.append((start, stop))
            return False

    def _stop(self) -> None:
        with self._lock:
            self._parts.clear()


def _give_back(device: str) -> None:
    """What was allocated for the batch that did not fit would lie in torch's store, in pieces of no use for smaller ones."""
    if device == "cuda":
        import torch

        torch.cuda.empty_cache()


def too_little_memory(device: str) -> DeviceError:
    """The error when not even a single sample fits."""
    return DeviceError(
        f"The {'GPU' if device != 'cpu' else 'computer'} has too little memory for this network",
        why="a single sample at a time does not fit",
        fix="Choose smaller slices or a smaller network, close other programs, or use another device",
    )
