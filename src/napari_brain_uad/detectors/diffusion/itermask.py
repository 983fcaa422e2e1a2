"""Iterative masking: a mask over the brain loses what a network restores well, until what remains cannot be restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.errors import InputError
from ...core.params import Value, param
from ...core.volume import Volume
from ...training.params import TrainingParams
from ..base.reconstruction import ReconstructionDetector, ReconstructionParams
from ..base.stages import EstimateStage, Fitting, GradientStage, Stage, of_stage
from .common import CARD

if TYPE_CHECKING:
    import torch

    from ...inference.reconstruction import Inference
    from ..nets.diffusion_unet import DiffusionUNet
    from .itermask_task import FirstTask, SecondTask

_FIRST, _SECOND, _LIMIT = "first", "second", "limit"
_LOW, _HIGH = 2.0, 90.0
"""Percentiles of the brain that become 0 and 1."""


@dataclass(frozen=True)
class IterMaskParams(ReconstructionParams):
    """Settings of `IterMask`."""

    score: str = param("l2", "How slice and reconstruction are compared where the mask remains", choices=("l2", "l1", "brighter", "darker"))
    base_channels: int = param(
        32, "Channels of the U-Nets' first level; a multiple of 8", label="Base channels", low=8, high=512, step=8, role="network"
    )
    multipliers: tuple[int, ...] = param(
        (1, 1, 2, 3, 4), "Channels of the levels as multiples of the first's; each level halves the slice", label="Channel multipliers",
        low=1, high=16, most=6, role="network",
    )  # fmt: skip
    blocks: int = param(2, "Residual blocks of a level", label="Residual blocks", low=1, high=8, role="network")
    radius: int = param(
        15, "Frequencies below it, in periods a slice, are left out of the guide", label="Frequency radius", low=1, high=512, role="network"
    )
    quantile: float = param(
        0.8, "Quantile of the errors on healthy slices that a pixel's has to exceed to stay masked", label="Error quantile", low=0.0,
        high=1.0, step=0.05, role="training",
    )  # fmt: skip
    kept: float = param(
        0.6, "Share of the brain that stays masked after the first network", label="Masked at first", low=0.01, high=1.0, step=0.05
    )
    least_change: float = param(
        0.01, "The mask is final when it shrinks by a smaller share", label="Least change", low=0.0, high=1.0, step=0.01
    )
    iterations: int = param(50, "Times that the mask shrinks at most", label="Iterations", low=1, high=1000)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "tiny": {
            "height": 32, "width": 32, "pixel_mm": 1.5, "base_channels": 8, "multipliers": (1, 2), "blocks": 1, "radius": 3,
            "score": "brighter", "iterations": 2,
        },
    }  # fmt: skip


@dataclass(frozen=True)
class IterMaskTraining(TrainingParams):
    """AdamW with step size 1e-4, batches of 32, for 150,000 steps of each network (the authors' code)."""

    optimizer: str = param("adamw", "Optimizer", choices=("adam", "adam-amsgrad", "adamw", "sgd"))
    steps: int = param(150_000, "Batches to train each network on", label="Training steps", low=1, high=10_000_000, step=1000)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "tiny": {"steps": 20, "batch_size": 4, "learning_rate": 0.005},
    }


