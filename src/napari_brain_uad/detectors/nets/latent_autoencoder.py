"""An autoencoder whose bottleneck stays an image of a few channels, and a flow between its latents.

Rombach et al.: "High-resolution image synthesis with latent diffusion models" (2022, arXiv:2112.10752) has a variational one with a
tiny weight of the KL divergence, to keep the latents on one scale. Here a normalisation of the latents without weights does so.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from .dae_unet import groups
from .diffusion_unet import DiffusionUNet
from .output import Output
from .residual_gan import Frozen, ResamplingBlock

_TIMES = 1000.0
"""The U-Net's time steps; times of a flow go from 0 to 1."""


class LatentAutoencoder(nn.Module):
    """Residual blocks halve the size, and others double it again.

    Parameters
    ----------
    channels : int
        Of the images.
    maps : sequence of int
        Of the levels; each but the first has half the size of the one before.
    latent : int
        Channels of the latents, which have the size of the last level, mean 0 and variance 1.
    """

    def __init__(self, channels: int, maps: Sequence[int], latent: int) -> None:
        super().__init__()
        down = [ResamplingBlock(before, after, _norm, up=False) for before, after in pairwise(maps)]
        up = [ResamplingBlock(before, after, _norm, up=True) for after, before in pairwise(maps)]
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, maps[0], 3, padding=1),
            *down,
            nn.Conv2d(maps[-1], latent, 3, padding=1),
            nn.BatchNorm2d(latent, affine=False),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Conv2d(latent, maps[-1], 3, padding=1), *reversed(up), _norm(maps[0]), nn.ReLU(),
            nn.Conv2d(maps[0], channels, 3, padding=1),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> Output:
        """Reconstruct images (B, C, H, W)."""
        return Output(self.decoder(self.encoder(images)))


class LatentFlow(nn.Module):
    """Velocities of latents by a U-Net, for an autoencoder that is not trained any more.

    Parameters
    ----------
    unet : DiffusionUNet
    encoder : nn.Module or None
        That of a trained `LatentAutoencoder`; without it there are velocities alone.
    """

    def __init__(self, unet: DiffusionUNet, encoder: nn.Module | None) -> None:
        super().__init__()
        self.unet, self.encoder = unet, None if encoder is None else Frozen(encoder)

    def forward(self, given: torch.Tensor, times: torch.Tensor | None = None) -> torch.Tensor:
        """The velocity of latents (B, L, h, w) at times (B,) from 0 to 1; without times, the latents of images (B, C, H, W)."""
        if times is not None:
            velocity: torch.Tensor = self.unet(given, times * _TIMES)
            return velocity
        if self.encoder is None:
            raise RuntimeError("this flow has no encoder")
        latents = self.encoder(given)
        assert isinstance(latents, torch.Tensor)
        return latents


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups(channels), channels)
