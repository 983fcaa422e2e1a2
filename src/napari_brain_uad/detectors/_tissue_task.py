"""What StRegA's network minimises when it reconstructs tissues. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from ..preprocessing.tissue_scale import CSF, WHITE
from ..scoring.registry import Evidence
from ..training.draws import Draw
from ._finder_task import FinderTask
from ._nets.output import Output
from ._painting import as_scanned, paint_patches
from ._tasks import VariationalTask


class TissueTask(VariationalTask):
    """Context-encoding on tissues: restore a slice's tissues from a copy in which elliptic patches were painted over.

    The negative log likelihood of background, CSF, grey and white matter at every pixel (a categorical decoder), and the weighted KL
    divergence. Batches hold the scale of `preprocessing.tissue_scale`, shape (B, 1, H, W). With a finder (`_nets.finder.TissueNetwork`)
    they hold slices with their neighbours, and the loss has one part more.

    Parameters
    ----------
    painted : float
        Share of the slices that are painted on.
    mirror : bool
        At test time, the mean of the slice's and the mirrored slice's reconstruction.
    finder : FinderTask, optional
        What the finder minimises.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        latent: int,
        kl_weight: float,
        *,
        painted: float,
        mirror: bool,
        finder: FinderTask | None = None,
    ) -> None:
        super().__init__(build, "sum", latent, kl_weight)
        self.painted = painted
        self.mirror = mirror
        self.finder = finder

    def loss(self, network: nn.Module, batch: torch.Tensor, draw: Draw) -> dict[str, torch.Tensor]:
        """See `training.task.Task`; "nll" and "regions" are in nats a slice."""
        scale = self._tissue(batch)
        seen = _label_image(as_scanned(paint_patches(scale, self.painted, draw), draw))
        noise = draw.normal((len(batch), self.latent))
        if self.finder is None:
            return self._restored(network(seen, noise), scale)
        stack, where = self.finder.painted(batch, draw)
        output, logits = network(seen, noise, stack)
        parts, regions = self._restored(output, scale), self.finder.cross_entropy(logits, where, batch)
        return parts | {"loss": parts["loss"] + regions, "regions": regions}

    def _restored(self, output: Output, scale: torch.Tensor) -> dict[str, torch.Tensor]:
        log_probabilities = functional.log_softmax(output.reconstruction.float(), dim=1)
        likelihood = -(shares(scale) * log_probabilities).flatten(1).sum(dim=1).mean()
        divergence = self._divergence(output)
        return {"loss": likelihood + self.kl_weight * divergence, "nll": likelihood, "kl": divergence}

    def _tissue(self, batch: torch.Tensor) -> torch.Tensor:
        """Tissue of the slices that are restored, from 1 to 3, 0 outside the brain."""
        if self.finder is None:
            return batch
        middle = self.finder.middle(batch)
        return torch.where(middle > 0, middle.clamp(CSF, WHITE), middle)

    @torch.no_grad()
    def pictures(self, network: nn.Module, batch: torch.Tensor) -> torch.Tensor:
        """Tissue, expected tissue and their difference; see `training.task.Task`."""
        image = _label_image(self._tissue(batch))
        expected = expected_tissue(network(image).reconstruction.float().softmax(dim=1))
        return torch.stack([image[:, 0], expected[:, 0], (image - expected).abs()[:, 0]], dim=1)

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
