"""Raw intensity as the anomaly score: the "Thresh" baseline of Behrendt et al. 2023 (pDDPM, arXiv:2303.03758), section 4."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.detector import Measurement
from ...core.params import Params, param
from ...core.progress import Progress
from ...core.volume import Volume
from ..base.detector import BaseDetector
from .common import CARD, MEASURED_WITH


@dataclass(frozen=True)
class RawThresholdParams(Params):
    """Settings of `RawThreshold`."""

    polarity: str = param(
        "bright", "Whether bright or dark voxels count as abnormal", label="Abnormal voxels are", choices=("bright", "dark")
    )


class RawThreshold(BaseDetector):
    """Score = the scan's intensity (or its negative), in the scan's own unit."""

    Params = RawThresholdParams
    INFO = replace(
        CARD,
        id="thresh-raw",
        name="Threshold (raw intensity)",
        summary="The intensity itself is the score. The floor that every other method has to beat.",
        paper="Behrendt et al. 2023, Patched Diffusion Models for Unsupervised Anomaly Detection in Brain MRI, arXiv:2303.03758",
        score_unit="intensity of the scan",
        seconds_per_megavoxel=0.02,
        bytes_per_voxel=8.0,
        measured=(
            Measurement("\u2308Dice\u2309", 0.516, "MSLUB patient07 and patient19, FLAIR (mean of 2)", MEASURED_WITH),
            Measurement("\u2308Dice\u2309", 0.768, "BraTS 2013 pat0001, 0002, 0005, 0006, FLAIR (mean of 4)", MEASURED_WITH),
            Measurement("AUPRC", 0.365, "MSLUB patient07 and patient19, FLAIR (mean of 2)", MEASURED_WITH),
            Measurement("AUPRC", 0.734, "BraTS 2013 pat0001, 0002, 0005, 0006, FLAIR (mean of 4)", MEASURED_WITH),
        ),
        incomparable="its score is the scan's intensity, whose unit changes from scan to scan",
    )
    params: RawThresholdParams

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        return volume.data if self.params.polarity == "bright" else -volume.data
