"""PatchCore: distance to the nearest of a memory bank of healthy features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.errors import ModelError
from ...core.params import Value, param
from ...core.progress import Progress
from ...core.volume import Volume
from ...sampling.windows import Cut
from ...training.params import TrainingParams
from ..base.stages import EstimateStage, Fitting, Stage
from .common import CARD, TINY, EmbeddingDetector, EmbeddingParams, most_features_setting


@dataclass(frozen=True)
class PatchCoreParams(EmbeddingParams):
    """Settings of `PatchCore`."""

    coreset: float = param(
        10.0, "Share of the features that the memory bank keeps", label="Coreset", unit="%", low=0.01, high=100.0, step=1.0, role="network"
    )
    most_features: int = most_features_setting(100_000)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"backbone": "wide-resnet50", "dimension": 1024, "step_mm": 1.0, "most_features": 0},
        "tiny": {**TINY, "most_features": 3000},
    }


class PatchCore(EmbeddingDetector):
    """Score = Euclidean distance of a place's features to the nearest of the memory bank."""

    Params = PatchCoreParams
    Training: ClassVar[type[TrainingParams] | None] = None
    INFO = replace(
        CARD,
        id="patchcore",
        name="PatchCore",
        summary="Distance of a place's features to the nearest of a memory bank of healthy brains; nothing is trained.",
        paper="Roth et al. 2022, Towards total recall in industrial anomaly detection, CVPR, arXiv:2106.08265",
        score_unit="distance to the nearest healthy features",
        seconds_per_megavoxel=5.0,
        bytes_per_voxel=150.0,
        presets="paper: Wide ResNet-50-2 (its weights from a file), 1024 dimensions, slices of 1 mm, all features. Without a preset: "
        "EfficientNet-Lite0, whose weights a package brings, 256 dimensions, slices of 2 mm, a coreset of 100,000 features. The paper's "
        "weighting of the score of whole images is left out.",
    )
    params: PatchCoreParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`."""
        return (EstimateStage("", self._estimate),)

    def _estimate(self, volumes: Sequence[Volume], how: Fitting) -> State:
        """The memory bank.

        Raises
        ------
        InputError
            If no scan shows brain.
        """
        import torch

        from .coreset import greedy_coreset

        backbone = self.backbone_hash()  # before the scans: weights that are not there are not a scan's fault
        features = self._sampled(volumes, replace(how, progress=how.progress.part(0.0, 0.5)), self.params.most_features)
        count = max(1, round(len(features) * self.params.coreset / 100.0))
        chosen = greedy_coreset(
            torch.from_numpy(features).to(self.device), count, seed=how.seed, progress=how.progress.part(0.5, 1.0)
        ).cpu()
        how.progress.update(1.0, "Memory bank filled")
        return {"bank": features[chosen.numpy()].astype(np.float32), "backbone": backbone}

    def _check(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._check_state(state, {"bank": (2, "f"), "backbone": (1, "u")})
        super()._check(state)
        if len(state["bank"]) == 0 or state["bank"].shape[1] != self.params.dimension:
            why = f"its memory bank has the shape {state['bank'].shape}, and features have {self.params.dimension} dimensions"
            raise ModelError(f"Model of {self.INFO.id}", why=why, fix="Use the settings it was trained with")

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `EmbeddingDetector.load_state`."""
        super().load_state({name: array.astype(np.float32) if name == "bank" else array for name, array in state.items()})

    def shipped_state(self) -> State:
        """See `BaseDetector.shipped_state`: the bank as float16."""
        return {name: array.astype(np.float16) if name == "bank" else array for name, array in self.state().items()}

    def _place_scores(self, cut: Cut, seed: int, progress: Progress) -> NDArray[np.float32]:
        import torch

        from .coreset import nearest_distance

        bank = torch.from_numpy(self._state["bank"]).to(self.device)
        return self._each_place(cut, lambda places: nearest_distance(places, bank, progress), seed, progress)
