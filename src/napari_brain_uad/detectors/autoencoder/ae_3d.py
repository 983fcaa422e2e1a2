"""Autoencoder of whole brains, in three dimensions: SimpleSliceNet's volumetric baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.errors import InputError
from ...core.params import Params as AnyParams
from ...core.params import Value, param
from ...sampling.slices import SliceGrid
from ...sampling.windows import Windows
from ...training.params import TrainingParams
from ..base.reconstruction import ReconstructionDetector, ReconstructionParams
from .common import CARD

if TYPE_CHECKING:
    from ..base.tasks import AutoencoderTask


@dataclass(frozen=True)
class VolumeAEParams(ReconstructionParams):
    """Settings of `VolumeAE`."""

    height: int = param(96, "Rows of a slice, posterior to anterior", unit="pixels", low=8, high=1024, step=16, role="network")
    width: int = param(96, "Columns of a slice, left to right", unit="pixels", low=8, high=1024, step=16, role="network")
    depth: int = param(80, "Number of slices, around the middle of the brain", label="Slices", low=4, high=1024, step=16, role="network")
    pixel_mm: float = param(
        2.0, "Size of a pixel; height and width times it must hold the brain", unit="mm", low=0.2, high=10.0, step=0.1, role="network"
    )
    widths: tuple[int, ...] = param(
        (16, 32, 64, 128), "Maps after each halving; depth, height and width are halved as often", label="Widths", low=1, high=4096, most=7,
        role="network",
    )  # fmt: skip
    latent: int = param(256, "Numbers in the bottleneck", label="Latent dimensions", low=1, high=4096, step=16, role="network")

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {
            "height": 192, "width": 192, "depth": 96, "pixel_mm": 1.0, "step_mm": 1.0, "widths": (64, 128, 256, 512, 1024), "latent": 663,
        },
        "tiny": {
            "height": 32, "width": 32, "depth": 16, "pixel_mm": 1.5, "step_mm": 3.0, "widths": (8, 16), "latent": 32, "score": "brighter",
        },
    }  # fmt: skip

    @property
    def grid(self) -> SliceGrid:
        """The slices."""
        return replace(super().grid, depth=self.depth)


@dataclass(frozen=True)
class VolumeAETraining(TrainingParams):
    """Adam with step size 1e-4 on batches of one brain, as SimpleSliceNet's comparison has them."""

    steps: int = param(4000, "Batches to train on", low=1, high=10_000_000, step=1000)
    batch_size: int = param(1, "Brains in a batch, over all devices together", low=1, high=65_536, step=1)
    augmentation: str = param("none", "Random changes of the training brains: left and right swapped, or none", choices=("none", "flip"))

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"paper": {}, "tiny": {"steps": 60, "learning_rate": 0.003}}


class VolumeAE(ReconstructionDetector):
    """Convolutions over the whole brain and a dense bottleneck, trained on absolute differences."""

    Params = VolumeAEParams
    Training = VolumeAETraining
    INFO = replace(
        CARD,
        id="ae-3d",
        name="Autoencoder of volumes",
        summary="Reconstructs the whole brain at once, in three dimensions; what it cannot reconstruct is the score.",
        paper="Baseline 3D-AE of Zhang, Mohsenzadeh 2025, Efficient slice anomaly detection network for 3D brain MRI volume, PLOS Digital "
        "Health 4(6), doi:10.1371/journal.pdig.0000874",
        seconds_per_megavoxel=0.3,
        bytes_per_voxel=60.0,
        presets="paper: 192 x 192 x 96 voxels of 1 mm and 235.9 million weights. The paper prints their number, 235.82 million, and no "
        "more: layers, widths and the bottleneck are ours, made to have about as many. Without a preset, for one CPU: 96 x 96 x 80 voxels "
        "of 2 mm, 13.2 million weights. Brains higher than the slices reach (96 mm with the preset) are scored in their middle alone.",
    )
    SAMPLE = "Brain"
    params: VolumeAEParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        p = self.params
        if p.depth % self._stride():
            why = f"{p.depth} is not a multiple of {self._stride()}, and the network halves the brain again and again"
            raise InputError(p.called("depth"), why=why, fix=f"Give a multiple of {self._stride()}")

    def _stride(self) -> int:
        return int(2 ** len(self.params.widths))

    def _windows(self) -> Windows:
        return Windows(dimensions=3)

    def _task(self) -> AutoencoderTask:
        from ..base.tasks import AutoencoderTask
        from ..nets.volume import VolumeAutoencoder

        p = self.params
        return AutoencoderTask(lambda: VolumeAutoencoder(self.CHANNELS, (p.depth, p.height, p.width), p.widths, p.latent), "mean")
