"""Segmentation of synthetic hyperintensities: a network that has learned what is too bright for its place on FLAIR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.params import Params as AnyParams
from ...core.params import Value, param
from ...core.progress import Progress
from ...core.volume import Volume
from ...sampling.slices import Slices, to_slices
from ..intensity.robust_intensity import RobustIntensity, RobustIntensityParams, log_evidence, robust_scores
from .anomaly_segmentation import NEIGHBOURS, AnomalySegmentation
from .params import HEIGHT, PIXEL, WIDTH, AnomalySegmentationParams, maps_setting, smoothing_setting
from .tissues import TISSUE

if TYPE_CHECKING:
    from .hyperintensity_task import HyperintensityTask

BRIGHT, SLOPE, LEAST = 2.0, 0.5, np.float32(1e-5)
"""Where the evidence of brightness is one half, and over what it changes, in interquartile ranges of the brain above its mode; the
probabilities that are taken for 0 and 1."""


@dataclass(frozen=True)
class HyperintensityParams(AnomalySegmentationParams):
    """Settings of `HyperintensitySegmentation`."""

    height: int = param(224, HEIGHT, label="Slice height", unit="pixels", low=16, high=1024, step=16, role="network")
    width: int = param(192, WIDTH, label="Slice width", unit="pixels", low=16, high=1024, step=16, role="network")
    pixel_mm: float = param(1.0, PIXEL, label="Pixel size", unit="mm", low=0.2, high=10.0, step=0.1, role="network")
    step_mm: float = param(1.0, "Distance between slices", label="Slice distance", unit="mm", low=0.2, high=20.0, step=0.5, role="network")
    sequence: str = param(
        "auto",
        "Of the healthy scans that it learns from; auto = their own",
        label="Learned from",
        choices=("auto", "T1", "T2", "PD", TISSUE),
        role="training",
    )
    intensity_weight: float = param(
        1.0,
        "What the scan's own brightness counts beside the network: tissue that is not bright loses odds; 0 = the network alone",
        label="Weight of intensity",
        low=0.0,
        high=4.0,
        step=0.25,
    )
    segmentation_maps: tuple[int, ...] = maps_setting((16, 32, 64, 128, 128))
    segmentation_smoothing_mm: float = smoothing_setting(0.0)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"tiny": {**AnomalySegmentationParams.PRESETS["tiny"], "step_mm": 2.0}}


class HyperintensitySegmentation(AnomalySegmentation):
    """A U-Net says which pixels of a FLAIR slice are too bright for where they are.

    A method of this project. It learns from healthy scans of another sequence, on which the tissues can be told apart by brightness: their
    slices are made to look like FLAIR of many contrasts, as uneven as healthy brains are, and hyperintensities are put in. The network's
    odds are multiplied by how bright tissue is on the scan's own scale (`with_brightness`).
    """

    Params: ClassVar[type[AnyParams]] = HyperintensityParams
    INFO = replace(
        AnomalySegmentation.INFO,
        id="hyperintensity-segmentation",
        name="Segmentation of synthetic hyperintensities",
        summary="A U-Net trained to segment synthetic hyperintensities in FLAIR slices that are made from the tissue of healthy T1 scans; "
        "what is not bright on the brain's own scale counts less.",
        paper="A method of this project, after Tan et al. 2020 (detecting outliers with foreign patch interpolation), arXiv:2011.04197",
        needs="FLAIR and a brain mask (or a skull-stripped scan)",
        sequences=("FLAIR",),
        learns_from=("T1", "T2", "PD"),
        seconds_per_megavoxel=1.5,
        models_of=(),
    )
    params: HyperintensityParams

    def _task(self) -> HyperintensityTask:
        from .hyperintensity_task import HyperintensityTask
        from .segmentation_task import LesionShare

        lesions = LesionShare(self.params.white_lesion_share, self.params.pixel_mm, self.params.step_mm)
        return HyperintensityTask(NEIGHBOURS, self.params.segmentation_maps, lesions)

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        found = super()._score(volume, mask, seed=seed, progress=progress)
        weight = self.params.intensity_weight
        if weight == 0.0:
            return found
        bright = RobustIntensity(RobustIntensityParams())._score(volume, mask, seed=seed, progress=progress)
        return np.where(mask, with_brightness(found, bright, weight), np.float32(0.0))

    def _slices(self, volume: Volume) -> Slices:
        from .flair_appearance import BRIGHTEST, DARKEST, OFFSET

        slices = to_slices(volume.with_data(robust_scores(volume, volume.brain)), self.params.grid)
        seen = np.where(slices.mask, (slices.data + np.float32(OFFSET)).clip(DARKEST, BRIGHTEST), np.float32(0.0))
        return slices.with_data(seen.astype(np.float32))


def with_brightness(found: NDArray[np.float32], bright: NDArray[np.float32], weight: float, middle: float = BRIGHT) -> NDArray[np.float32]:
    """The network's odds times the evidence of brightness, as a probability.

    Where tissue is clearly bright the network's answer stays; what is not loses.

    Parameters
    ----------
    found : array of float32
        The network's probability.
    bright : array of float32, same shape
        Interquartile ranges of the brain above its mode (`RobustIntensity`).
    weight : float
        Power of the evidence.
    middle : float
        Where the evidence is 0.5.
    """
    from scipy.special import expit, logit

    odds = logit(found.clip(LEAST, 1.0 - LEAST)) + np.float32(weight) * log_evidence(bright, middle, SLOPE)
    return np.asarray(expit(odds), np.float32)
