"""SimpleNet: a discriminator of healthy features from the same with noise.

Liu, Zhou, Xu, Wang: "SimpleNet: A simple network for image anomaly detection and localization" (CVPR 2023, arXiv:2303.15140).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.params import Value, param
from ...core.progress import Progress
from ...core.volume import Volume
from ...sampling.windows import Cut
from ..base.stages import EstimateStage, GradientStage, Stage
from .common import (
    CARD,
    TINY,
    EmbeddingDetector,
    EmbeddingParams,
    PlaceTraining,
    brightest_setting,
    noise_setting,
    standardise_setting,
    up_to_brightest,
)

if TYPE_CHECKING:
    from ...training.sources import ArraySamples
    from .features import PatchFeatures, Scale
    from .simplenet_task import AdaptedDiscriminator, SimpleNetTask

_NETWORK = "discriminator"
_AT_ONCE = 8192


@dataclass(frozen=True)
class SimpleNetParams(EmbeddingParams):
    """Settings of `SimpleNet`."""

    standardise: bool = standardise_setting()
    brightest: float = brightest_setting()
    aggregation: int = param(
        1, "Slices whose features are averaged into one, as in SimpleSliceNet's ablations; 1 = each by itself",
        label="Slice aggregation", low=1, high=64, role="network",
    )  # fmt: skip
    hidden: int = param(1024, "Hidden numbers of the discriminator", label="Hidden numbers", low=1, high=65_536, step=64, role="network")
    noise: float = noise_setting()

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"backbone": "wide-resnet50", "dimension": 1536, "standardise": False, "noise": 0.015},
        "tiny": {**TINY, "hidden": 64, "noise": 1.0, "brightest": 97.0},
    }


@dataclass(frozen=True)
class SimpleNetTraining(PlaceTraining):
    """Adam with step size 2e-4 (the adapter's is half of it) and weight decay 1e-5. The paper trains for 160 epochs of 4 images."""

    learning_rate: float = param(
        2e-4, "Step size of the discriminator's optimizer; the adapter's is half of it", low=0.0, high=10.0, step=0.0001
    )
    weight_decay: float = param(1e-5, "Weight decay", low=0.0, high=1.0, step=0.00001, advanced=True)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "tiny": {"steps": 200, "batch_size": 256, "learning_rate": 0.003},
    }


class SimpleNet(EmbeddingDetector):
    """Score = the negative of what the discriminator gives for a place's features."""

    Params = SimpleNetParams
    Training = SimpleNetTraining
    INFO = replace(
        CARD,
        id="simplenet",
        name="SimpleNet",
        summary="A discriminator learns to tell healthy features from the same with noise; what it takes for noisy is abnormal.",
        paper="Liu, Zhou, Xu, Wang 2023, SimpleNet: A simple network for image anomaly detection and localization, CVPR, arXiv:2303.15140",
        score_unit="negative output of the discriminator, trained to be -0.5 for healthy features and 0.5 for noisy ones",
        seconds_per_megavoxel=1.0,
        bytes_per_voxel=150.0,
        presets="paper: Wide ResNet-50-2 (its weights from a file), 1536 dimensions, features as they are with noise 0.015. Without a "
        "preset: EfficientNet-Lite0, 256 dimensions, standardised features with noise 0.5.",
    )
    params: SimpleNetParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: which backbone it was, and the discriminator."""
        scale: list[Scale] = []  # of the training's features, the first that are asked for
        return (
            EstimateStage("", lambda volumes, how: {"backbone": self.backbone_hash()}),
            GradientStage(_NETWORK, lambda _: self._task(scale), partial(self._samples, scale)),
        )

    def _prepare(self, volume: Volume) -> Volume:
        return up_to_brightest(volume, self.params.brightest)

    def _task(self, scale: Sequence[Scale]) -> SimpleNetTask:
        from .simplenet_task import SimpleNetTask

        return SimpleNetTask(partial(self._make, scale), self.params.noise)

    def _make(self, scale: Sequence[Scale]) -> AdaptedDiscriminator:
        from .simplenet_task import AdaptedDiscriminator

        return AdaptedDiscriminator(self.params.dimension, self.params.hidden, *(scale[0] if scale else ()))

    def _samples(self, scale: list[Scale], volumes: Sequence[Volume], before: State, progress: Progress) -> ArraySamples:
        """Features of healthy places, shape (N, D); computed once, kept as float16."""
        from ...training.sources import ArraySamples
        from .features import scale_of

        found = [np.empty((0, self.params.dimension), np.float16)]
        for number, volume in enumerate(volumes):
            found.append(self._healthy(volume, 0, progress.part(number / len(volumes), (number + 1) / len(volumes))))
        places = np.concatenate(found)
        if self.params.standardise and not scale and len(places):
            scale.append(scale_of(places))
        return ArraySamples(places)

    def _healthy(self, volume: Volume, seed: int, progress: Progress, extract: PatchFeatures | None = None) -> NDArray[np.float16]:
        pooled, cells = self._pooled(extract or self.features(), self.cut(volume), seed, progress)
        return np.asarray(pooled[cells], np.float16)

    def _pooled(self, extract: PatchFeatures, cut: Cut, seed: int, progress: Progress) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        from .aggregation import pooled_places

        places = self._all_places(extract, cut, seed, progress)
        return pooled_places(places, cut.slices.mask, self.params.aggregation, self.cells())

    def _place_scores(self, cut: Cut, seed: int, progress: Progress) -> NDArray[np.float32]:
        import torch

        network = self.network(_NETWORK)
        if self.params.aggregation == 1:  # slice by slice, which takes less memory
            return self._each_place(cut, lambda places: -network(places), seed, progress)
        pooled, cells = self._pooled(self.features(), cut, seed, progress.part(0.0, 0.9))
        scores = np.zeros(cells.shape, np.float32)
        with torch.no_grad():
            found = [-network(places.to(self.device)).cpu() for places in torch.split(torch.from_numpy(pooled[cells]), _AT_ONCE)]
        scores[cells] = torch.cat(found).numpy() if found else 0.0
        return scores

    def _check(self, state: Mapping[str, NDArray[Any]]) -> None:
        super()._check(state)
        self._refuse_foreign(state)
