"""A generator that reconstructs and a critic that judges it: two optimizers, several critic steps, a gradient penalty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from napari_brain_uad.core.params import Scalar, param
from napari_brain_uad.detectors.base.reconstruction import ReconstructionDetector, ReconstructionParams
from napari_brain_uad.training.params import TrainingParams
from trial_methods._cards import card

if TYPE_CHECKING:
    from napari_brain_uad.detectors.base.tasks import AutoencoderTask


@dataclass(frozen=True)
class Params(ReconstructionParams):
    """Settings of `GAN`."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {"height": 32, "width": 32, "pixel_mm": 1.5, "score": "brighter"}}


@dataclass(frozen=True)
class Training(TrainingParams):
    """How it is trained: in float32, since its loss takes a gradient itself."""

    precision: str = param("32", "Number format of the computation", choices=("32",), advanced=True)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {"steps": 120, "batch_size": 8, "learning_rate": 0.005}}


class GAN(ReconstructionDetector):
    """The critic is trained beside, and stays in the model."""

    Params = Params
    Training = Training
    INFO = card("trial-gan", "Adversarial autoencoder of slices")
    params: Params

    def _task(self) -> AutoencoderTask:
        from trial_methods._gan_task import GANTask

        return GANTask()
