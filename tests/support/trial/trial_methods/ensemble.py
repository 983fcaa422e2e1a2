"""The mean of two fitted detectors, of which each is a stage by estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_brain_uad.core.detector import State
from napari_brain_uad.core.params import Params as AnyParams
from napari_brain_uad.core.params import Scalar, param
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.detectors.autoencoder.ae_dense import DenseAE
from napari_brain_uad.detectors.autoencoder.vae import VAE
from napari_brain_uad.detectors.base.detector import BaseDetector
from napari_brain_uad.detectors.base.stages import EstimateStage, Fitting, Stage, of_stage
from napari_brain_uad.training.params import TrainingParams
from trial_methods._cards import card


@dataclass(frozen=True)
class Params(AnyParams):
    """Settings of `Ensemble`."""

    size: int = param(32, "Height and width of slices", low=32, high=256, step=16, role="network")
    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {}}


@dataclass(frozen=True)
class Training(TrainingParams):
    """How its members are trained."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {"steps": 40, "batch_size": 8, "learning_rate": 0.001}}


class Ensemble(BaseDetector):
    """Members are whole detectors."""

    Params = Params
    Training = Training
    REQUIRES = ("torch",)
    INFO = card("trial-ensemble", "Ensemble of two")
    params: Params

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        settings = {"height": self.params.size, "width": self.params.size, "pixel_mm": 1.5, "score": "brighter"}
        kinds: dict[str, type[BaseDetector]] = {"ae": DenseAE, "vae": VAE}
        self._members = {name: kind(kind.Params.from_dict(settings)) for name, kind in kinds.items()}

    def stages(self) -> tuple[Stage, ...]:
        return tuple(EstimateStage(name, lambda volumes, how, name=name: self._fitted(name, volumes, how)) for name in self._members)

    def _fitted(self, name: str, volumes: Sequence[Volume], how: Fitting) -> State:
        # Another of its kind: until all are fitted, this detector stays as it was.
        member = type(self._members[name])(self._members[name].params)
        member.device = self.device
        member.fit(volumes, seed=how.seed, progress=how.progress, training=how.training, session=how.session)
        return member.state()

    def state(self) -> State:
        return {f"{name}.{key}": array for name, member in self._members.items() for key, array in member.state().items()}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        from napari_brain_uad.core.errors import ModelError

        if state and {name.partition(".")[0] for name in state} != set(self._members):
            raise ModelError(f"Model of {self.INFO.id}", why="its members are others", fix="Load a model trained with this method")
        for name, member in self._members.items():
            member.load_state(of_stage(name, state))

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        count = len(self._members)
        found = []
        for number, member in enumerate(self._members.values()):
            member.device = self.device
            part = progress.part(number / count, (number + 1) / count)
            found.append(member.score(volume.with_mask(mask), seed=seed, progress=part).score)
        return np.mean(found, axis=0, dtype=np.float32)
