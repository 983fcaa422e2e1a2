"""One-class support vector machine: whether the features of a place lie where those of healthy brains are dense.

Schölkopf, Platt, Shawe-Taylor, Smola, Williamson: "Estimating the support of a high-dimensional distribution" (Neural Computation
13(7), 2001, doi:10.1162/089976601750264965).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.errors import ModelError
from ...core.optional import require
from ...core.params import Value, param
from ...core.progress import Progress
from ...core.volume import Volume
from ...sampling.windows import Cut
from ...training.params import TrainingParams
from ..base.stages import EstimateStage, Fitting, Stage
from .common import CARD, TINY, EmbeddingDetector, EmbeddingParams, most_features_setting, standardise_setting

if TYPE_CHECKING:
    import torch


_SHAPES = {"vectors": (2, "f"), "weights": (1, "f"), "machine": (1, "f"), "scale": (2, "f"), "backbone": (1, "u")}


@dataclass(frozen=True)
class OneClassSVMParams(EmbeddingParams):
    """Settings of `OneClassSVM`."""

    standardise: bool = standardise_setting()
    outliers: float = param(
        5.0, "Share of the healthy features that may lie outside (nu)", label="Outliers", unit="%", low=0.1, high=99.0, step=1.0,
        role="network",
    )  # fmt: skip
    kernel: float = param(
        1.0,
        "Width of the kernel: exp(-squared distance / (width D variance))",
        label="Kernel width",
        low=0.001,
        high=1000.0,
        step=0.5,
        role="network",
    )
    most_features: int = most_features_setting(10_000)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"backbone": "wide-resnet50", "dimension": 1024},
        "tiny": {**TINY, "most_features": 1000},
    }


class OneClassSVM(EmbeddingDetector):
    """Score = the offset minus the weighted mean of the kernel between a place's features and the support vectors."""

    Params = OneClassSVMParams
    Training: ClassVar[type[TrainingParams] | None] = None
    INFO = replace(
        CARD,
        id="oc-svm",
        name="One-class support vector machine",
        summary="How far features lie outside the region that holds nearly all healthy ones; the region is found in one go.",
        paper="Schölkopf et al. 2001, Estimating the support of a high-dimensional distribution, Neural Computation 13(7), "
        "doi:10.1162/089976601750264965",
        score_unit="offset minus kernel density of the support vectors; above 0 lies outside",
        seconds_per_megavoxel=1.0,
        bytes_per_voxel=100.0,
        presets="The method knows no features of its own; here they are PatchCore's. paper: Wide ResNet-50-2 (its weights from a file) "
        "with 1024 dimensions. Without a preset: EfficientNet-Lite0, 256 dimensions. In both 5 % of the healthy features may lie outside "
        "(our choice), the kernel is as wide as scikit-learn's default (gamma = 1 / (D variance)), and the machine is found from 10,000 "
        "features drawn at random, as its cost grows with their square.",
    )
    params: OneClassSVMParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`."""
        return (EstimateStage("", self._estimate),)

    def _estimate(self, volumes: Sequence[Volume], how: Fitting) -> State:
        """Support vectors, their weights, which add up to 1, and (offset, gamma) as the machine; scores need no scikit-learn.

        Raises
        ------
        InputError
            If no scan shows brain, or scikit-learn is not installed.
        """
        require("sklearn", what_for=f"{self.INFO.id} cannot be trained")
        from sklearn.svm import OneClassSVM as Machine

        backbone = self.backbone_hash()  # before the scans: weights that are not there are not a scan's fault
        features = self._sampled(volumes, replace(how, progress=how.progress.part(0.0, 0.8)), self.params.most_features)
        scale = self._scale(features)
        places = (features - scale[0]) / scale[1]
        how.progress.update(0.8, f"Machine from {len(places)} features")
        gamma = 1.0 / (self.params.kernel * places.shape[1] * max(float(places.var()), 1e-12))
        machine = Machine(nu=self.params.outliers / 100.0, gamma=gamma).fit(places)
        total = machine.dual_coef_.sum()
        how.progress.update(1.0, "Machine found")
        return {
            "vectors": machine.support_vectors_.astype(np.float32),
            "weights": (machine.dual_coef_[0] / total).astype(np.float32),
            "machine": np.array([machine.offset_[0] / total, gamma], np.float32),
            "scale": scale.astype(np.float32),
            "backbone": backbone,
        }

    def _scale(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Mean and deviation of features (N, D), shape (2, D); 0 and 1 where they are left as they are."""
        from .features import scale_of

        if self.params.standardise:
            return np.stack([part.numpy() for part in scale_of(features)])
        return np.stack([np.zeros(features.shape[1], np.float32), np.ones(features.shape[1], np.float32)])

    def _check(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._check_state(state, _SHAPES)
        super()._check(state)
        count, dimension = len(state["vectors"]), self.params.dimension
        shapes = {"vectors": (count, dimension), "weights": (count,), "machine": (2,), "scale": (2, dimension)}
        wrong = [name for name, shape in shapes.items() if state[name].shape != shape]
        if wrong or count == 0 or state["machine"][1] <= 0 or (state["scale"][1] <= 0).any():
            why = f"its {wrong[0] if wrong else 'kernel or scale'} cannot be that of a machine on {dimension} features"
            raise ModelError(f"Model of {self.INFO.id}", why=why, fix="Use the settings it was trained with")

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `EmbeddingDetector.load_state`."""
        super().load_state({name: array.astype(np.float32) if name == "vectors" else array for name, array in state.items()})

    def shipped_state(self) -> State:
        """See `BaseDetector.shipped_state`: the vectors as float16."""
        return {name: array.astype(np.float16) if name == "vectors" else array for name, array in self.state().items()}

    def _place_scores(self, cut: Cut, seed: int, progress: Progress) -> NDArray[np.float32]:
        import torch

        from .kernel import kernel_mean

        state = {name: torch.from_numpy(array).to(self.device) for name, array in self._state.items()}
        (offset, gamma), (mean, deviation) = self._state["machine"].tolist(), state["scale"]

        def outside(places: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = offset - kernel_mean((places - mean) / deviation, state["vectors"], state["weights"], gamma, progress)
            return scores

        return self._each_place(cut, outside, seed, progress)
