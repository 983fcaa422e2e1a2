"""RD++: where a student does not give the features of its teacher again, which it saw through projections and a bottleneck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value, param
from ...training.params import TrainingParams
from ..embedding.common import CARD
from .common import DISTILLED_TINY, QUICK, DistillationParams, DistillingDetector
from .names import COMBINATIONS

if TYPE_CHECKING:
    from .reverse_task import ReverseTask


@dataclass(frozen=True)
class RDPlusPlusParams(DistillationParams):
    """Settings of `RDPlusPlus`."""

    combination: str = param("mean", "How the maps of the three levels become one score: their product or their mean", choices=COMBINATIONS)
    projection_weight: float = param(
        0.2, "Weight of the projections' losses beside the distillation", label="Projection loss", low=0.0, high=100.0, step=0.1,
        role="training",
    )  # fmt: skip

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"backbone": "wide-resnet50", "height": 256, "width": 256},
        "tiny": {**DISTILLED_TINY, "combination": "product"},
    }


@dataclass(frozen=True)
class RDPlusPlusTraining(TrainingParams):
    """Adam with step size 0.005 (the projections' is a fifth of it), beta1 0.5, batches of 16."""

    steps: int = param(4000, "Batches to train on", low=1, high=10_000_000, step=1000)
    batch_size: int = param(16, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)
    learning_rate: float = param(
        5e-3, "Step size of the optimizer at its highest; that of the projections is a fifth", low=0.0, high=10.0, step=0.001
    )
    optimizer: str = param("adam", "Optimizer", choices=("adam",))
    beta1: float = param(0.5, "Decay of the optimizer's mean of gradients", low=0.0, high=0.9999, step=0.05, advanced=True)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"paper": {}, "tiny": {**QUICK, "steps": 32, "learning_rate": 0.005}}


class RDPlusPlus(DistillingDetector):
    """Score = 1 - cosine between the teacher's and the student's features, the mean of three levels."""

    Params = RDPlusPlusParams
    Training = RDPlusPlusTraining
    INFO = replace(
        CARD,
        id="rd++",
        name="Reverse distillation with projections (RD++)",
        summary="A student gives a frozen backbone's features again, seen through a bottleneck that healthy slices alone have shaped.",
        paper="Tien et al. 2023, Revisiting reverse distillation for anomaly detection, CVPR, pages 24511-24520; "
        "reverse distillation: Deng, Li 2022, arXiv:2201.10703",
        score_unit="1 - cosine of features, mean (or product) of three levels",
        seconds_per_megavoxel=1.5,
        bytes_per_voxel=80.0,
        presets="paper: Wide ResNet-50-2 (its weights from a file) on slices of 256 x 256 pixels. Without a preset: EfficientNet-Lite0 on "
        "192 x 192. The decoder has two convolutions a level, not the mirror image of the encoder's blocks. Optimal transport compares two "
        "images of a batch at 64 places of a level; the authors' code, as read here, compares a batch with itself in another order.",
    )
    params: RDPlusPlusParams

    def _task(self) -> ReverseTask:
        from .reverse_task import ReverseTask

        return ReverseTask(self.params.backbone, self.params.backbone_file, self.params.projection_weight)
