"""An encoder tuned with a decoder that has to give its features again. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.optimization import make_optimizer
from ...training.params import TrainingParams
from ...training.task import Losses, Task
from ..backbones.catalogue import BACKBONES
from ..backbones.load import normalised
from ..embedding.tuning import TunedNetwork, encoder_of, with_first_weights
from .names import ENCODER_RATE
from .pyramids import LEVELS, PyramidDecoder, at_images, cosine_maps, cosine_of_images


class EncoderDecoder(TunedNetwork):
    """Features of the levels 1 to 3 of a backbone, and what a decoder makes of level 4 for each.

    Parameters
    ----------
    encoder : torch.nn.Module
        A backbone's network.
    channels : sequence of int
        Features at its levels.
    """

    def __init__(self, encoder: nn.Module, channels: Sequence[int]) -> None:
        super().__init__(encoder)
        self.decoder = PyramidDecoder(channels)

    def forward(self, images: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Of grey images (B, 1, H, W): features of the levels 1 to 3, of the encoder (without gradient) and of the decoder."""
        *encoded, features = self.encoder(normalised(images), (*LEVELS, 4))
        decoded = self.decoder(features, [level.shape[-2:] for level in encoded])
        return [level.detach() for level in encoded], decoded


class EDCTask(Task):
    """Encoder-decoder contrast.

    Guo et al. 2024 (doi:10.1109/TMI.2023.3327720): the sum over the levels of 1 minus the cosine between all features of an image at
    once. No gradient reaches the encoder through the features that the decoder is compared with, so that it does not collapse.

    Parameters
    ----------
    backbone, file : str
        As `backbones.load.backbone_weights` has them.
    """

    partial = True  # a backbone's classifier learns nothing

    def __init__(self, backbone: str, file: str) -> None:
        self.backbone, self.file = backbone, file

    def build(self) -> nn.Module:
        """See `training.task.Task`: the encoder has the backbone's weights, unless there is no memory behind them (torch's "meta")."""
        network = EncoderDecoder(encoder_of(self.backbone), BACKBONES[self.backbone].channels)
        return with_first_weights(network, self.backbone, self.file)

    def optimizers(self, network: nn.Module, training: TrainingParams) -> dict[str, torch.optim.Optimizer]:
        """See `training.task.Task`: the encoder learns at a tenth of the rate."""
        assert isinstance(network, EncoderDecoder)
        encoder: dict[str, Any] = {"params": network.encoder.parameters(), "lr_factor": ENCODER_RATE}
        return {"": make_optimizer([encoder, {"params": network.decoder.parameters()}], training)}

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        encoded, decoded = network(batch.images)
        return {"loss": (1.0 - cosine_of_images(encoded, decoded)).sum(dim=0).mean()}


@torch.no_grad()
def distances(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Mean over the levels of 1 minus the cosine at each place, at the pixels (B, H, W)."""
    encoded, decoded = network(images)
    return at_images(cosine_maps(encoded, decoded), images.shape[-2:])
