"""One-step diffusion in overlapping patches: noise is added at a fixed level, and the network predicts the image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from napari_brain_uad.core.params import Scalar, param
from napari_brain_uad.detectors.base.reconstruction import ReconstructionDetector, ReconstructionParams
from napari_brain_uad.sampling.windows import Windows
from napari_brain_uad.training.params import TrainingParams
from trial_methods._cards import card

if TYPE_CHECKING:
    import torch

    from napari_brain_uad.inference.reconstruction import Inference
    from napari_brain_uad.training.batch import Batch
    from napari_brain_uad.training.draws import Draw
    from napari_brain_uad.training.task import Task


@dataclass(frozen=True)
class Params(ReconstructionParams):
    """Settings of `PatchDiffusion`."""

    noise: float = param(0.3, "Standard deviation of the noise", low=0.0, high=10.0, step=0.1)
    passes: int = param(2, "Reconstructions that are averaged", low=1, high=100)
    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {"height": 32, "width": 32, "pixel_mm": 1.5, "score": "brighter"}}


@dataclass(frozen=True)
class Training(TrainingParams):
    """How it is trained."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {"steps": 60, "learning_rate": 0.01}}


class PatchDiffusion(ReconstructionDetector):
    """Denoises patches; what it needs random numbers for belongs to the samples."""

    Params = Params
    Training = Training
    INFO = card("trial-diffusion", "One-step diffusion in patches")
    SAMPLE = "Patch"
    params: Params

    def _windows(self) -> Windows:
        return Windows(size=(self.params.height // 2, self.params.width // 2), step=(self.params.height // 4, self.params.width // 4))

    def _task(self) -> Task:  # type: ignore[override]
        from trial_methods._diffusion_task import DenoisingTask

        return DenoisingTask(self.params.noise)

    def _inference(self) -> Inference:
        from napari_brain_uad.inference.reconstruction import MonteCarlo

        def denoised(network: torch.nn.Module, batch: Batch, draw: Draw) -> torch.Tensor:
            found: torch.Tensor = network(batch.images + self.params.noise * draw.normal(batch.images.shape))
            return found

        return MonteCarlo(denoised, self.params.passes)
