"""What the context-encoding VAEs share: settings, and how they are trained."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Params as AnyParams
from ...core.params import Scalar, param
from ...training.params import TrainingParams
from ..base.reconstruction import MODEL_SCORES, ReconstructionDetector, ReconstructionParams
from .common import convention_setting

if TYPE_CHECKING:
    from ..base.tasks import ContextTask
    from ..nets.context import ContextVAE


@dataclass(frozen=True)
class ContextParams(ReconstructionParams):
    """Settings of the context-encoding VAEs."""

    score: str = param("l1", "How slice and reconstruction are compared, or which gradient is taken", choices=MODEL_SCORES)
    maps: tuple[int, ...] = param(
        (16, 64, 256, 1024),
        "Feature maps of the stages; each halves the slice",
        label="Feature maps",
        low=1,
        high=4096,
        most=7,
        role="network",
    )
    latent: int = param(512, "Numbers in the bottleneck", label="Latent dimensions", low=1, high=4096, step=16, role="network")
    kl_weight: float = param(
        0.01, "Weight of the KL divergence in the loss", label="KL weight", low=0.0, high=1e6, step=0.001, role="network"
    )
    context_weight: float = param(
        0.5,
        "Share of the loss for restoring masked squares (context encoding)",
        label="Context-encoding weight",
        low=0.0,
        high=1.0,
        step=0.05,
        role="training",
    )
    convention: str = convention_setting("mean")


@dataclass(frozen=True)
class ContextTraining(TrainingParams):
    """Adam with step size 1e-4, batches of 64."""

    batch_size: int = param(64, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        "paper": {},
        "tiny": {"steps": 40, "batch_size": 16, "learning_rate": 0.001},
    }


class ContextDetector(ReconstructionDetector):
    """Base of the methods with a context-encoding VAE."""

    Params: ClassVar[type[AnyParams]] = ContextParams
    Training: ClassVar[type[TrainingParams] | None] = ContextTraining
    params: ContextParams

    def _stride(self) -> int:
        return 1 << len(self.params.maps)

    @abstractmethod
    def _build(self) -> ContextVAE:
        """The network."""

    def _task(self) -> ContextTask:
        from ..base.tasks import ContextTask

        p = self.params
        return ContextTask(self._build, p.convention, p.latent, p.kl_weight, p.context_weight)
