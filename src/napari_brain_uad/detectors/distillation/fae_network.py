"""An autoencoder of a backbone's features, judged by their structure. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ...scoring.structure import dissimilarity
from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses
from ..backbones.catalogue import BACKBONES
from ..backbones.load import Backbone
from ..embedding.backbone_task import BackboneTask, frozen_features
from ..embedding.features import resized_maps, stacked
from .names import STATISTICS_RATE

_SPREAD = 3.0
"""Deviations below and above the mean that become 0 and 1: structural similarity asks for that scale."""
_KERNEL = 5


class FeatureAutoencoder(nn.Module):
    """Convolutions that halve the features' height and width, and back; bottleneck and features keep the shape of images.

    Parameters
    ----------
    channels : int
        C, of the features.
    widths : sequence of int
        Maps after each halving.
    standardise : bool
        Bring the features to a scale from 0 to 1 first, by running statistics.
    """

    def __init__(self, channels: int, widths: Sequence[int], *, standardise: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False, momentum=STATISTICS_RATE) if standardise else None
        steps = list(pairwise((channels, *widths)))
        self.down = nn.ModuleList(_layer(before, after, stride=2) for before, after in steps)
        self.up = nn.ModuleList(_layer(after, before) for before, after in steps[:0:-1])
        self.last = nn.Conv2d(widths[0], channels, _KERNEL, padding=_KERNEL // 2)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of features (B, C, h, w): those on the scale that is compared, and their reconstruction."""
        seen = features if self.norm is None else 0.5 + self.norm(features) / (2.0 * _SPREAD)
        code, sizes = seen, []
        for down in self.down:
            sizes.append(code.shape[-2:])
            code = down(code)
        for up in self.up:
            code = up(functional.interpolate(code, sizes.pop(), mode="nearest"))
        return seen, self.last(functional.interpolate(code, sizes.pop(), mode="nearest"))


class FAETask(BackboneTask):
    """Structural dissimilarity between features and their reconstruction.

    Meissen, Paetzold, Kaissis, Rueckert 2022 (arXiv:2208.10992): the features of several levels at the places of the first, the loss is
    1 - SSIM; here half of it, as `scoring.structure.dissimilarity` has it.

    Parameters
    ----------
    backbone, file : str
        As `BackboneTask` has them.
    levels : tuple of int
        Of the backbone.
    widths, standardise
        As `FeatureAutoencoder` has them.
    window : float
        Sigma of the window of SSIM, in places.
    """

    def __init__(
        self, backbone: str, file: str, levels: tuple[int, ...], widths: tuple[int, ...], *, standardise: bool, window: float
    ) -> None:
        super().__init__(backbone, file)
        self.levels, self.widths, self.standardise, self.window = levels, widths, standardise, window

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        channels = sum(BACKBONES[self.backbone].channels[level - 1] for level in self.levels)
        return FeatureAutoencoder(channels, self.widths, standardise=self.standardise)

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        seen, made = network(stacked(self.features(batch.images, self.levels)))
        return {"loss": dissimilarity(seen, made, self.window).mean()}

    @torch.no_grad()
    def scores(self, network: nn.Module, backbone: Backbone, images: torch.Tensor) -> torch.Tensor:
        """(1 - SSIM) / 2, the mean over the features, at the pixels (B, H, W), linear between the places."""
        seen, made = network(stacked(frozen_features(backbone, images, self.levels)))
        return resized_maps([dissimilarity(seen, made, self.window)], images.shape[-2:])[0]


def _layer(before: int, after: int, *, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, _KERNEL, stride=stride, padding=_KERNEL // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.LeakyReLU())
