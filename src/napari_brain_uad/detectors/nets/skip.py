"""The Bayesian skip autoencoder: additive skip connections with dropout.

Baur, Wiestler, Albarqouni, Navab: "Bayesian skip-autoencoders for unsupervised hyperintense anomaly detection in high resolution brain
MRI" (ISBI 2020, doi:10.1109/ISBI45749.2020.9098686). Layers and maps are those of StRegA's version (Chatterjee 2022, arXiv:2201.13271,
with its published code): 5x5 convolutions with batch normalisation and ReLU, maps 64-128-256-512-64, and 10,247,619 parameters. Dropout
follows each sum but the deepest one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn

from .output import Output

Dropped = Callable[[torch.Tensor], torch.Tensor]
"""Sets some numbers of a tensor to 0, and scales the others up by as much."""


class SkipAutoencoder(nn.Module):
    """Each stage after the first halves the slice; what comes out is from 0 to below 1.

    Parameters
    ----------
    channels : int
        Of the images.
    maps : sequence of int
        Of the stages; height and width are multiples of 2 to their number less one.
    dropout : float
        Share of the summed maps that is dropped in training, and whenever a dropout is given.
    """

    def __init__(self, channels: int, maps: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.first = _stage(nn.Conv2d(channels, maps[0], 5, padding=2), maps[0])
        self.down = nn.ModuleList(_stage(nn.Conv2d(few, many, 5, stride=2, padding=2), many) for few, many in pairwise(maps))
        upward = tuple(reversed(maps))
        self.up = nn.ModuleList(
            _stage(nn.ConvTranspose2d(few, many, 5, stride=2, padding=2, output_padding=1), many) for few, many in pairwise(upward)
        )
        self.last = _stage(nn.Conv2d(maps[0], channels, 1), channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, images: torch.Tensor, dropped: Dropped | None = None) -> Output:
        """Reconstruct images (B, C, H, W); with `dropped` as the dropout, which is otherwise that of training and nothing afterwards."""
        drop = dropped or self.dropout
        passed = [self.first(images)]
        for stage in self.down:
            passed.append(stage(passed[-1]))
        maps = passed.pop()
        for number, stage in enumerate(self.up):
            maps = stage(maps) + passed.pop()
            maps = drop(maps) if number else maps
        return Output(torch.tanh(self.last(maps)))


def _stage(convolution: nn.Module, count: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(count), nn.ReLU())
