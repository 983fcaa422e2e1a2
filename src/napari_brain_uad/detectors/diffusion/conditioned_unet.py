"""The network of conditioned diffusion, and the one that its encoder learns with before.

Behrendt et al.: "Guided reconstruction with conditioned diffusion models for unsupervised anomaly detection in brain MRIs" (2023,
arXiv:2312.04215): a ResNet-50 sees the slice without noise, and the numbers that it makes of it stand beside the time step in every
block of the U-Net. Tian et al.: "Designing BERT for convolutional networks: sparse and hierarchical masked modeling" (2023,
arXiv:2301.03580): the ResNet learns first to restore slices of which most cells are masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ..backbones.resnet import ResNet
from ..nets.diffusion_unet import DiffusionUNet

_EXPANSION = 4
"""Channels of a level as a multiple of those within its bottlenecks."""


class ConditionedUNet(nn.Module):
    """A U-Net that is told what an encoder makes of the clean image.

    Parameters
    ----------
    encoder : ResNet
        Its `logits` are the condition.
    unet : DiffusionUNet
    """

    def __init__(self, encoder: ResNet, unet: DiffusionUNet) -> None:
        super().__init__()
        self.encoder, self.unet = encoder, unet

    def forward(self, images: torch.Tensor, steps: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        """The prediction for noisy images, as `DiffusionUNet` gives it, told of the clean ones (B, C, H, W)."""
        found: torch.Tensor = self.unet(images, steps, self.encoder.logits(clean))
        return found


def slice_encoder(counts: Sequence[int], stem: int, channels: int, outputs: int) -> ResNet:
    """A ResNet for slices: with counts 3, 4, 6, 3 and a stem of 64 it is ResNet-50."""
    return ResNet(tuple(counts), bottleneck=True, channels=channels, stem=stem, outputs=outputs)


class MaskedAutoencoder(nn.Module):
    """Restores images of which an encoder sees some cells alone.

    What lies in masked cells is set to 0 after every level of the encoder, so that nothing leaks into them but from a level's own
    convolutions; where the decoder begins, and at each of its skip connections, a learned token stands for them.

    Parameters
    ----------
    encoder : ResNet
        With levels of `channels` maps.
    channels : sequence of int
        Maps of the encoder's levels; each but the first halves the size, of which the first has a quarter.
    maps : int
        Maps of the decoder where it begins; each level has half as many.
    outputs : int
        Channels of the images.
    """

    def __init__(self, encoder: ResNet, channels: Sequence[int], maps: int, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.counts = len(channels)
        deep = list(reversed(channels))
        self.tokens = nn.ParameterList([nn.Parameter(torch.zeros(1, count, 1, 1)) for count in deep])
        widths = [max(1, maps // 2**level) for level in range(len(deep) + 2)]
        self.inward = nn.ModuleList([nn.Conv2d(count, width, 3, padding=1) for count, width in zip(deep, widths, strict=False)])
        # One more than the encoder has levels: its first lies at a quarter of the size.
        self.up = nn.ModuleList([_larger(before, after) for before, after in pairwise(widths)])
        self.last = nn.Conv2d(widths[-1], outputs, 1)

    def forward(self, images: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) restored from the cells that are seen: bool, shape (B, 1, h, w), h and w as of the encoder's last level."""
        levels = self._encoded(images, seen)
        features: torch.Tensor | None = None
        for number, level in enumerate(reversed(levels)):
            filled = torch.where(_resized(seen, level), level, self.tokens[number].to(level.dtype))
            here = self.inward[number](filled)
            features = self.up[number](here if features is None else features + here)
        for larger in self.up[self.counts :]:
            features = larger(features)
        found: torch.Tensor = self.last(features)
        return found

    def _encoded(self, images: torch.Tensor, seen: torch.Tensor) -> list[torch.Tensor]:
        network = self.encoder
        features = functional.relu(network.bn1(network.conv1(images * _resized(seen, images))))
        features = functional.max_pool2d(features, 3, 2, 1)
        found = []
        for number in range(1, self.counts + 1):
            features = getattr(network, f"layer{number}")(features * _resized(seen, features))
            found.append(features)
        return found


def level_channels(counts: Sequence[int], stem: int) -> list[int]:
    """Maps of the levels of `slice_encoder`."""
    return [_EXPANSION * stem * 2**level for level in range(len(counts))]


def _larger(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(before, before, 4, stride=2, padding=1),
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
    )


def _resized(seen: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Which pixels are seen, bool, shape (B, 1, H, W)."""
    return functional.interpolate(seen.float(), like.shape[2:], mode="nearest") > 0
