"""Working on many samples in batches that shrink until a device's memory holds them."""

from __future__ import annotations

from collections.abc import Callable

from ..core.errors import DeviceError
from ..core.memory import out_of_memory

__all__ = ["in_batches", "out_of_memory", "too_little_memory"]


def in_batches(count: int, size: int, device: str, work: Callable[[int, int], None]) -> None:
    """Call ``work(start, stop)`` for the samples 0 to `count`, `size` at a time; where memory runs out, half as many from there on.

    Parameters
    ----------
    work : callable
        Gets the first sample and the one after the last; called again with fewer when it ran out of memory.

    Raises
    ------
    DeviceError
        When not even a single sample fits.
    """
    start = 0
    while start < count:
        try:
            work(start, min(start + size, count))
            start += size
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if size == 1:
                raise too_little_memory(device) from error
            size //= 2
        else:
            continue
        _give_back(device)


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
