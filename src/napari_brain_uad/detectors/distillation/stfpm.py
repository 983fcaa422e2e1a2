"""STFPM: where a student, which saw healthy slices alone, does not give its teacher's features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value, param
from ...training.params import TrainingParams
from ..embedding.common import CARD
from .common import DISTILLED_TINY, QUICK, DistillationParams, DistillingDetector

if TYPE_CHECKING:
    from .stfpm_task import STFPMTask


@dataclass(frozen=True)
class STFPMParams(DistillationParams):
    """Settings of `STFPM`."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"backbone": "resnet18", "height": 256, "width": 256, "smoothing_mm": 0.0},
        "tiny": DISTILLED_TINY,
    }


@dataclass(frozen=True)
class STFPMTraining(TrainingParams):
    """Stochastic gradient descent with step size 0.4, momentum 0.9, weight decay 1e-4, batches of 32. The paper trains for 100 epochs."""

    steps: int = param(4000, "Batches to train on", low=1, high=10_000_000, step=1000)
    learning_rate: float = param(0.4, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.05)
    optimizer: str = param("sgd", "Optimizer; sgd has the momentum β1", choices=("sgd", "adam", "adamw"))
    weight_decay: float = param(1e-4, "Weight decay", low=0.0, high=1.0, step=0.00001, advanced=True)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"paper": {}, "tiny": QUICK}


class STFPM(DistillingDetector):
    """Score = product over three levels of half the squared distance between the student's and the teacher's features of length 1."""

    Params = STFPMParams
    Training = STFPMTraining
    INFO = replace(
        CARD,
        id="stfpm",
        name="Student-teacher feature pyramid matching (STFPM)",
        summary="A student learns a frozen backbone's features on healthy slices; where it does not give them is the score.",
        paper="Wang et al. 2021, Student-teacher feature pyramid matching for anomaly detection, BMVC, arXiv:2103.04257",
        score_unit="1 - cosine of features, product (or mean) of three levels",
        seconds_per_megavoxel=1.5,
        bytes_per_voxel=60.0,
        presets="paper: ResNet-18 (its weights from a file) on slices of 256 x 256 pixels, no smoothing. Without a preset: "
        "EfficientNet-Lite0 on 192 x 192, smoothed by 4 mm. The levels are multiplied as in the paper: what one level alone finds "
        "abnormal counts little. The running statistics of the student's batch normalisation move by a tenth a step in every backbone. "
        "Its form for volumes, with three-dimensional networks, is not there.",
    )
    params: STFPMParams

    def _task(self) -> STFPMTask:
        from .stfpm_task import STFPMTask

        return STFPMTask(self.params.backbone, self.params.backbone_file)
