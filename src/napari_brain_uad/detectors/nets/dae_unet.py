"""The U-Net of the denoising autoencoder: weight-standardised convolutions, Swish and group normalisation.

Kascenas, Pugeault, O'Neil: "Denoising autoencoders for unsupervised anomaly detection in brain MRI" (MIDL 2022). With maps
64,128,256,512 and one channel it has 7,701,825 parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from .output import Output

_EPS = 1e-5


class StandardisedConv(nn.Conv2d):
    """A 3 x 3 convolution whose filters have mean 0 and deviation 1 (Qiao 2019, arXiv:1903.10520), the border reflected."""

    def __init__(self, channels: int, count: int) -> None:
        super().__init__(channels, count, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Shape (B, count, H, W)."""
        filters = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        filters = filters / (filters.std(dim=(1, 2, 3), keepdim=True) + _EPS)
        return functional.conv2d(functional.pad(images, (1, 1, 1, 1), mode="reflect"), filters, self.bias)


class DenoisingUNet(nn.Module):
    """From noisy slices to clean ones.

    Parameters
    ----------
    maps : sequence of int
        Feature maps of the levels; each has half the size of the one above. Height and width have to be multiples of 2 to the number
        of levels below the first.
    channels : int
        Of the images.
    """

    def __init__(self, maps: Sequence[int] = (64, 128, 256, 512), channels: int = 1) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(before, count) for before, count in pairwise((channels, *maps)))
        self.wider = nn.ModuleList(nn.ConvTranspose2d(below, count, 2, stride=2) for count, below in pairwise(maps))
        self.up = nn.ModuleList(_block(2 * count, count) for count in maps[:-1])
        self.last = nn.Conv2d(maps[0], channels, 1)

    def forward(self, images: torch.Tensor) -> Output:
        """Clean slices, of the shape of the noisy ones (B, C, H, W)."""
        seen, levels = images, []
        for number, block in enumerate(self.down):
            seen = block(functional.avg_pool2d(seen, 2) if number else seen)
            levels.append(seen)
        for wider, block, beside in zip(reversed(self.wider), reversed(self.up), reversed(levels[:-1]), strict=True):
            seen = block(torch.cat([wider(seen), beside], dim=1))
        return Output(self.last(seen))


def groups(channels: int) -> int:
    """Groups of a normalisation: the middle one of the divisors, so that there are about as many groups as channels in each."""
    divisors = [number for number in range(1, channels + 1) if channels % number == 0]
    return divisors[len(divisors) // 2]


def _block(before: int, count: int) -> nn.Sequential:
    """Two convolutions, each followed by Swish and then its normalisation."""
    layers: list[nn.Module] = []
    for channels in (before, count):
        layers += [StandardisedConv(channels, count), nn.SiLU(), nn.GroupNorm(groups(count), count)]
    return nn.Sequential(*layers)
