"""Reverse distillation's student: from the teacher's features through a bottleneck back to them. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..backbones.resnet import ResNetBlock
from .pyramids import LEVELS, Pyramid, PyramidDecoder

_BLOCKS = 3
"""Residual blocks of the one-class embedding."""


class ReverseStudent(nn.Module):
    """Projections of the teacher's features, a one-class bottleneck, and a decoder.

    Parameters
    ----------
    channels : sequence of int
        Features at the teacher's levels 1 to 4.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.projections = nn.ModuleList(projection(channels[level - 1]) for level in LEVELS)
        self.bottleneck = OneClassBottleneck(channels)
        self.decoder = PyramidDecoder(channels)

    def forward(self, taught: Pyramid, abnormal: Pyramid = ()) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
        """Of the teacher's features of levels 1 to 3, and of those of abnormal images, if wanted.

        Returns
        -------
        decoded : list of tensor
            The student's features, of the same shapes.
        projected, abnormal_projected : list of tensor
            What the projections make of both.
        """
        projected = [project(level) for project, level in zip(self.projections, taught, strict=True)]
        decoded = self.decoder(self.bottleneck(projected), [level.shape[-2:] for level in taught])
        return decoded, projected, [project(level) for project, level in zip(self.projections, abnormal, strict=False)]


class OneClassBottleneck(nn.Module):
    """Multi-scale feature fusion, and a one-class embedding: levels 1 to 3 become one of the size and the channels of level 4.

    Deng, Li 2022, Anomaly detection via reverse distillation from one-class embedding, arXiv:2201.10703, section 3.3.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        first, second, third, fourth = channels
        self.shrink = nn.ModuleList(
            [nn.Sequential(*_halving(first, second), *_halving(second, third)), nn.Sequential(*_halving(second, third)), nn.Identity()]
        )
        befores = (3 * third, *[fourth] * (_BLOCKS - 1))
        self.embed = nn.Sequential(
            *(ResNetBlock(before, fourth // 2, fourth, 1 if number else 2, bottleneck=True) for number, before in enumerate(befores))
        )

    def forward(self, levels: Pyramid) -> torch.Tensor:
        """Of levels 1 to 3: shape (B, channels, h, w) of level 4."""
        found: torch.Tensor = self.embed(torch.cat([shrink(level) for shrink, level in zip(self.shrink, levels, strict=True)], dim=1))
        return found


def projection(channels: int) -> nn.Sequential:
    """Four convolutions of 3 x 3 with half, a quarter, half and all of the channels, each with instance normalisation and leaky ReLU."""
    layers: list[nn.Module] = []
    before = channels
    for after in (channels // 2, channels // 4, channels // 2, channels):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.InstanceNorm2d(after), nn.LeakyReLU()]
        before = after
    return nn.Sequential(*layers)


def _halving(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
