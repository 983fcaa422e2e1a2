"""Two feature pyramids of an image compared, and a decoder that makes one. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from ..embedding.features import resized_maps

Pyramid = Sequence[torch.Tensor]
"""Features of several levels, each (B, channels, h, w)."""

LEVELS = (1, 2, 3)
"""Levels of a backbone that are compared."""


class PyramidDecoder(nn.ModuleList):
    """From the features of a backbone's level 4 to those of the levels 3, 2 and 1, one after the other.

    Parameters
    ----------
    channels : sequence of int
        Features at the levels 1 to 4.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__(_up(channels[level], channels[level - 1]) for level in LEVELS[::-1])

    def forward(self, features: torch.Tensor, sizes: Sequence[torch.Size]) -> list[torch.Tensor]:
        """Features of the levels 1 to 3, whose heights and widths are `sizes`."""
        decoded: list[torch.Tensor] = []
        for block, size in zip(self, sizes[::-1], strict=True):
            features = block(functional.interpolate(features, size, mode="nearest"))
            decoded.insert(0, features)
        return decoded


def cosine_maps(one: Pyramid, two: Pyramid) -> list[torch.Tensor]:
    """1 minus the cosine at each place of each level, (B, h, w). Of vectors of length 1 it is half the squared distance."""
    return [1.0 - functional.cosine_similarity(first, second) for first, second in zip(one, two, strict=True)]


def cosine_of_images(one: Pyramid, two: Pyramid) -> torch.Tensor:
    """The cosine between all features of an image at a level, shape (levels, B)."""
    return torch.stack([functional.cosine_similarity(first.flatten(1), second.flatten(1)) for first, second in zip(one, two, strict=True)])


def at_images(maps: Sequence[torch.Tensor], size: Sequence[int], combination: str = "mean") -> torch.Tensor:
    """Maps (B, h, w) of several levels as one at the pixels (B, H, W): their mean or their product, linear between the places."""
    return COMBINATIONS[combination](resized_maps(maps, size))


def _up(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(), nn.Conv2d(after, after, 3, padding=1)
    )


COMBINATIONS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "product": lambda maps: maps.prod(dim=0),
    "mean": lambda maps: maps.mean(dim=0),
}
"""By `names.COMBINATIONS`: of maps (levels, B, H, W)."""
