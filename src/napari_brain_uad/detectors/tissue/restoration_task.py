"""What the network that restores tissue minimises. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from ...preprocessing.tissue_scale import WHITE
from ...scoring.registry import Evidence
from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses
from ..base.tasks import VariationalTask, compared
from ..nets.output import Output
from .synthetic_anomalies import as_scanned, with_patches


class TissueTask(VariationalTask):
    """Context-encoding on tissues: restore a slice's tissues from a copy with synthetic anomalies, elliptic patches.

    The negative log likelihood of background, CSF, grey and white matter at every pixel (a categorical decoder), and the weighted KL
    divergence. Batches hold the scale of `preprocessing.tissue_scale`, shape (B, 1, H, W).

    Parameters
    ----------
    corrupted : float
        Share of the slices with synthetic anomalies.
    mirror : bool
        At test time, the mean of the slice's and the mirrored slice's reconstruction.
    """

    def __init__(self, build: Callable[[], nn.Module], latent: int, kl_weight: float, *, corrupted: float, mirror: bool) -> None:
        super().__init__(build, "sum", latent, kl_weight)
        self.corrupted = corrupted
        self.mirror = mirror

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`; "nll" is in nats a slice."""
        scale = batch.images
        seen = _label_image(as_scanned(with_patches(scale, self.corrupted, draw), draw))
        return self._restored(network(seen, draw.normal((len(batch), self.latent))), scale)

    def _restored(self, output: Output, scale: torch.Tensor) -> dict[str, torch.Tensor]:
        log_probabilities = functional.log_softmax(output.reconstruction.float(), dim=1)
        likelihood = -(shares(scale) * log_probabilities).flatten(1).sum(dim=1).mean()
        divergence = self._divergence(output)
        return {"loss": likelihood + self.kl_weight * divergence, "nll": likelihood, "kl": divergence}

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Tissue, expected tissue and their difference; see `training.task.Task`."""
        image = _label_image(batch.images)
        return compared(image, expected_tissue(network(image).reconstruction.float().softmax(dim=1)))

    @torch.no_grad()
    def evidence(self, network: nn.Module, images: torch.Tensor) -> Evidence:
        """Slices and expected tissue on a scale where white matter is 1, and the probabilities of the tissues."""
        seen = _label_image(images)
        probabilities = network(seen).reconstruction.float().softmax(dim=1)
        if self.mirror:
            mirrored = network(seen.flip(-1)).reconstruction.float().softmax(dim=1).flip(-1)
            probabilities = (probabilities + mirrored) / 2
        return Evidence(images / WHITE, expected_tissue(probabilities), probabilities=probabilities)


def shares(scale: torch.Tensor) -> torch.Tensor:
    """Shares of background, CSF, grey and white matter, shape (B, 4, H, W), of a scale (B, 1, H, W): linear mixing of neighbours."""
    steps = torch.arange(4, device=scale.device, dtype=scale.dtype).view(1, 4, 1, 1)
    return (1.0 - (scale.clamp(0.0, WHITE) - steps).abs()).clamp(min=0.0)


def _label_image(scale: torch.Tensor) -> torch.Tensor:
    """What the network sees: 0 background to 1 white matter."""
    return scale.clamp(0.0, WHITE) / WHITE


def expected_tissue(probabilities: torch.Tensor) -> torch.Tensor:
    """The mean of the tissues, shape (B, 1, H, W), without the background: outside the brain nothing is scored."""
    tissue = probabilities[:, 1:]
    values = torch.arange(1, 4, device=tissue.device, dtype=tissue.dtype).view(1, 3, 1, 1) / WHITE
    return (tissue * values).sum(dim=1, keepdim=True) / tissue.sum(dim=1, keepdim=True).clamp(min=1e-3)
