"""An autoencoder of whole brains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from napari_brain_uad.core.params import Scalar, param
from napari_brain_uad.detectors.base.reconstruction import ReconstructionDetector, ReconstructionParams
from napari_brain_uad.sampling.slices import SliceGrid
from napari_brain_uad.sampling.windows import Windows
from napari_brain_uad.training.params import TrainingParams
from trial_methods._cards import card

if TYPE_CHECKING:
    from napari_brain_uad.detectors.base.tasks import AutoencoderTask


@dataclass(frozen=True)
class Params(ReconstructionParams):
    """Settings of `VolumetricAE`."""

    depth: int = param(16, "Slices of the block", low=8, high=512, step=8, role="network")
    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        "tiny": {"height": 32, "width": 32, "pixel_mm": 1.5, "step_mm": 3.0, "score": "brighter"}
    }

    @property
    def grid(self) -> SliceGrid:
        return SliceGrid(self.height, self.width, self.pixel_mm, self.step_mm, self.depth)


@dataclass(frozen=True)
class Training(TrainingParams):
    """How it is trained."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {"steps": 40, "batch_size": 4, "learning_rate": 0.01}}


class VolumetricAE(ReconstructionDetector):
    """Sees the brain at once, in three dimensions."""

    Params = Params
    Training = Training
    INFO = card("trial-ae-3d", "Volumetric autoencoder")
    SAMPLE = "Block"
    params: Params

    def _windows(self) -> Windows:
        return Windows(dimensions=3)

    def _task(self) -> AutoencoderTask:
        from torch import nn

        from napari_brain_uad.detectors.base.tasks import AutoencoderTask
        from napari_brain_uad.detectors.nets.output import Output

        class Network(nn.Sequential):
            def forward(self, images):  # type: ignore[no-untyped-def]
                return Output(super().forward(images))

        def build() -> nn.Module:
            down = [nn.Conv3d(1, 8, 4, stride=4), nn.ReLU()]
            return Network(*down, nn.ConvTranspose3d(8, 1, 4, stride=4))

        return AutoencoderTask(build, "mean")
