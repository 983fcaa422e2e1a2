"""How a diffusion model goes through a scan: how much at once, in which number format, with which noise. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import torch

from ...core.progress import Progress
from ...training.batch import Batch
from ...training.precision import choose_precision
from .noise import noise_fields
from .process import Noise

SEEDS = 2**31
"""Seeds of noise are below it."""

_AT_ONCE = {"cpu": 4}
"""Passes through the network at once: more make a CPU no faster, and each takes memory. Elsewhere many."""
_MANY = 64
_LARGE = 10_000_000
"""Weights of a network whose maps fill a core's cache and fresh memory at every layer: one pass at a time takes a tenth less."""

T = TypeVar("T")


def parts(work: Sequence[T], device: str, network: torch.nn.Module | None = None) -> Iterator[Sequence[T]]:
    """As much of the work as goes through the network at once, one after the other."""
    most = _AT_ONCE.get(device, _MANY)
    if device == "cpu" and network is not None and sum(weights.numel() for weights in network.parameters()) > _LARGE:
        most = min(most, torch.get_num_threads())
    for begin in range(0, len(work), most):
        yield work[begin : begin + most]


def half_precision(device: str) -> AbstractContextManager[object]:
    """Passes are computed in bf16 where the device is fast with it."""
    return torch.autocast(device, torch.bfloat16, enabled=choose_precision("auto", device)[0] == "bf16")


def fields_of(kind: str, seeds: torch.Tensor, images: torch.Tensor, progress: Progress) -> Noise:
    """Noise for images (B, 1, H, W) from their seeds (B, n).

    A chain asks for it at every step, and then it hears of the user who stopped it.
    """
    height, width = images.shape[2:]

    def fields(number: int) -> torch.Tensor:
        progress.check()
        return noise_fields(kind, seeds[:, number].tolist(), height, width).to(images.device)

    return fields


def over_slices(
    batch: Batch, seeds: torch.Tensor, kind: str, work: Callable[[torch.Tensor, Noise, list[int]], torch.Tensor], progress: Progress
) -> torch.Tensor:
    """What `work` makes of slices with brain, a few at a time; those without stay as they are.

    Parameters
    ----------
    batch : Batch
        Intensities from 0 to 1.
    seeds : tensor, shape (B, n)
        Of each slice's noise.
    kind : str
        One of `names.KINDS`.
    work : callable
        Given some slices, (b, 1, H, W) from -1 to 1, their noise, and which of the batch they are; gives as many, (b, C, H, W), from -1
        to 1.
    progress : Progress
        See `fields_of`.

    Returns
    -------
    tensor, shape (B, C, H, W)
        From 0 to 1.
    """
    device, shown = batch.images.device.type, batch.brain.flatten(1).any(dim=1).nonzero()[:, 0].tolist()
    found = dict(enumerate(batch.images))
    for rows in parts(shown, device):
        images = 2 * batch.images[rows] - 1
        with half_precision(device):
            made = work(images, fields_of(kind, seeds[rows], images, progress), list(rows))
        found |= dict(zip(rows, (made.float() + 1) / 2, strict=True))
    channels = max(len(one) for one in found.values())
    return torch.stack([one.expand(channels, -1, -1) for one in found.values()])
