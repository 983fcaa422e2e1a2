"""What RD++ minimises. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.optimization import make_optimizer
from ...training.params import TrainingParams
from ...training.task import Losses
from ..backbones.catalogue import BACKBONES
from .distillation_task import Distillation
from .names import BLUR, CONTRAST_MARGIN, CONTRAST_WEIGHT, PLACES, PROJECTION_RATE, RECONSTRUCTION_WEIGHT
from .pseudo_abnormal import with_simplex_noise
from .pyramids import Pyramid, cosine_maps, cosine_of_images
from .reverse_network import ReverseStudent
from .sinkhorn import sinkhorn_divergence


class ReverseTask(Distillation):
    """Reverse distillation with projection layers.

    Tien et al. 2023, Revisiting reverse distillation for anomaly detection, CVPR: the student gives the teacher's features again from
    their projections (1 - cosine over all features of an image, summed over the levels), and the projections learn from three losses,
    `compactness`, `reconstruction` and `contrast`, together as the weighted mean of the authors' code.

    Parameters
    ----------
    backbone, file : str
        As `Distillation` has them.
    weight : float
        Of the projections' losses.
    """

    def __init__(self, backbone: str, file: str, weight: float) -> None:
        super().__init__(backbone, file)
        self.weight = weight

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        return ReverseStudent(BACKBONES[self.backbone].channels)

    def optimizers(self, network: nn.Module, training: TrainingParams) -> dict[str, torch.optim.Optimizer]:
        """See `training.task.Task`: the projections learn at a fifth of the rate."""
        assert isinstance(network, ReverseStudent)
        projections: dict[str, Any] = {"params": network.projections.parameters(), "lr_factor": PROJECTION_RATE}
        others = {"params": [*network.bottleneck.parameters(), *network.decoder.parameters()]}
        return {"": make_optimizer([projections, others], training)}

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        taught, abnormal = self.taught(batch.images), self.taught(with_simplex_noise(batch, draw))
        decoded, projected, cleaned = network(taught, abnormal)
        distilled = (1.0 - cosine_of_images(taught, decoded)).sum(dim=0).mean()
        parts = {
            "ssot": compactness(projected, draw),
            "reconstruction": reconstruction(cleaned, projected),
            "contrast": contrast(abnormal, projected),
        }
        weights = {"ssot": 1.0, "reconstruction": RECONSTRUCTION_WEIGHT, "contrast": CONTRAST_WEIGHT}
        apart = torch.stack([weights[name] * part for name, part in parts.items()]).sum() / sum(weights.values())
        return {"loss": distilled + self.weight * apart, "distillation": distilled, **parts}

    def student(self, network: nn.Module, images: torch.Tensor, taught: Pyramid) -> Pyramid:
        """See `Distillation.student`: it sees the teacher's features alone."""
        found: Pyramid = network(taught)[0]
        return found


def compactness(projected: Pyramid, draw: Draw) -> torch.Tensor:
    """Self-supervised optimal transport (SSOT): projected features of one healthy image are distributed as those of the next of the batch.

    The Sinkhorn divergence between the features, of length 1, at places by chance, the same in both images; the sum over the levels.
    """
    found = []
    for level in projected:
        features = functional.normalize(level.float().flatten(2), dim=1)
        places = draw.integers((len(level), PLACES), 0, features.shape[2])
        at = places[:, None].expand(-1, features.shape[1], -1)
        own, next_one = (some.gather(2, at).transpose(1, 2) for some in (features, features.roll(1, dims=0)))
        found.append(sinkhorn_divergence(own, next_one, blur=BLUR).mean())
    return torch.stack(found).sum()


def reconstruction(cleaned: Pyramid, projected: Pyramid) -> torch.Tensor:
    """Projected features of abnormal images are those of healthy ones: 1 - cosine, the mean over the places and the sum over the levels."""
    return torch.stack([level.mean() for level in cosine_maps(cleaned, projected)]).sum()


def contrast(abnormal: Pyramid, projected: Pyramid) -> torch.Tensor:
    """Projected features of healthy images are unlike the abnormal ones': their cosine lies below the margin; the sum over the levels."""
    return functional.relu(cosine_of_images(abnormal, projected) - CONTRAST_MARGIN).sum(dim=0).mean()
