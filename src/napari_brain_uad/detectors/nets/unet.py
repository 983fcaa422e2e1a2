"""A small U-Net that says which pixels of a slice do not belong to the brain around them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ...preprocessing.tissue_scale import GREY

_SPREAD, _OUTSIDE = 1.5, -2.5


class UNet(nn.Module):
    """A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) with batch normalisation on a slice and its neighbours.

    Parameters
    ----------
    neighbours : int
        Slices that are seen on either side.
    maps : sequence of int
        Feature maps of the levels; each has half the size of the one above. Height and width have to be multiples of 2 to the number
        of levels below the first.
    """

    def __init__(self, neighbours: int, maps: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.ModuleList(_two(before, count) for before, count in pairwise((2 * neighbours + 1, *maps)))
        self.wider = nn.ModuleList(nn.ConvTranspose2d(below, count, 2, stride=2) for count, below in pairwise(maps))
        self.up = nn.ModuleList(_two(2 * count, count) for count in maps[:-1])
        self.last = nn.Conv2d(maps[0], 1, 1)

    def forward(self, stack: torch.Tensor) -> torch.Tensor:
        """Log odds, shape (B, H, W), for the tissue of slices and their neighbours (B, 2 neighbours + 1, H, W), 0 outside the brain."""
        around = torch.full((), _OUTSIDE, dtype=stack.dtype, device=stack.device)
        seen = torch.where(stack > 0, (stack - GREY) / _SPREAD, around)
        levels = []
        for number, layers in enumerate(self.down):
            seen = layers(functional.max_pool2d(seen, 2) if number else seen)
            levels.append(seen)
        for wider, layers, beside in zip(reversed(self.wider), reversed(self.up), reversed(levels[:-1]), strict=True):
            seen = layers(torch.cat([wider(seen), beside], dim=1))
        logits: torch.Tensor = self.last(seen)[:, 0]
        return logits


def _two(before: int, count: int) -> nn.Sequential:
    """Two 3x3 convolutions."""
    layers: list[nn.Module] = []
    for channels in (before, count):
        layers += [nn.Conv2d(channels, count, 3, padding=1, bias=False), nn.BatchNorm2d(count), nn.LeakyReLU()]
    return nn.Sequential(*layers)
