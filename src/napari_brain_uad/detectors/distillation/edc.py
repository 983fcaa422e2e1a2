"""EDC: an encoder tuned on healthy slices, and where a decoder does not find its features again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value, param
from ...training.params import TrainingParams
from ..base.stages import GradientStage, Stage
from ..embedding.common import CARD, BackboneParams, MapDetector

if TYPE_CHECKING:
    import torch

    from .edc_task import EDCTask


@dataclass(frozen=True)
class EDCParams(BackboneParams):
    """Settings of `EDC`."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"backbone": "resnet50", "height": 256, "width": 256},
        "tiny": {"height": 64, "width": 64, "pixel_mm": 0.75, "step_mm": 4.0, "smoothing_mm": 1.0},
    }


@dataclass(frozen=True)
class EDCTraining(TrainingParams):
    """AdamW with step size 5e-4, of the encoder a tenth of it, weight decay 1e-4, gradients no longer than 1, batches of 32."""

    steps: int = param(4000, "Batches to train on", low=1, high=10_000_000, step=1000)
    learning_rate: float = param(5e-4, "Step size of the decoder's optimizer; the encoder's is a tenth", low=0.0, high=10.0, step=0.0001)
    optimizer: str = param("adamw", "Optimizer", choices=("adamw",))
    weight_decay: float = param(1e-4, "Weight decay", low=0.0, high=1.0, step=0.00001, advanced=True)
    clip_norm: float = param(
        1.0, "Longest gradient; longer ones are shortened to it; 0 = as they are", low=0.0, high=1e6, step=0.5, advanced=True
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "tiny": {"steps": 50, "batch_size": 4, "learning_rate": 0.01},
    }


class EDC(MapDetector):
    """Score = 1 - cosine between the encoder's and the decoder's features, the mean of three levels."""

    Params = EDCParams
    Training = EDCTraining
    INFO = replace(
        CARD,
        id="edc",
        name="Encoder-decoder contrast (EDC)",
        summary="A backbone is tuned on healthy slices with a decoder that gives its features again; where it cannot is the score.",
        paper="Guo et al. 2024, Encoder-decoder contrast for unsupervised anomaly detection in medical images, IEEE Transactions on "
        "Medical Imaging 43(3), doi:10.1109/TMI.2023.3327720",
        score_unit="1 - cosine of features, mean of three levels",
        colour_limits=(0.0, 1.0),
        seconds_per_megavoxel=1.5,
        bytes_per_voxel=60.0,
        presets="paper: ResNet-50 (its weights from a file) on slices of 256 x 256 pixels. Without a preset: EfficientNet-Lite0 on 192 x "
        "192. The decoder here has two convolutions a level, not the mirror image of the encoder's blocks.",
    )
    params: EDCParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`."""
        return (GradientStage("", lambda _: self._task(), self._pool),)

    def _task(self) -> EDCTask:
        from .edc_task import EDCTask

        return EDCTask(self.params.backbone, self.params.backbone_file)

    def _mapping(self) -> Callable[[torch.Tensor], torch.Tensor]:
        from .edc_task import distances

        return partial(distances, self.network())
