"""AE-FLOW's network: a normalising flow over the features of whole slices, and a decoder of what it makes of them.

Imports torch and FrEIA, so methods import it only when they need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses
from ..backbones.catalogue import BACKBONES
from ..backbones.load import Backbone
from ..embedding.backbone_task import BackboneTask, frozen_features
from ..embedding.features import resized_maps
from .conditional import coupling, standard_normal

_FEWEST = 16
"""Maps of the decoder at full resolution, at least."""
_STATISTICS_RATE = 0.1


class SpatialFlow(nn.Module):
    """Affine coupling blocks with convolutions, between fixed random rotations of the features.

    Parameters
    ----------
    channels : int
        C, features of a place.
    blocks : int
        How many.
    clamp : float
        Of the logarithm of a coupling's scale.
    standardise : bool
        Bring the features to mean 0 and deviation 1 first, by running statistics (batch normalisation without weights).
    """

    def __init__(self, channels: int, blocks: int, clamp: float, *, standardise: bool) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(channels, affine=False, momentum=_STATISTICS_RATE)
        self.scale = norm if standardise else nn.Identity()
        # Blocks ask for a height and a width, but work at any.
        self.blocks = nn.ModuleList(coupling((channels, 1, 1), (), _convolutions, clamp) for _ in range(blocks))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of features (B, C, h, w): latents of the same shape, and the log-likelihood divided by their number, shape (B,)."""
        latents = self.scale(features)
        volume = torch.zeros(len(features), device=features.device)
        for block in self.blocks:
            (latents,), change = block((latents,))
            volume = volume + change
        return latents, standard_normal(latents, volume)


class FlowAutoencoder(nn.Module):
    """A flow over features of a frozen encoder, and a decoder from its latents to the slice.

    Parameters
    ----------
    channels : int
        Of the encoder's features.
    halvings : int
        How often the decoder doubles height and width.
    blocks, clamp, standardise
        As `SpatialFlow` has them.
    """

    def __init__(self, channels: int, halvings: int, blocks: int, clamp: float, *, standardise: bool) -> None:
        super().__init__()
        self.flow = SpatialFlow(channels, blocks, clamp, standardise=standardise)
        counts = [max(_FEWEST, channels >> number) for number in range(halvings + 1)]
        self.decoder = nn.Sequential(
            *(_doubling(before, after) for before, after in pairwise(counts)), nn.Conv2d(counts[-1], 1, 3, padding=1)
        )

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of features (B, C, h, w): latents and log-likelihood as `SpatialFlow` gives them, and the slice (B, 1, H, W)."""
        latents, likely = self.flow(features)
        return latents, likely, self.decoder(latents)


@dataclass(frozen=True)
class FlowShape:
    """What a `FlowAutoencoder` is made of.

    Parameters
    ----------
    level, blocks, clamp, standardise
        Level of the backbone, and as `SpatialFlow` has them.
    """

    level: int
    blocks: int
    clamp: float
    standardise: bool


class AEFlowTask(BackboneTask):
    """Likelihood of the features and error of the slice.

    Zhao, Ding, Zhang 2023 (AE-FLOW): ``alpha L_flow + (1 - alpha) L_recon``; here the negative log-likelihood divided by the number of
    features, and the mean squared error.

    Parameters
    ----------
    backbone, file : str
        As `BackboneTask` has them.
    shape : FlowShape
    weight : float
        alpha.
    """

    def __init__(self, backbone: str, file: str, shape: FlowShape, weight: float) -> None:
        super().__init__(backbone, file)
        self.shape, self.weight = shape, weight

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        shape, channels = self.shape, BACKBONES[self.backbone].channels[self.shape.level - 1]
        return FlowAutoencoder(channels, shape.level + 1, shape.blocks, shape.clamp, standardise=shape.standardise)

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        (features,) = self.features(batch.images, (self.shape.level,))
        _, likely, made = network(features)
        unlikely, error = -likely.mean(), (made - batch.images).square().mean()
        return {"loss": self.weight * unlikely + (1.0 - self.weight) * error, "likelihood": unlikely, "l2": error}

    @torch.no_grad()
    def scores(self, network: nn.Module, backbone: Backbone, share: float, images: torch.Tensor) -> torch.Tensor:
        """``share (1 - exp(-|z|^2 / 2 C)) + (1 - share) (x - x')^2`` at the pixels (B, H, W), the first linear between the places."""
        (features,) = frozen_features(backbone, images, (self.shape.level,))
        latents, _, made = network(features)
        odd = resized_maps([unusual(latents)], images.shape[-2:])[0]
        found: torch.Tensor = share * odd + (1.0 - share) * (made - images).square()[:, 0]
        return found

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """See `training.task.Task`: slices and what the decoder makes of them."""
        made = network(self.features(batch.images, (self.shape.level,))[0])[2]
        return {"input": batch.images[:, 0], "reconstruction": made[:, 0].float()}


def unusual(latents: torch.Tensor) -> torch.Tensor:
    """1 minus the density of the latents of each place relative to its highest, the C-th root of it: (B, C, h, w) to (B, h, w)."""
    return -torch.expm1(-0.5 * latents.square().mean(dim=1))


def _convolutions(incoming: int, outgoing: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(incoming, incoming, 3, padding=1), nn.ReLU(), nn.Conv2d(incoming, outgoing, 3, padding=1))


def _doubling(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())
