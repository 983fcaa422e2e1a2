"""A student of the teacher's own architecture. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

import torch
from torch import nn

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses
from ..backbones.catalogue import BACKBONES
from ..backbones.load import network_class, normalised
from .distillation_task import Distillation
from .names import STATISTICS_RATE
from .pyramids import LEVELS, Pyramid, cosine_maps


class STFPMTask(Distillation):
    """Student-teacher feature pyramid matching.

    Wang et al. 2021 (arXiv:2103.04257), equations 1 to 3: half the squared distance between the features of both, each of length 1, the
    mean over the places of a level and the sum over the levels.
    """

    def build(self) -> nn.Module:
        """See `training.task.Task`: the backbone's network up to level 3, with weights of its own."""
        network = network_class(BACKBONES[self.backbone])()
        network.keep(LEVELS[-1])  # type: ignore[operator]  # every backbone has it
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                # EfficientNet's 0.01 is for hundreds of thousands of steps: after a hundred, a third is still what it began with.
                part.momentum = STATISTICS_RATE
        return network

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        taught = self.taught(batch.images)
        apart = cosine_maps(taught, self.student(network, batch.images, taught))
        return {"loss": torch.stack([level.mean() for level in apart]).sum()}

    def student(self, network: nn.Module, images: torch.Tensor, taught: Pyramid) -> Pyramid:
        """See `Distillation.student`: it sees the images alone."""
        found: Pyramid = network(normalised(images), LEVELS)
        return found
