"""Autoencoder of left-right symmetry: what one half of the brain lets expect of the other.

After Wu, Bi, Fulham, Feng, Zhou, Kim: "Unsupervised brain tumor segmentation using a symmetric-driven adversarial network"
(Neurocomputing 455, 2021, doi:10.1016/j.neucom.2021.05.073), where a generator learns one side from the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Scalar, param
from ..base.reconstruction import RESIDUAL_SCORES, ReconstructionDetector
from .common import CARD, TINY, BaurParams, BaurTraining

if TYPE_CHECKING:
    from ..base.tasks import AutoencoderTask


@dataclass(frozen=True)
class SymmetryAEParams(BaurParams):
    """Settings of `SymmetryAE`."""

    score: str = param(
        "brighter", "How slice and prediction are compared; l1 also marks the place opposite a lesion", label="Anomaly score",
        choices=RESIDUAL_SCORES,
    )  # fmt: skip

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"paper": {"score": "l1"}, "tiny": TINY}


@dataclass(frozen=True)
class SymmetryTraining(BaurTraining):
    """As `BaurTraining`."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"paper": {}, "tiny": {"steps": 30, "learning_rate": 0.001}}


class SymmetryAE(ReconstructionDetector):
    """Baur's unified network from each half of a slice to the other, trained on absolute differences."""

    Params = SymmetryAEParams
    Training = SymmetryTraining
    INFO = replace(
        CARD,
        id="symmetry-ae",
        name="Autoencoder of left-right symmetry",
        summary="Predicts each half of a slice from the other half; where the brain is not as its other side lets expect is the score.",
        paper="After Wu et al. 2021, Unsupervised brain tumor segmentation using a symmetric-driven adversarial network, Neurocomputing "
        "455, doi:10.1016/j.neucom.2021.05.073; network: Baur et al. 2021, arXiv:2004.03271",
        seconds_per_megavoxel=0.5,
        bytes_per_voxel=60.0,
        presets="paper: absolute residual. Without a preset: what is brighter than its other side lets expect, since a lesion also spoils "
        "the prediction of the place opposite, which an absolute residual marks as well; for lesions darker than tissue take darker. "
        "The network is Baur's with a spatial bottleneck, without the paper's adversary. The midline is the middle of the box around the "
        "brain: heads that are turned or tilted are not straightened. Lesions alike on both sides are not found.",
    )
    params: SymmetryAEParams

    def _stride(self) -> int:
        return 32  # a half is a multiple of 16

    def _task(self) -> AutoencoderTask:
        from ..base.tasks import AutoencoderTask
        from ..nets.baur import SpatialAutoencoder
        from ..nets.mirrored import MirroredHalves

        p = self.params
        return AutoencoderTask(lambda: MirroredHalves(SpatialAutoencoder(self.CHANNELS, p.dropout)))
