"""What StRegA's network minimises. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ...scoring.registry import Evidence
from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses
from ..base.tasks import ContextTask


class StregaTask(ContextTask):
    """The ceVAE's loss on label images that are normalised by the training data's mean and standard deviation.

    Parameters
    ----------
    mean, deviation : float
        Of the training labels, over all pixels of their slices.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        convention: str,
        latent: int,
        kl_weight: float,
        context_weight: float,
        mean: float,
        deviation: float,
    ) -> None:
        super().__init__(build, convention, latent, kl_weight, context_weight)
        self.mean, self.deviation = mean, deviation

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        return super().loss(network, batch.with_images(self._normalised(batch.images)), draw)

    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """See `training.task.Task`."""
        return super().preview(network, batch.with_images(self._normalised(batch.images)))

    def evidence(self, network: nn.Module, images: torch.Tensor) -> Evidence:
        """See `AutoencoderTask.evidence`; of normalised labels."""
        return super().evidence(network, self._normalised(images))

    def _normalised(self, labels: torch.Tensor) -> torch.Tensor:
        return (labels - self.mean) / self.deviation