class IterMask(ReconstructionDetector):
    """Two networks restore slices, one from their high frequencies alone, the other from these and what is not masked.

    The error of the second on healthy slices says what it restores well.
    """

    Params = IterMaskParams
    Training = IterMaskTraining
    INFO = replace(
        CARD,
        id="itermask",
        name="Iterative masking (IterMask)",
        summary="Masks the brain and unmasks what a network restores well from the rest and from edges; what stays masked is the score.",
        paper="Liang, Guo, Noble, Kamnitsas 2024, IterMask2: iterative unsupervised anomaly segmentation via spatial and frequency masking "
        "for brain lesions in MRI, MICCAI, arXiv:2406.02422",
        score_unit="squared reconstruction error where the mask remains (intensities: brain p2-p90 = 0-1)",
        colour_limits=(0.0, 0.25),
        seconds_per_megavoxel=18.0,
        presets="paper: slices of 128 x 128 pixels; 60 % of the brain masked at first, the 80 % quantile of the errors on healthy "
        "slices, 1 % least change, radius 15, as in the authors' code. Theirs has attention at three levels and dropout of 0.1, here it is "
        "in the middle alone. Random masks are an ellipse and squares about it. IterMask3D works on volumes and chooses the "
        "threshold subject by subject; that is not here.",
    )
    params: IterMaskParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: the two networks, and the error on healthy slices."""
        return (
            GradientStage(_FIRST, lambda _: self._first(), self._pool),
            GradientStage(_SECOND, lambda _: self._task(), self._pool),
            EstimateStage(_LIMIT, self._estimate),
        )

    def network(self, stage: str = _SECOND) -> torch.nn.Module:
        """See `NetworkDetector.network`."""
        return super().network(stage)

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `core.detector.Detector`."""
        if state:
            self._check_state(of_stage(_LIMIT, state), {"error": (1, "f")})
        super().load_state(state)

    def _stride(self) -> int:
        return int(2 ** (len(self.params.multipliers) - 1))

    def _first(self) -> FirstTask:
        from .itermask_task import FirstTask

        return FirstTask(lambda: self._unet(1), self.params.radius)

    def _task(self) -> SecondTask:
        from .itermask_task import SecondTask

        return SecondTask(lambda: self._unet(2), self.params.radius)

    def _unet(self, channels: int) -> DiffusionUNet:
        from ..nets.diffusion_unet import DiffusionUNet

        p = self.params
        return DiffusionUNet(p.base_channels, p.multipliers, p.blocks, channels=channels)

    def _estimate(self, volumes: Sequence[Volume], how: Fitting) -> State:
        """The quantile of the squared errors behind random masks, over healthy scans: those of the validation, if there are some.

        Raises
        ------
        InputError
            If no scan shows brain.
        """
        from ..base.network_state import network_with

        task = self._task()
        network, _ = network_with(task.build, of_stage(_SECOND, how.before), f"Model of {self.INFO.id}")
        network.to(self.device)
        errors: list[NDArray[np.float32]] = []
        for scans in (how.session.validation, volumes):
            if errors:  # of the validation, if any of its scans could be read
                break
            for number, volume in enumerate(scans):
                part = how.progress.part(number / len(scans), (number + 1) / len(scans))
                cut = self.cut(volume)
                found = self._over(cut, lambda batch, draw: task.errors(network, batch, draw), cut.shape[-2:], how.seed, part)
                errors.append(found[found >= 0])
        together = np.concatenate(errors) if errors else np.zeros(0, np.float32)
        if not together.size:
            raise InputError("There is nothing to learn from", why="no scan shows brain", fix="Give healthy scans of whole brains")
        return {"error": np.quantile(together, [self.params.quantile]).astype(np.float32)}

    def _inference(self) -> Inference:
        from .itermask_task import ShrinkingMask

        p, (error,) = self.params, of_stage(_LIMIT, self._state)["error"]
        return ShrinkingMask(self.network(_FIRST), p.radius, p.kept, float(error), p.least_change, p.iterations)

    def _prepare(self, volume: Volume) -> Volume:
        """The 2nd percentile of the brain becomes 0, the 90th 1; what lies beyond stays beyond."""
        low, high = np.percentile(volume.data[volume.brain], (_LOW, _HIGH))
        if low == high:
            raise InputError(f"Intensities of {volume.name}", why="the 2nd and 90th percentiles are equal", fix="Check the brain mask")
        return volume.with_data(np.where(volume.brain, (volume.data - low) / (high - low), 0.0).astype(np.float32))

    def _colour_limits(self) -> tuple[float, float] | None:
        return self.INFO.colour_limits if self.params.score == "l2" else super()._colour_limits()
