"""Telling that memory ran out, whichever way a device says so."""

from __future__ import annotations

import torch

from ..core.errors import DeviceError

_SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "failed to allocate", "alloc_failed")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device has no memory left."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def too_little_memory(device: str) -> DeviceError:
    """The error when not even a single sample fits."""
    return DeviceError(
        f"The {'GPU' if device != 'cpu' else 'computer'} has too little memory for this network",
        why="a single sample at a time does not fit",
        fix="Choose smaller slices or a smaller network, close other programs, or train on another device",
    )
