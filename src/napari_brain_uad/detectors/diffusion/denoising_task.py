"""What the denoising autoencoder minimises. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses
from ..base.tasks import AutoencoderTask
from .noise import coarse_noise


class DenoisingTask(AutoencoderTask):
    """Slices behind coarse noise in the brain; squared differences in the brain, as a mean over all pixels.

    Parameters
    ----------
    build : callable
        The network.
    deviation : float
        Standard deviation of the noise where it is drawn.
    side : int
        Pixels along each side of the field that it is drawn in.
    """

    def __init__(self, build: Callable[[], nn.Module], deviation: float, side: int) -> None:
        super().__init__(build)
        self.deviation, self.side = deviation, side

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        error = (network(self.noisy(batch, draw)).reconstruction - batch.images).square()
        return {"loss": (error * batch.brain[:, None]).mean()}

    def noisy(self, batch: Batch, draw: Draw) -> torch.Tensor:
        """The slices with noise in the brain, shape (B, C, H, W)."""
        images = batch.images
        drawn, shifts = draw.normal((*images.shape[:2], self.side, self.side)), draw.uniform((len(batch), 2))
        noise = self.deviation * coarse_noise(drawn, shifts, *images.shape[2:])
        return images + noise * batch.brain[:, None]
