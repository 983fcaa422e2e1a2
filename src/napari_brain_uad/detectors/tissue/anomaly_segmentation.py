"""Segmentation of synthetic anomalies: a network that has learned what does not belong to the brain around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.params import Params as AnyParams
from ...core.progress import Progress
from ...core.volume import Volume
from ...sampling.pool import Pool
from ...sampling.slices import Slices
from ...sampling.windows import Cut, Windows
from ..base.reconstruction import NetworkDetector, check_size, pool_of
from ..base.smoothing import smoothed
from ..base.stages import GradientStage, Stage, of_stage
from .params import SEGMENTATION, AnomalySegmentationParams, SegmentationTraining
from .tissues import CARD, tissues_of

if TYPE_CHECKING:
    import torch

    from ...training.batch import Batch
    from ...training.draws import Draw
    from .segmentation_task import SegmentationTask

NEIGHBOURS = 2
"""Slices that are seen on either side."""


class AnomalySegmentation(NetworkDetector):
    """A U-Net says which pixels of a slice are anomalous; it is trained on healthy slices with synthetic anomalies.

    A method of this project after the self-supervised detection of Tan et al., on the scale of tissue, so that one model serves every
    sequence. A scan that holds tissue classes already is taken as it is.
    """

    Params: ClassVar[type[AnyParams]] = AnomalySegmentationParams
    Training = SegmentationTraining
    INFO = replace(
        CARD,
        id="anomaly-segmentation",
        name="Segmentation of synthetic anomalies",
        family="Self-supervised",
        summary="Tissue instead of intensities, and a U-Net trained to segment synthetic anomalies in healthy slices.",
        paper="A method of this project, after Tan et al. 2020 (detecting outliers with foreign patch interpolation), arXiv:2011.04197",
        score_unit="probability from 0 to 1",
        seconds_per_megavoxel=0.5,
        models_of=("tissue-ensemble",),
    )
    params: AnomalySegmentationParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        check_size(self.params, 1 << (len(self.params.segmentation_maps) - 1))

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`."""
        return (GradientStage("", lambda _: self._task(), self._pool),)

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a model of its own, or the part of an ensemble's that is its own; see `core.detector.Detector`."""
        super().load_state(of_stage(SEGMENTATION, state) or state)

    def _task(self) -> SegmentationTask:
        from .segmentation_task import LesionShare, SegmentationTask

        lesions = LesionShare(self.params.white_lesion_share, self.params.pixel_mm, self.params.step_mm)
        return SegmentationTask(NEIGHBOURS, self.params.segmentation_maps, self.params.augmentation_strength, lesions)

    def _pool(self, volumes: Sequence[Volume], before: State, progress: Progress) -> Pool:
        shape = (2 * NEIGHBOURS + 1, self.params.height, self.params.width)
        return pool_of(volumes, lambda volume: _cut(self._tissue(volume)), progress, shape)

    def _slices(self, volume: Volume) -> Slices:
        """What the network sees of a scan that is scored."""
        return self._tissue(volume)

    def _tissue(self, volume: Volume) -> Slices:
        return tissues_of(volume, self.params.sequence, self.params.grid, self.INFO.name).whole

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        import torch

        network, slices, width = self.network(), self._slices(volume.with_mask(mask)), self.params.segmentation_smoothing_mm

        def probability(batch: Batch, draw: Draw) -> torch.Tensor:
            """From the mean log odds of slices and of their mirror images, shape (B, H, W)."""
            with torch.no_grad():
                logits = (network(batch.images) + network(batch.images.flip(-1)).flip(-1)) / 2.0
            found: torch.Tensor = logits.float().sigmoid()
            return found

        cut = _cut(slices)
        found = slices.back(self._over(cut, probability, cut.shape[1:], seed, progress))
        return smoothed(found, mask, volume.grid.spacing, width) if width > 0 else found


def _cut(slices: Slices) -> Cut:
    return Cut([slices], Windows(neighbours=NEIGHBOURS))
