"""Segmentation of synthetic hyperintensities: a network that has learned what is too bright for its place on FLAIR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.params import Params as AnyParams
from ...core.params import Value, param
from ...core.progress import Progress
from ...core.volume import Volume
from ...sampling.pool import Pool
from ...sampling.slices import Slices, to_slices
from ..base.reconstruction import NetworkDetector, pool_of
from ..intensity.robust_intensity import robust_scores
from .anomaly_segmentation import NEIGHBOURS, AnomalySegmentation, cut_of
from .params import AnomalySegmentationParams
from .tissues import TISSUE, tissues_of

if TYPE_CHECKING:
    from .hyperintensity_task import HyperintensityTask


@dataclass(frozen=True)
class HyperintensityParams(AnomalySegmentationParams):
    """Settings of `HyperintensitySegmentation`."""

    sequence: str = param(
        "auto",
        "Of the healthy scans that it learns from; auto = their own",
        label="Learned from",
        choices=("auto", "T1", "T2", "PD", TISSUE),
        role="training",
    )
    segmentation_maps: tuple[int, ...] = param(
        (16, 32, 64, 128, 128),
        "Feature maps of the segmentation network's levels; each has half the size",
        label="Segmentation maps",
        low=1,
        high=4096,
        most=7,
        advanced=True,
        role="network",
    )
    segmentation_smoothing_mm: float = param(
        0.0,
        "Gaussian smoothing of the segmentation network's probability (sigma)",
        label="Segmentation smoothing",
        unit="mm",
        low=0.0,
        high=20.0,
        step=0.5,
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = AnomalySegmentationParams.PRESETS


class HyperintensitySegmentation(AnomalySegmentation):
    """A U-Net says which pixels of a FLAIR slice are too bright for where they are.

    A method of this project. It learns from healthy scans of another sequence, on which the tissues can be told apart by brightness: their
    slices are made to look like FLAIR of many contrasts, as uneven as healthy brains are, and hyperintensities are put in.
    """

    Params: ClassVar[type[AnyParams]] = HyperintensityParams
    INFO = replace(
        AnomalySegmentation.INFO,
        id="hyperintensity-segmentation",
        name="Segmentation of synthetic hyperintensities",
        summary="A U-Net trained to segment synthetic hyperintensities in FLAIR slices that are made from the tissue of healthy T1 scans.",
        paper="A method of this project, after Tan et al. 2020 (detecting outliers with foreign patch interpolation), arXiv:2011.04197",
        needs="FLAIR and a brain mask (or a skull-stripped scan)",
        sequences=("FLAIR",),
        learns_from=("T1", "T2", "PD"),
        models_of=(),
    )
    params: HyperintensityParams

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `core.detector.Detector`."""
        NetworkDetector.load_state(self, state)

    def _task(self) -> HyperintensityTask:
        from .hyperintensity_task import HyperintensityTask

        return HyperintensityTask(NEIGHBOURS, self.params.segmentation_maps)

    def _pool(self, volumes: Sequence[Volume], before: State, progress: Progress) -> Pool:
        shape = (2 * NEIGHBOURS + 1, self.params.height, self.params.width)

        def tissue(volume: Volume) -> Slices:
            return tissues_of(volume, self.params.sequence, self.params.grid, self.INFO.name).whole

        return pool_of(volumes, lambda volume: cut_of(tissue(volume)), progress, shape)

    def _slices(self, volume: Volume) -> Slices:
        from .flair_appearance import BRIGHTEST, DARKEST, OFFSET

        slices = to_slices(volume.with_data(robust_scores(volume, volume.brain)), self.params.grid)
        seen = np.where(slices.mask, (slices.data + np.float32(OFFSET)).clip(DARKEST, BRIGHTEST), np.float32(0.0))
        return slices.with_data(seen.astype(np.float32))
