"""CRADL: the gradient of a density of contrastive representations with respect to the slice.

Lüth et al.: "CRADL: Contrastive representations for unsupervised anomaly detection and localization" (2023, arXiv:2301.02126).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.errors import InputError, ModelError
from ...core.optional import require
from ...core.params import Value, param
from ...core.volume import Volume
from ...sampling.pool import enough_brain
from ...scoring.gradient import input_gradient
from ...training.params import TrainingParams
from ..base.card import LEARNED
from ..base.stages import EstimateStage, Fitting, GradientStage, Stage, of_stage
from .common import MapDetector, SmoothedParams, brightest_setting, up_to_brightest

if TYPE_CHECKING:
    import torch

    from .cradl_task import ContrastiveTask

_ENCODER, _MIXTURE = "encoder", "mixture"


@dataclass(frozen=True)
class CRADLParams(SmoothedParams):
    """Settings of `CRADL`."""

    brightest: float = brightest_setting()
    latent: int = param(128, "Numbers of a slice's representation", label="Latent dimensions", low=2, high=4096, step=16, role="network")
    components: int = param(4, "Gaussians of the mixture", label="Components", low=1, high=100, role="network")
    score: str = param(
        "gradient", "Absolute gradient of the negative log-density by the intensities, or that density itself, of the whole slice",
        label="Anomaly score", choices=("gradient", "density"),
    )  # fmt: skip
    temperature: float = param(
        0.5, "Temperature of the contrastive loss", label="Temperature", low=0.01, high=10.0, step=0.1, advanced=True, role="training"
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"latent": 512, "components": 8},
        "tiny": {"height": 64, "width": 64, "pixel_mm": 0.6, "latent": 64, "brightest": 97.0, "smoothing_mm": 2.0},
    }


@dataclass(frozen=True)
class CRADLTraining(TrainingParams):
    """Adam with step size 1e-4 on batches of 64 slices, each seen in two views."""

    steps: int = param(4000, "Batches to train on", low=1, high=10_000_000, step=1000)
    batch_size: int = param(64, "Slices in a batch, over all devices together; a slice is told from the others", low=2, high=65_536, step=8)
    augmentation: str = param("none", "Random changes of the training slices beside those of the views", choices=("none", "flip"))

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "tiny": {"steps": 15, "batch_size": 8, "learning_rate": 0.001},
    }


class CRADL(MapDetector):
    """Score = absolute gradient of the negative log-density of a slice's representation, at each pixel."""

    Params = CRADLParams
    Training = CRADLTraining
    INFO = replace(
        LEARNED,
        id="cradl",
        name="Contrastive representations (CRADL)",
        family="Embedding",
        summary="Slices are represented by contrastive learning; where a change would make the representation more likely is the score.",
        paper="Lüth et al. 2023, CRADL: Contrastive representations for unsupervised anomaly detection and localization, arXiv:2301.02126; "
        "SimCLR: Chen et al. 2020, arXiv:2002.05709",
        score_unit="absolute gradient of the negative log-density per latent number",
        colour_limits=None,
        seconds_per_megavoxel=0.4,
        bytes_per_voxel=70.0,
        presets="paper: 512 numbers a slice, a mixture of 8 Gaussians. Without a preset: 128 and 4. The encoder is Baur's with a dense "
        "layer; views are turned by up to 15 degrees, scaled by 20 %, moved by 10 %, mirrored, 30 % brighter or darker, with noise of 0.05 "
        "(our choice), temperature 0.5. Covariances have 1 % of the mean variance added. scikit-learn fits the mixture; no score needs it.",
    )
    params: CRADLParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: the encoder, and the mixture of its representations."""
        return (GradientStage(_ENCODER, lambda _: self._task(), self._pool), EstimateStage(_MIXTURE, self._estimate))

    def _prepare(self, volume: Volume) -> Volume:
        return up_to_brightest(volume, self.params.brightest)

    def _task(self) -> ContrastiveTask:
        from .cradl_task import ContrastiveEncoder, ContrastiveTask

        p, size = self.params, (self.params.height, self.params.width)
        return ContrastiveTask(lambda: ContrastiveEncoder(self.CHANNELS, size, p.latent, max(2, p.latent // 2)), p.temperature)

    def _estimate(self, volumes: Sequence[Volume], how: Fitting) -> State:
        """The mixture of the representations of healthy slices.

        Raises
        ------
        InputError
            If no scan shows brain, or scikit-learn is not installed.
        """
        require("sklearn", what_for=f"{self.INFO.id} cannot be trained")
        from ..base.network_state import network_with
        from .density import fit_mixture

        network, _ = network_with(self._task().build, of_stage(_ENCODER, how.before), "The encoder")
        network.to(self.device)
        found = [np.empty((0, self.params.latent), np.float32)]
        for number, volume in enumerate(volumes):
            cut, part = self.cut(volume), how.progress.part(number / len(volumes), (number + 1) / len(volumes))
            seen = self._over(cut, lambda batch, _: network(batch.images), (self.params.latent,), how.seed, part)
            found.append(seen[enough_brain(cut)])
        slices = np.concatenate(found)
        if len(slices) < 2:
            raise InputError(
                "There is nothing to learn from", why="fewer than two slices show brain", fix="Give healthy scans of whole brains"
            )
        return fit_mixture(slices, self.params.components, how.seed)

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `core.detector.Detector`."""
        if state:
            mixture, latent = of_stage(_MIXTURE, state), self.params.latent
            self._check_state(mixture, {"weights": (1, "f"), "means": (2, "f"), "factors": (3, "f")})
            count = len(mixture["weights"])
            if count == 0 or mixture["means"].shape != (count, latent) or mixture["factors"].shape != (count, latent, latent):
                why = f"its mixture is not one of representations of {latent} numbers"
                raise ModelError(f"Model of {self.INFO.id}", why=why, fix="Use the settings it was trained with")
        super().load_state(state)

    def _mapping(self) -> Callable[[torch.Tensor], torch.Tensor]:
        import torch

        from .density import mixture_log_density

        network, mixture = self.network(_ENCODER), of_stage(_MIXTURE, self._state)
        arrays = [torch.from_numpy(mixture[name]).to(self.device) for name in ("weights", "means", "factors")]

        def unlikely(images: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = -mixture_log_density(network(images), *arrays) / self.params.latent
            return found

        def everywhere(images: torch.Tensor) -> torch.Tensor:
            return unlikely(images)[:, None, None].expand(-1, *images.shape[2:])

        scores: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"gradient": partial(input_gradient, unlikely), "density": everywhere}
        return scores[self.params.score]
