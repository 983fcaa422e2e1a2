"""The mean of two fitted detectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_brain_uad.core.params import Params as AnyParams
from napari_brain_uad.core.params import Scalar, param
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.detectors.autoencoder.ae_dense import DenseAE
from napari_brain_uad.detectors.autoencoder.vae import VAE
from napari_brain_uad.detectors.base.detector import BaseDetector
from napari_brain_uad.detectors.base.ensemble import Ensemble, Maps
from napari_brain_uad.training.params import TrainingParams
from trial_methods._cards import card


@dataclass(frozen=True)
class Params(AnyParams):
    """Settings of `TrialEnsemble`."""

    size: int = param(32, "Height and width of slices", low=32, high=256, step=16, role="network")
    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {}}


@dataclass(frozen=True)
class Training(TrainingParams):
    """How its members are trained."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {"steps": 40, "batch_size": 8, "learning_rate": 0.001}}


class TrialEnsemble(Ensemble):
    """Members are whole detectors."""

    Params = Params
    Training = Training
    REQUIRES = ("torch",)
    INFO = card("trial-ensemble", "Ensemble of two")
    params: Params

    def _members(self) -> dict[str, BaseDetector]:
        settings = {"height": self.params.size, "width": self.params.size, "pixel_mm": 1.5, "score": "brighter"}
        kinds: dict[str, type[BaseDetector]] = {"ae": DenseAE, "vae": VAE}
        return {name: kind(kind.Params.from_dict(settings)) for name, kind in kinds.items()}

    def _combined(self, maps: Maps, volume: Volume) -> NDArray[np.float32]:
        return np.mean(list(maps.values()), axis=0, dtype=np.float32)
