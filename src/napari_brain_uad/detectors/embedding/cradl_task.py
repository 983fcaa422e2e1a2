"""Contrastive learning of slices. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses, Task
from ..nets.baur import STRIDE, unified_encoder

_TURN, _SCALE, _SHIFT = math.radians(15.0), 0.2, 0.1
"""How far a view is turned, made larger or smaller, and moved (as a share of the slice), at most."""
_BRIGHTNESS, _NOISE = 0.3, 0.05


class ContrastiveEncoder(nn.Module):
    """A representation of slices, and a head that is only trained with.

    Parameters
    ----------
    channels : int
        Of a slice.
    size : sequence of int
        Height and width, multiples of 16.
    latent : int
        Z, numbers of a representation.
    projection : int
        Numbers behind the head.
    """

    def __init__(self, channels: int, size: Sequence[int], latent: int, projection: int) -> None:
        super().__init__()
        self.encoder = unified_encoder(channels)
        narrow = self.encoder[-1]
        assert isinstance(narrow, nn.Conv2d)
        self.inward = nn.Linear(narrow.out_channels * (size[0] // STRIDE) * (size[1] // STRIDE), latent)
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(latent, latent), nn.ReLU(), nn.Linear(latent, projection))

    def forward(self, images: torch.Tensor, head: bool = False) -> torch.Tensor:
        """Representations (B, Z) of slices (B, C, H, W), or what the head makes of them."""
        found: torch.Tensor = self.inward(self.encoder(images).flatten(1))
        return self.head(found) if head else found


class ContrastiveTask(Task):
    """SimCLR: two views of a slice are alike, and unlike those of the other slices of the batch.

    Chen, Kornblith, Norouzi, Hinton 2020, A simple framework for contrastive learning of visual representations, arXiv:2002.05709,
    equation 1. Several devices, and parts of a batch that memory does not hold, compare among themselves.

    Parameters
    ----------
    build : callable
        Makes a `ContrastiveEncoder`.
    temperature : float
        tau.
    """

    def __init__(self, build: Callable[[], nn.Module], temperature: float) -> None:
        self._build, self.temperature = build, temperature

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        return self._build()

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        found = network(torch.cat([view(batch.images, draw), view(batch.images, draw)]), head=True)
        return {"loss": nt_xent(found[: len(batch)], found[len(batch) :], self.temperature)}


def nt_xent(one: torch.Tensor, two: torch.Tensor, temperature: float) -> torch.Tensor:
    """Normalised temperature-scaled cross-entropy between two views (B, P) of the same slices, the mean over all 2 B views."""
    both = functional.normalize(torch.cat([one, two]).float(), dim=1)
    alike = both @ both.T / temperature
    alike = alike.masked_fill(torch.eye(len(both), dtype=torch.bool, device=both.device), -math.inf)
    partner = torch.arange(len(both), device=both.device).roll(len(one))
    return functional.cross_entropy(alike, partner)


def view(images: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Images (B, C, H, W) turned, scaled, moved, mirrored, brighter or darker, and noisy, each by chance."""
    turn, scale, down, across, mirror, brightness = draw.uniform((len(images), 6), -1.0, 1.0).unbind(1)
    cosine, sine = (_TURN * turn).cos(), (_TURN * turn).sin()
    size = 1.0 + _SCALE * scale
    side = torch.where(mirror < 0, -1.0, 1.0)
    # The first row is for columns, the second for rows; a pixel of the view lies there in the image.
    rows = torch.stack(
        [cosine * size * side, -sine * size, 2.0 * _SHIFT * across, sine * size * side, cosine * size, 2.0 * _SHIFT * down], 1
    )
    grid = functional.affine_grid(rows.reshape(-1, 2, 3), list(images.shape), align_corners=False)
    seen = functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return (1.0 + _BRIGHTNESS * brightness)[:, None, None, None] * seen + _NOISE * draw.normal(images.shape)
