"""Histogram-equalised intensity as the anomaly score.

Meissen, Kaissis, Rueckert: "Challenging Current Semi-Supervised Anomaly Segmentation Methods for Brain MRI" (BrainLes 2021,
LNCS 12962; arXiv:2109.06023), section 3: white-matter lesions and tumours are hyperintense on FLAIR, and equalising the
histogram inside the brain makes one threshold work across scans.
"""

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
class ThresholdParams(Params):
    """Settings of `HistogramThreshold`."""

    bins: int = param(256, "Number of histogram bins used for the equalisation", label="Histogram bins", low=2, high=65536, step=1)


class HistogramThreshold(BaseDetector):
    """Score = cumulative histogram of the brain's intensities at the voxel's intensity, between 0 and 1."""

    Params = ThresholdParams
    INFO = replace(
        CARD,
        id="threshold",
        name="Threshold (histogram equalised)",
        summary="Bright on FLAIR = abnormal, after equalising the histogram inside the brain. No training; hard to beat on FLAIR. "
        "Its default threshold flags the brightest 5 % of any brain: on a healthy scan all of that is false.",
        paper="Meissen et al. 2021, Challenging Current Semi-Supervised Anomaly Segmentation Methods for Brain MRI, arXiv:2109.06023",
        needs="One FLAIR scan and a brain mask (or a skull-stripped scan)",
        sequences=("FLAIR", "T1c", "T2"),
        score_unit="fraction of the brain's voxels that are darker (0-1)",
        seconds_per_megavoxel=0.1,
        measured=(
            Measurement("\u2308Dice\u2309", 0.495, "MSLUB patient07 and patient19, FLAIR (mean of 2)", MEASURED_WITH),
            Measurement("\u2308Dice\u2309", 0.766, "BraTS 2013 pat0001, 0002, 0005, 0006, FLAIR (mean of 4)", MEASURED_WITH),
            Measurement("AUPRC", 0.365, "MSLUB patient07 and patient19, FLAIR (mean of 2)", MEASURED_WITH),
            Measurement("AUPRC", 0.734, "BraTS 2013 pat0001, 0002, 0005, 0006, FLAIR (mean of 4)", MEASURED_WITH),
        ),
        incomparable="its score is a rank within the brain: it flags as much of a healthy one as of an ill one",
    )
    params: ThresholdParams

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        # Here, not above: listing the methods (help, docks) must not load scikit-image.
        from skimage.exposure import equalize_hist

        equalised = equalize_hist(volume.data, nbins=self.params.bins, mask=mask)
        progress.check()
        return np.asarray(equalised, dtype=np.float32)
