"""Intensity on the brain's own scale as the anomaly score: what `threshold` asks, in a unit that can be compared between brains."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.params import Params, param
from ...core.progress import Progress
from ...core.volume import Volume
from ..base.detector import BaseDetector
from ..base.smoothing import smoothed
from .common import CARD

_BINS = 200
_TAIL = 1.0
"""Per cent of the brain on either side that the histogram of the mode leaves out."""


@dataclass(frozen=True)
class RobustIntensityParams(Params):
    """Settings of `RobustIntensity`."""

    polarity: str = param(
        "bright", "Whether bright or dark voxels count as abnormal", label="Abnormal voxels are", choices=("bright", "dark")
    )
    smoothing_mm: float = param(
        1.0, "Gaussian smoothing of the score inside the brain (sigma)", label="Smoothing", unit="mm", low=0.0, high=10.0, step=0.5
    )


class RobustIntensity(BaseDetector):
    """Score = (intensity - mode of the brain) / interquartile range of the brain, smoothed inside the brain.

    The equalised score of `threshold` is a rank: the brightest 5 % of any brain lie above 0.95, ill or healthy. Here the commonest tissue
    is 0 and its spread 1, so that a lesion scores alike in a brain that is full of them and in one that has no other.
    """

    Params = RobustIntensityParams
    INFO = replace(
        CARD,
        id="robust-intensity",
        name="Robust intensity",
        summary="Bright on FLAIR = abnormal, on the brain's own scale: its commonest intensity is 0, its interquartile range 1. No "
        "training. The score can be compared between brains, so that healthy ones can say what is unusual.",
        paper="A method of this project: the thresholding baseline of Meissen et al. 2021 (arXiv:2109.06023), a robust scale in place of a "
        "rank",
        score_unit="interquartile ranges of the brain above its mode",
        seconds_per_megavoxel=0.15,
    )
    params: RobustIntensityParams

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        progress.check()
        scores = robust_scores(volume, mask)
        if self.params.polarity == "dark":
            scores = -scores
        width = self.params.smoothing_mm
        return smoothed(scores, mask, volume.grid.spacing, width) if width > 0 else scores


def robust_scores(volume: Volume, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Intensities in interquartile ranges of the brain above its mode, 0 outside it.

    Raises
    ------
    InputError
        If half of the brain has one intensity.
    """
    inside = volume.data[mask]
    mode, spread = mode_and_spread(inside)
    if spread <= 0.0:
        raise InputError(
            f"{volume.name} cannot be scored", why="half of its brain has one intensity", fix="Check the scan and its brain mask"
        )
    scores = np.zeros(volume.data.shape, np.float32)
    scores[mask] = (inside - np.float32(mode)) / np.float32(spread)
    return scores


def log_evidence(scores: NDArray[np.float32], centre: float, slope: float) -> NDArray[np.float32]:
    """The logarithm of a logistic of robust scores, which is 0.5 at `centre` and changes over `slope`: how bright is evidence."""
    from scipy.special import log_expit

    return np.asarray(log_expit((scores - np.float32(centre)) / np.float32(slope)), np.float32)


def mode_and_spread(values: NDArray[np.float32]) -> tuple[float, float]:
    """The commonest of a brain's intensities, and their interquartile range.

    The darkest quarter has no say in the mode: fluid, and holes and rims of a brain mask that are exactly 0, may be its highest peak, while
    grey and white matter are far more than half of any brain.

    Parameters
    ----------
    values : array of float32, shape (n,)
        The brain's intensities.
    """
    from scipy.ndimage import gaussian_filter1d

    low, lower, upper, high = (float(value) for value in np.percentile(values, [_TAIL, 25.0, 75.0, 100.0 - _TAIL]))
    if high <= low:
        return low, 0.0
    counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
    # Intensities in whole numbers leave bins empty: the mode is that of the smoothed histogram.
    common = gaussian_filter1d(counts.astype(np.float64), 3.0, mode="nearest")
    place = int(np.argmax(np.where(edges[1:] >= lower, common, -1.0)))
    return float(edges[place] + edges[place + 1]) / 2.0, upper - lower
