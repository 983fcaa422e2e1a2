"""An autoencoder of whole volumes: convolutions in three dimensions, with a dense bottleneck."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from .output import Output


class VolumeAutoencoder(nn.Module):
    """Convolutions of 4 x 4 x 4 that halve the volume, layer normalisation, leaky ReLU; a vector; and back.

    Layer normalisation, because a batch is one volume.

    Parameters
    ----------
    channels : int
        Of a volume.
    size : sequence of int
        Depth, height and width; multiples of 2 to the power of as many as `widths` names.
    widths : sequence of int
        Maps after each halving.
    latent : int
        Numbers of the bottleneck.
    """

    def __init__(self, channels: int, size: Sequence[int], widths: Sequence[int], latent: int) -> None:
        super().__init__()
        steps = list(pairwise((channels, *widths)))
        self.shape = (widths[-1], *(side // 2 ** len(widths) for side in size))
        self.encoder = nn.Sequential(*(_layer(nn.Conv3d(one, two, 4, stride=2, padding=1, bias=False)) for one, two in steps))
        self.inward, self.outward = nn.Linear(math.prod(self.shape), latent), nn.Linear(latent, math.prod(self.shape))
        self.decoder = nn.Sequential(
            *(_layer(nn.ConvTranspose3d(two, one, 4, stride=2, padding=1, bias=False)) for one, two in steps[:0:-1]),
            nn.ConvTranspose3d(widths[0], channels, 4, stride=2, padding=1),
        )

    def forward(self, images: torch.Tensor) -> Output:
        """Reconstruct volumes (B, C, D, H, W)."""
        code = self.inward(self.encoder(images).flatten(1))
        return Output(self.decoder(self.outward(code).unflatten(1, self.shape)))


def _layer(convolution: nn.Conv3d | nn.ConvTranspose3d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.GroupNorm(1, convolution.out_channels), nn.LeakyReLU(0.2))
