"""Autoencoder whose bottleneck stays an image: it keeps more detail than a dense one, of lesions too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.detector import MethodInfo
from ..base.reconstruction import ReconstructionDetector
from .common import NEEDS, PAPER, THRESHOLD, UNIT, BaurParams, BaurTraining

if TYPE_CHECKING:
    from ..base.tasks import AutoencoderTask


class SpatialAE(ReconstructionDetector):
    """Baur's unified network with a bottleneck of 16 maps, trained on absolute differences."""

    Params = BaurParams
    Training = BaurTraining
    INFO = MethodInfo(
        id="ae-spatial",
        name="Autoencoder (spatial bottleneck)",
        family="Autoencoder",
        summary="Reconstructs axial slices through a small image; what it cannot reconstruct is the score.",
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
    params: BaurParams

    def _task(self) -> AutoencoderTask:
        from ..base.tasks import AutoencoderTask
        from ..nets.baur import SpatialAutoencoder

        p = self.params
        return AutoencoderTask(lambda: SpatialAutoencoder(self.CHANNELS, p.dropout))
