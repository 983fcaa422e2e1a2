"""CutPaste: a backbone tuned to tell slices from the same with a piece pasted, and the density of its healthy features.

Li, Sohn, Yoon, Pfister: "CutPaste: Self-supervised learning for anomaly detection and localization" (CVPR 2021, arXiv:2104.04015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.errors import ModelError
from ...core.params import Value, param
from ...core.progress import Progress
from ...core.volume import Volume
from ...sampling.pool import Pool
from ...sampling.windows import Cut, Windows
from ...training.params import TrainingParams
from ..base.reconstruction import pool_of
from ..base.stages import EstimateStage, Fitting, GradientStage, Stage, of_stage
from .common import CARD, TINY, EmbeddingDetector, EmbeddingParams, most_features_setting

if TYPE_CHECKING:
    from .cutpaste_task import CutPasteTask
    from .features import PatchFeatures

_NETWORK, _DENSITY = "classifier", "density"


@dataclass(frozen=True)
class CutPasteParams(EmbeddingParams):
    """Settings of `CutPaste`."""

    patch: int = param(
        64, "Side of the patches that are told apart, which overlap by half; 0 = whole slices", label="Patch", unit="pixels", low=0,
        high=1024, step=32, role="network",
    )  # fmt: skip
    most_features: int = most_features_setting(50_000)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"backbone": "resnet18", "height": 256, "width": 256, "levels": (3,), "dimension": 256},
        "tiny": {**TINY, "patch": 0, "most_features": 3000},
    }


@dataclass(frozen=True)
class CutPasteTraining(TrainingParams):
    """Stochastic gradient descent with step size 0.03, momentum 0.9, weight decay 3e-5, along half a cosine, batches of 64."""

    steps: int = param(2000, "Batches to train on", low=1, high=10_000_000, step=1000)
    batch_size: int = param(64, "Patches in a batch, over all devices together; each is seen three times", low=1, high=65_536, step=8)
    learning_rate: float = param(0.03, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.01)
    optimizer: str = param("sgd", "Optimizer; sgd has the momentum β1", choices=("sgd", "adam", "adamw"))
    weight_decay: float = param(3e-5, "Weight decay", low=0.0, high=1.0, step=0.00001, advanced=True)
    schedule: str = param(
        "cosine", "Course of the learning rate over the steps", label="Learning rate schedule", choices=("constant", "cosine")
    )
    augmentation: str = param("none", "Random changes of the training patches beside the pasting", choices=("none", "flip"))

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"paper": {}, "tiny": {"steps": 10, "batch_size": 4, "learning_rate": 0.01}}


class CutPaste(EmbeddingDetector):
    """Score = Mahalanobis distance of a place's features from the healthy ones, over the root of their number."""

    Params = CutPasteParams
    Training = CutPasteTraining
    INFO = replace(
        CARD,
        id="cutpaste",
        name="CutPaste",
        summary="A backbone learns to see pieces pasted into healthy slices; features far from the healthy ones are abnormal.",
        paper="Li, Sohn, Yoon, Pfister 2021, CutPaste: Self-supervised learning for anomaly detection and localization, CVPR, "
        "arXiv:2104.04015",
        score_unit="Mahalanobis distance of features over the root of their number",
        seconds_per_megavoxel=0.75,
        bytes_per_voxel=100.0,
        presets="3-way: untouched, a rectangle of 2 to 15 % of the area, a scar of 2 to 16 by 10 to 25 pixels. paper: ResNet-18 (its "
        "weights from a file), level 3 of slices of 256 x 256 pixels. Without a preset: EfficientNet-Lite0, levels 2 and 3, 192 x 192. "
        "Pieces come from and go to the brain. The density is one Gaussian over the places of a level, which stand for the paper's "
        "patches, 4 pixels apart; its covariance has 1 % of the mean variance added. Running statistics of the backbone stay.",
    )
    params: CutPasteParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: which backbone it began with, the classifier, and the density of its features."""
        return (
            EstimateStage("", lambda volumes, how: {"backbone": self.backbone_hash()}),
            GradientStage(_NETWORK, lambda _: self._task(), self._patches),
            EstimateStage(_DENSITY, self._estimate),
        )

    def _task(self) -> CutPasteTask:
        from .cutpaste_task import CutPasteTask

        return CutPasteTask(self.params.backbone, self.params.backbone_file, self.params.levels)

    def _patches(self, volumes: Sequence[Volume], before: State, progress: Progress) -> Pool:
        side = self.params.patch
        windows = Windows(size=(side, side), step=(side // 2, side // 2)) if side else Windows()
        shape = (self.CHANNELS, *(windows.size or (self.params.height, self.params.width)))
        return pool_of(volumes, lambda volume: Cut([self._slices(volume)], windows), progress, shape)

    def _estimate(self, volumes: Sequence[Volume], how: Fitting) -> State:
        """Mean and whitening of the tuned features of healthy places."""
        from ..base.network_state import network_with
        from .density import fit_gaussian
        from .tuning import tuned_backbone

        network, _ = network_with(self._task().build, of_stage(_NETWORK, how.before), "The tuned encoder")
        extract = self._features_of(tuned_backbone(self.params.backbone, network.to(self.device)))
        return fit_gaussian(self._sampled(volumes, how, self.params.most_features, extract))

    def features(self) -> PatchFeatures:
        """See `EmbeddingDetector.features`: of the tuned encoder."""
        from .tuning import tuned_backbone

        return self._features_of(tuned_backbone(self.params.backbone, self.network(_NETWORK)))

    def _belongs(self, state: Mapping[str, NDArray[Any]]) -> bool:
        return True  # the tuned encoder is part of the model

    def _check(self, state: Mapping[str, NDArray[Any]]) -> None:
        super()._check(state)
        self._refuse_foreign(state)
        density, dimension = of_stage(_DENSITY, state), self.params.dimension
        self._check_state(density, {"mean": (1, "f"), "whitening": (2, "f")})
        if density["mean"].shape != (dimension,) or density["whitening"].shape != (dimension, dimension):
            why = f"its density has {len(density['mean'])} dimensions, and features have {dimension}"
            raise ModelError(f"Model of {self.INFO.id}", why=why, fix="Use the settings it was trained with")

    def _place_scores(self, cut: Cut, seed: int, progress: Progress) -> NDArray[np.float32]:
        import torch

        from .density import mahalanobis_distance

        density = of_stage(_DENSITY, self._state)
        mean, whitening = (torch.from_numpy(density[name]).to(self.device) for name in ("mean", "whitening"))
        return self._each_place(cut, lambda places: mahalanobis_distance(places, mean, whitening), seed, progress)
