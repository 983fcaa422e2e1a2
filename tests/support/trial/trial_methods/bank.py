"""Distance to a bank of features of healthy samples, from a frozen random network; scikit-learn finds the nearest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_brain_uad.core.detector import State
from napari_brain_uad.core.params import Scalar, param
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.detectors.base.reconstruction import NetworkDetector, ReconstructionParams, pool_of
from napari_brain_uad.detectors.base.stages import EstimateStage, Fitting, Stage
from napari_brain_uad.sampling.slices import to_slices
from napari_brain_uad.sampling.windows import Cut, Windows
from napari_brain_uad.training.params import TrainingParams
from trial_methods._cards import card


@dataclass(frozen=True)
class Params(ReconstructionParams):
    """Settings of `MemoryBank`."""

    size: int = param(500, "Features that are kept", low=10, high=100_000, role="network")
    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"tiny": {"height": 32, "width": 32, "pixel_mm": 1.5}}


class MemoryBank(NetworkDetector):
    """No gradients: a stage by estimate, and a state that is no network's."""

    Params = Params
    Training: ClassVar[type[TrainingParams] | None] = None
    INFO = card("trial-bank", "Memory bank")
    params: Params

    def stages(self) -> tuple[Stage, ...]:
        return (EstimateStage("bank", self._estimate),)

    def cut(self, volume: Volume) -> Cut:
        middle = float(np.median(volume.data if volume.mask is None else volume.data[volume.mask]))
        return Cut([to_slices(volume.with_data(volume.data / np.float32(middle)), self.params.grid)], Windows(neighbours=1))

    def _estimate(self, volumes: Sequence[Volume], how: Fitting) -> State:
        pool = pool_of(volumes, self.cut, how.progress, (3, self.params.height, self.params.width))
        features = self._features(pool.images(range(len(pool))).astype(np.float32))[pool.brain(range(len(pool)))]
        chosen = np.random.default_rng(how.seed).choice(len(features), min(self.params.size, len(features)), replace=False)
        how.progress.update(1.0, "Bank filled")
        return {"features": features[chosen], "seen": np.array(len(features), np.int64)}

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        if state:
            self._check_state(state, {"bank.features": (2, "f"), "bank.seen": (0, "i")})
        super().load_state(state)

    def _features(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """A slice, and the mean of the three, at every pixel: (n, H, W, 2)."""
        return np.stack([images[:, 1], images.mean(axis=1)], axis=-1)

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        from sklearn.neighbors import NearestNeighbors

        from napari_brain_uad.core.errors import ModelError

        if not self._state:
            raise ModelError(f"{self.INFO.id} has not been trained", fix="Train it")
        nearest = NearestNeighbors(n_neighbors=1).fit(self._state["bank.features"])
        cut = self.cut(volume.with_mask(mask))
        scores = np.zeros((len(cut), *cut.shape[1:]), np.float32)
        for row in range(len(cut)):
            progress.update(row / len(cut), f"Slice {row + 1} of {len(cut)}")
            brain = cut.brain([row])
            if brain.any():
                scores[row : row + 1][brain] = nearest.kneighbors(self._features(cut.images([row]))[brain])[0][:, 0]
        return cut.back(scores)
