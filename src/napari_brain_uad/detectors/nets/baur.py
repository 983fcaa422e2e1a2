"""The unified encoder and decoder of Baur's comparative study, and the autoencoders made of them.

Baur, Denner, Wiestler, Navab, Albarqouni: "Autoencoders for unsupervised anomaly segmentation in brain MR images: a comparative
study" (Medical Image Analysis 2021, arXiv:2004.03271), section 4: 5x5 convolutions of stride 2, batch normalisation, LeakyReLU;
a 1x1 convolution to an eighth of the channels; dropout 0.2; a dense bottleneck. At 128 x 128 pixels the dense one has 1,626,993
parameters, the variational one 1,758,193.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .output import Output, VariationalNetwork

STRIDE = 16
"""Height and width have to be multiples of it: four convolutions of stride 2."""

_DOWN = (32, 64, 128, 128)
_UP = (128, 64, 32, 32)
_NARROW = 16


def unified_encoder(channels: int) -> nn.Sequential:
    """From images (B, C, H, W) to 16 maps of a sixteenth of their height and width."""
    layers: list[nn.Module] = []
    for count in _DOWN:
        layers += [nn.Conv2d(channels, count, 5, stride=2, padding=2), nn.BatchNorm2d(count), nn.LeakyReLU(0.3)]
        channels = count
    return nn.Sequential(*layers, nn.Conv2d(channels, _NARROW, 1))


def _decoder(channels: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(_NARROW, _DOWN[-1], 1)]
    previous = _DOWN[-1]
    for count in _UP:
        layers += [
            nn.ConvTranspose2d(previous, count, 5, stride=2, padding=2, output_padding=1),
            nn.BatchNorm2d(count),
            nn.LeakyReLU(0.3),
        ]
        previous = count
    return nn.Sequential(*layers, nn.Conv2d(previous, channels, 1))


class SpatialAutoencoder(nn.Module):
    """The bottleneck stays an image of 16 channels, a sixteenth of the slice's size."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.encoder, self.decoder, self.dropout = unified_encoder(channels), _decoder(channels), nn.Dropout(dropout)

    def forward(self, images: torch.Tensor) -> Output:
        """Reconstruct images (B, C, H, W)."""
        return Output(self.decoder(self.dropout(self.encoder(images))))


class DenseAutoencoder(nn.Module):
    """The bottleneck is a vector."""

    def __init__(self, channels: int, size: Sequence[int], dropout: float, latent: int) -> None:
        super().__init__()
        self.shape = (_NARROW, size[0] // STRIDE, size[1] // STRIDE)
        flat = self.shape[0] * self.shape[1] * self.shape[2]
        self.encoder, self.decoder, self.dropout = unified_encoder(channels), _decoder(channels), nn.Dropout(dropout)
        self.inward, self.outward = nn.Linear(flat, latent), nn.Linear(latent, flat)

    def forward(self, images: torch.Tensor) -> Output:
        """Reconstruct images (B, C, H, W)."""
        code = self.inward(self.dropout(self.encoder(images).flatten(1)))
        return Output(self.decoder(self.dropout(self.outward(code)).unflatten(1, self.shape)))


class VariationalAutoencoder(VariationalNetwork):
    """The bottleneck is a Gaussian."""

    def __init__(self, channels: int, size: Sequence[int], dropout: float, latent: int) -> None:
        super().__init__()
        self.shape = (_NARROW, size[0] // STRIDE, size[1] // STRIDE)
        flat = self.shape[0] * self.shape[1] * self.shape[2]
        self.encoder, self.decoder, self.dropout = unified_encoder(channels), _decoder(channels), nn.Dropout(dropout)
        self.mean, self.log_variance, self.outward = nn.Linear(flat, latent), nn.Linear(flat, latent), nn.Linear(latent, flat)

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `VariationalNetwork.encode`."""
        code = self.dropout(self.encoder(images).flatten(1))
        return self.mean(code), self.log_variance(code)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """See `VariationalNetwork.decode`."""
        image: torch.Tensor = self.decoder(self.dropout(self.outward(latents)).unflatten(1, self.shape))
        return image
