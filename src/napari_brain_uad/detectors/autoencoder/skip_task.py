"""What the skip autoencoder minimises, and its reconstruction with chance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses
from ..base.tasks import AutoencoderTask


class SkipTask(AutoencoderTask):
    """Mean absolute difference and the weighted difference of gradients.

    Parameters
    ----------
    build : callable
        Makes the network.
    dropout : float
        Share that is dropped.
    gradient_weight : float
        Of `gradient_difference`.
    """

    def __init__(self, build: Callable[[], nn.Module], dropout: float, gradient_weight: float) -> None:
        super().__init__(build, "mean")
        self.dropout = dropout
        self.gradient_weight = gradient_weight

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        output = network(batch.images)  # with its own dropout: to draw that many numbers for each sample takes longer than the step
        difference, slope = self._difference(output, batch.images), gradient_difference(output.reconstruction, batch.images)
        return {"loss": difference + self.gradient_weight * slope, "l1": difference, "gradients": slope}

    def sampled(self, network: nn.Module, batch: Batch, draw: Draw) -> torch.Tensor:
        """One reconstruction with dropout (Monte-Carlo dropout); its numbers belong to the samples."""
        reconstruction: torch.Tensor = network(batch.images, lambda maps: self._dropped(maps, draw)).reconstruction
        return reconstruction

    def _dropped(self, maps: torch.Tensor, draw: Draw) -> torch.Tensor:
        return maps * (draw.uniform(maps.shape) >= self.dropout) / (1.0 - self.dropout)


def gradient_difference(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference between the absolute gradients of two images (B, C, H, W), along rows and along columns, added up.

    Mathieu, Couprie, LeCun 2016 (arXiv:1511.05440), equation 6 with alpha 1; means over the pixels in place of sums.
    """
    along = [(one.diff(dim=axis).abs() - two.diff(dim=axis).abs()).abs().mean() for axis in (-2, -1)]
    return along[0] + along[1]
