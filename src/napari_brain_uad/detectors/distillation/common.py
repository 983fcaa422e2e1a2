"""What methods share in which a student learns to give the features of a frozen backbone, its teacher."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Params as AnyParams
from ...core.params import Value, param
from ..embedding.common import BackboneMapDetector, BackboneParams
from .names import COMBINATIONS

if TYPE_CHECKING:
    import torch

    from .distillation_task import Distillation

DISTILLED_TINY: Mapping[str, Value] = {"height": 96, "width": 96, "pixel_mm": 0.4, "step_mm": 4.0, "smoothing_mm": 2.0}
QUICK: Mapping[str, Value] = {"steps": 48, "batch_size": 2, "optimizer": "adam", "learning_rate": 0.003}
"""Presets to try out: few places and steps."""


@dataclass(frozen=True)
class DistillationParams(BackboneParams):
    """Settings of the methods with a teacher and a student."""

    combination: str = param(
        "product", "How the maps of the three levels become one score: their product or their mean", label="Levels combined",
        choices=COMBINATIONS,
    )  # fmt: skip


class DistillingDetector(BackboneMapDetector):
    """Base of the methods that score how far the student's features are from the teacher's: 1 - cosine at each place of three levels.

    A method writes its settings, its card and `_task`. The model holds the student and the SHA-256 of the teacher's weights.
    """

    Params: ClassVar[type[AnyParams]] = DistillationParams
    NETWORK = "student"
    params: DistillationParams

    @abstractmethod
    def _task(self) -> Distillation:
        """The student and what it minimises."""

    def _mapping(self) -> Callable[[torch.Tensor], torch.Tensor]:
        student, combination = self.network(self.NETWORK), self.params.combination
        return partial(self._task().scores, student, self.backbone(), combination)
