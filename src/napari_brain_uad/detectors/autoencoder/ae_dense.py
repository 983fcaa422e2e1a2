"""Autoencoder with a dense bottleneck."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...core.params import param
from ..base.reconstruction import ReconstructionDetector
from .common import CARD, BaurParams, BaurTraining

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
    INFO = replace(
        CARD,
        id="ae-dense",
        name="Autoencoder (dense bottleneck)",
        summary="Reconstructs axial slices from 128 numbers; what it cannot reconstruct is the score.",
    )
    params: DenseAEParams

    def _task(self) -> AutoencoderTask:
        from ..base.tasks import AutoencoderTask
        from ..nets.baur import DenseAutoencoder

        p = self.params
        return AutoencoderTask(lambda: DenseAutoencoder(self.CHANNELS, (p.height, p.width), p.dropout, p.latent))
