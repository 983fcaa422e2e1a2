"""From samples to their reconstruction, and what else a score is made of (`scoring.registry.Evidence`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from ..core.progress import Progress
from ..scoring.registry import Evidence
from ..training.batch import Batch
from ..training.draws import Draw
from ..training.precision import choose_precision

Scorer = Callable[[torch.nn.Module, Batch, Draw, Progress], torch.Tensor]
"""Gives the scores (B, ...) of a batch."""
Images = Callable[[torch.nn.Module, torch.Tensor], torch.Tensor]


class Inference(Protocol):
    """A way to use a network."""

    def __call__(self, network: torch.nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Evidence:
        """What the scores of these samples are made of; long work calls `progress.check`."""
        ...


@dataclass(frozen=True)
class OnePass:
    """The network is asked once.

    Parameters
    ----------
    evidence : callable
        Of network and images (B, C, ...).
    """

    evidence: Callable[[torch.nn.Module, torch.Tensor], Evidence]

    def __call__(self, network: torch.nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Evidence:
        """See `Inference`."""
        return self.evidence(network, batch.images)


@dataclass(frozen=True)
class MonteCarlo:
    """The mean of several reconstructions that differ by chance: by sampled latents, or by noise that is taken away again.

    Parameters
    ----------
    reconstruct : callable
        A reconstruction of a batch with these random numbers.
    passes : int
        How many.
    """

    reconstruct: Callable[[torch.nn.Module, Batch, Draw], torch.Tensor]
    passes: int = 1

    @torch.no_grad()
    def __call__(self, network: torch.nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Evidence:
        """See `Inference`."""
        total = torch.zeros_like(batch.images)
        for _ in range(self.passes):
            progress.check()
            total += self.reconstruct(network, batch, draw).float()
        return Evidence(batch.images, total / self.passes)


@dataclass(frozen=True)
class Restoration:
    """Maximum-a-posteriori restoration with any network that has an ELBO.

    Chen 2020 (arXiv:2005.00031), section 3.2: gradient descent on ``-ELBO(y) + w TV(x - y)`` over y, from y = x, the image. The restored
    y takes the reconstruction's place.

    Parameters
    ----------
    elbo : callable
        Minus the ELBO of each image, shape (B,), of network and images.
    steps : int
        Of the descent.
    step_size : float
        Of each.
    tv_weight : float
        w.
    """

    elbo: Images
    steps: int
    step_size: float
    tv_weight: float

    def __call__(self, network: torch.nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Evidence:
        """See `Inference`."""
        images, restored = batch.images, batch.images.clone()
        half = choose_precision("auto", images.device.type)[0] == "bf16"
        for _ in range(self.steps):
            progress.check()
            # Only the direction of many small steps comes from the network, so its rounding does not show.
            with torch.enable_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=half):
                leaf = restored.detach().requires_grad_(True)
                energy = self.elbo(network, leaf).sum() + self.tv_weight * total_variation(images - leaf)
                (slope,) = torch.autograd.grad(energy, leaf)
            restored = restored - self.step_size * slope
        return Evidence(images, restored.detach())


def total_variation(images: torch.Tensor) -> torch.Tensor:
    """Sum of absolute differences between neighbouring pixels (anisotropic total variation) of (B, C, ...), over all axes of space."""
    return torch.stack([images.diff(dim=axis).abs().sum() for axis in range(images.ndim - 1, 1, -1)]).sum()
