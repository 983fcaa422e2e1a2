"""Autoencoder with a dense bottleneck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.detector import MethodInfo
from ...core.params import param
from ..base.reconstruction import ReconstructionDetector
from .common import NEEDS, PAPER, THRESHOLD, UNIT, BaurParams, BaurTraining

if TYPE_CHECKING:
    from ..base.tasks import AutoencoderTask


@dataclass(frozen=True)
class DenseAEParams(BaurParams):
    """Settings of `DenseAE`."""

    latent: int = param(128, "Numbers in the bottleneck", label="Latent dimensions", low=1, high=4096, step=16, role="network")


class DenseAE(ReconstructionDetector):
    """Baur's unified network with a bottleneck of 128 numbers, trained on absolute differences."""

    Params = DenseAEParams
    Training = BaurTraining
    INFO = MethodInfo(
        id="ae-dense",
        name="Autoencoder (dense bottleneck)",
        family="Autoencoder",
        summary="Reconstructs axial slices from 128 numbers; what it cannot reconstruct is the score.",
        paper=PAPER,
        licence="BSD-3-Clause; weights: see the model's card",
        needs=NEEDS,
        sequences=("FLAIR", "T2", "T1", "T1c"),
        trainable=True,
        score_unit=UNIT,
        default_threshold=THRESHOLD,
        preset="clinical",
        devices=("cpu", "cuda", "mps"),
        seconds_per_megavoxel=0.25,
        bytes_per_voxel=24.0,
        colour_limits=(0.0, 0.5),
    )
    params: DenseAEParams

    def _task(self) -> AutoencoderTask:
        from ..base.tasks import AutoencoderTask
        from ..nets.baur import DenseAutoencoder

        p = self.params
        return AutoencoderTask(lambda: DenseAutoencoder(self.CHANNELS, (p.height, p.width), p.dropout, p.latent))
