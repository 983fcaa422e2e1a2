"""Bayesian skip-connection autoencoder: the mean of several reconstructions with dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value, param
from ..base.reconstruction import ReconstructionDetector, ReconstructionParams
from .common import CARD, TINY, BaurTraining

if TYPE_CHECKING:
    from ...inference.reconstruction import Inference
    from .skip_task import SkipTask

FULL: Mapping[str, Value] = {"height": 256, "width": 256, "pixel_mm": 0.8}


@dataclass(frozen=True)
class SkipAEParams(ReconstructionParams):
    """Settings of `SkipAE`."""

    maps: tuple[int, ...] = param(
        (64, 128, 256, 512, 64), "Feature maps of the stages; each but the first halves the slice", label="Feature maps", low=1, high=4096,
        most=7, role="network",
    )  # fmt: skip
    dropout: float = param(
        0.1, "Share of the maps dropped behind each skip connection, in training and in scoring", low=0.0, high=0.9, step=0.05,
        role="network",
    )  # fmt: skip
    gradient_weight: float = param(
        1.0,
        "Weight of the gradient difference in the loss; below 0 unlike gradients are sought, as StRegA's formula has it printed",
        low=-100.0,
        high=100.0,
        step=0.1,
        role="training",
    )
    passes: int = param(5, "Reconstructions with dropout, whose mean is taken", low=1, high=1000, step=1)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": FULL,
        "printed": {**FULL, "gradient_weight": -1.0},
        "tiny": {**TINY, "maps": (8, 16, 16, 8), "passes": 2},
    }


class SkipAE(ReconstructionDetector):
    """Skip connections keep detail, dropout on them keeps lesions from being copied, and the mean of several passes is compared."""

    Params = SkipAEParams
    Training = BaurTraining
    INFO = replace(
        CARD,
        id="skip-ae",
        name="Bayesian skip autoencoder",
        summary="Reconstructs axial slices in detail through skip connections with dropout; the mean of several passes is compared.",
        paper="Baur et al. 2020, Bayesian skip-autoencoders for unsupervised hyperintense anomaly detection in high resolution brain MRI, "
        "doi:10.1109/ISBI45749.2020.9098686; as a baseline in Chatterjee et al. 2022, arXiv:2201.13271",
        seconds_per_megavoxel=10.0,
        presets="paper: 256 x 256 pixels. printed: the same with the sign of StRegA's formula, absolute differences minus gradient "
        "differences, which rewards gradients unlike those of the scan: a small network trained with it for 250 steps reconstructed a "
        "simulated brain with an error of 0.24, with the other sign of 0.04. From StRegA's published code: 5x5 convolutions, maps "
        "64,128,256,512,64; dropout 0.1 behind all sums but the deepest, 10,247,619 parameters. Not from a source: 5 passes, the "
        "weights of the loss, and the training, which is that of Baur 2021. The default has 128 x 128 pixels.",
    )
    params: SkipAEParams

    def _stride(self) -> int:
        return 1 << (len(self.params.maps) - 1)

    def _task(self) -> SkipTask:
        from ..nets.skip import SkipAutoencoder
        from .skip_task import SkipTask

        p = self.params
        return SkipTask(lambda: SkipAutoencoder(self.CHANNELS, p.maps, p.dropout), p.dropout, p.gradient_weight)

    def _inference(self) -> Inference:
        from ...inference.reconstruction import MonteCarlo

        return MonteCarlo(self._task().sampled, self.params.passes)
