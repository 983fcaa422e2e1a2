"""Autoencoder whose bottleneck stays an image: it keeps more detail than a dense one, of lesions too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..base.reconstruction import ReconstructionDetector
from .common import CARD, BaurParams, BaurTraining

if TYPE_CHECKING:
    from ..base.tasks import AutoencoderTask


class SpatialAE(ReconstructionDetector):
    """Baur's unified network with a bottleneck of 16 maps, trained on absolute differences."""

    Params = BaurParams
    Training = BaurTraining
    INFO = replace(
        CARD,
        id="ae-spatial",
        name="Autoencoder (spatial bottleneck)",
        summary="Reconstructs axial slices through a small image; what it cannot reconstruct is the score.",
    )
    params: BaurParams

    def _task(self) -> AutoencoderTask:
        from ..base.tasks import AutoencoderTask
        from ..nets.baur import SpatialAutoencoder

        p = self.params
        return AutoencoderTask(lambda: SpatialAutoencoder(self.CHANNELS, p.dropout))
