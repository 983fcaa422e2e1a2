"""CFLOW-AD: the likelihood of the features of every level of a backbone, each by a normalising flow that knows the place.

Gudovskiy, Ishizaka, Kozuka: "CFLOW-AD: Real-time unsupervised anomaly detection with localization via conditional normalizing flows"
(WACV 2022, arXiv:2107.12571).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.params import Params as AnyParams
from ...core.params import Value, param
from ...core.progress import Progress
from ...core.volume import Volume
from ...sampling.windows import Cut
from ..backbones.catalogue import BACKBONES, STRIDES
from ..base.stages import EstimateStage, GradientStage, Stage
from ..embedding.common import CARD, TINY, PlaceDetector, PlaceTraining, check_ascending, in_brain, to_pixels
from .common import FlowParams

if TYPE_CHECKING:
    from ...training.sources import ArraySamples
    from ..embedding.features import Scale
    from .conditional import ConditionalFlow
    from .flow_task import FlowTask

_HIDDEN = 2
"""Hidden numbers of a coupling's perceptron, as a multiple of those that go in (the authors' code)."""
FLOW_TINY: Mapping[str, Value] = {**{name: value for name, value in TINY.items() if name != "dimension"}, "blocks": 2}


@dataclass(frozen=True)
class CFlowParams(FlowParams):
    """Settings of `CFlow`."""

    levels: tuple[int, ...] = param(
        (2, 3, 4), "Levels of the backbone, each with a flow: 1 to 4 have 1/4, 1/8, 1/16 and 1/32 of the resolution", label="Levels", low=1,
        high=4, most=4, role="network",
    )  # fmt: skip

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"backbone": "wide-resnet50", "height": 256, "width": 256, "standardise": False, "score": "paper"},
        "tiny": FLOW_TINY,
    }


@dataclass(frozen=True)
class CFlowTraining(PlaceTraining):
    """Adam on batches of places; the paper has a step size of 2e-4 and batches of 256 places."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"learning_rate": 2e-4, "batch_size": 256},
        "tiny": {"steps": 60, "batch_size": 256},
    }


class CFlow(PlaceDetector):
    """Score = negative log-likelihood of a place's features divided by their number, the mean of the levels."""

    Params: ClassVar[type[AnyParams]] = CFlowParams
    Training = CFlowTraining
    REQUIRES = ("torch", "FrEIA")
    INFO = replace(
        CARD,
        id="cflow",
        name="Conditional normalising flows (CFLOW-AD)",
        summary="How unlikely features are among those of healthy brains at the same place, by a normalising flow on each level.",
        paper="Gudovskiy, Ishizaka, Kozuka 2022, CFLOW-AD: Real-time unsupervised anomaly detection with localization via conditional "
        "normalizing flows, WACV, arXiv:2107.12571",
        score_unit="negative log-likelihood per feature",
        seconds_per_megavoxel=2.0,
        bytes_per_voxel=150.0,
        presets="paper: Wide ResNet-50-2 (its weights from a file) on slices of 256 x 256 pixels, features as they are, and the paper's "
        "score, which is relative to the scan. Without a preset: EfficientNet-Lite0 on 192 x 192, standardised features and the "
        "log-likelihood itself. Rotations in the flow are drawn by us, as FrEIA's take minutes.",
    )
    params: CFlowParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        check_ascending(self.params, self.params.levels)

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: which backbone it was, and a flow for each level."""
        kept: dict[tuple[int, int], NDArray[np.float16]] = {}  # features of levels whose turn is still to come, by scans and level
        flows = (self._flow(number, kept) for number in range(len(self.params.levels)))
        return (EstimateStage("", lambda volumes, how: {"backbone": self.backbone_hash()}), *flows)

    def _flow(self, number: int, kept: dict[tuple[int, int], NDArray[np.float16]]) -> GradientStage:
        scale: list[Scale] = []  # of the training's features, the first that are asked for
        level = self.params.levels[number]
        return GradientStage(f"flow{level}", lambda _: self._task(level, scale), partial(self._samples, number, kept, scale))

    def _task(self, level: int, scale: Sequence[Scale]) -> FlowTask:
        from .flow_task import FlowTask

        return FlowTask(partial(self._make, level, scale), "none", 0.0, bounded=True)

    def _make(self, level: int, scale: Sequence[Scale]) -> ConditionalFlow:
        from .conditional import ConditionalFlow

        p = self.params
        return ConditionalFlow(self._channels(level), p.blocks, p.clamp, *(scale[0] if scale else ()), widening=_HIDDEN)

    def _channels(self, level: int) -> int:
        return BACKBONES[self.params.backbone].channels[level - 1]

    def _samples(
        self,
        number: int,
        kept: dict[tuple[int, int], NDArray[np.float16]],
        scale: list[Scale],
        volumes: Sequence[Volume],
        before: State,
        progress: Progress,
    ) -> ArraySamples:
        """Features of healthy places of a level with row and column, shape (N, channels + 2); one pass of the backbone for all levels."""
        from ...training.sources import ArraySamples
        from ..embedding.features import scale_of

        if (id(volumes), number) not in kept:
            kept |= {(id(volumes), which): places for which, places in enumerate(self._of_scans(volumes, progress))}
        places = kept.pop((id(volumes), number))
        if self.params.standardise and not scale and len(places):
            scale.append(scale_of(places[:, :-2]))
        return ArraySamples(places)

    def _of_scans(self, volumes: Sequence[Volume], progress: Progress) -> list[NDArray[np.float16]]:
        """The places of each level, of all scans together."""
        found = [[np.empty((0, self._channels(level) + 2), np.float16)] for level in self.params.levels]
        for number, volume in enumerate(volumes):
            part = progress.part(number / len(volumes), (number + 1) / len(volumes))
            for of_level, (places, _) in zip(found, self._places(self.cut(volume), 0, part), strict=True):
                of_level.append(places.astype(np.float16))
        return [np.concatenate(of_level) for of_level in found]

    def _places(self, cut: Cut, seed: int, progress: Progress) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """For each level its places that show brain, (N, channels + 2) as its flow sees them, and which they are, (S, h, w)."""
        import torch

        from ..embedding.features import brain_cells

        backbone, levels, sizes = self.backbone(), self.params.levels, self._sizes()

        @torch.no_grad()
        def extract(images: torch.Tensor) -> torch.Tensor:
            return torch.cat([level.float().flatten(1) for level in backbone.features(images, levels)], dim=1)

        ends = np.cumsum([math.prod(size) for size in sizes])
        flat = self._over(cut, lambda batch, _: extract(batch.images), (int(ends[-1]),), seed, progress)
        found = []
        for size, one in zip(sizes, np.split(flat, ends[:-1], axis=1), strict=True):
            cells = brain_cells(torch.from_numpy(cut.slices.mask), (len(cut), *size[1:])).numpy()
            features, where = one.reshape(-1, *size).transpose(0, 2, 3, 1)[cells], np.argwhere(cells)[:, 1:].astype(np.float32)
            found.append((np.concatenate([features, where], axis=1), cells))
        return found

    def _sizes(self) -> list[tuple[int, int, int]]:
        """Channels, rows and columns of the levels."""
        p = self.params
        strides = [STRIDES[level - 1] for level in p.levels]
        return [(self._channels(level), -(-p.height // s), -(-p.width // s)) for level, s in zip(p.levels, strides, strict=True)]

    def _pixel_scores(self, cut: Cut, seed: int, progress: Progress) -> NDArray[np.float32]:
        from .conditional import unlikeliness
        from .likelihood import log_likelihoods

        total, levels = np.zeros(cut.slices.mask.shape, np.float32), self.params.levels
        found = self._places(cut, seed, progress.part(0.0, 0.6))
        for number, (level, (places, cells)) in enumerate(zip(levels, found, strict=True)):
            part = progress.part(0.6 + 0.4 * number / len(levels), 0.6 + 0.4 * (number + 1) / len(levels))
            likely = log_likelihoods(self.network(f"flow{level}"), places, self.device, part, self.params.precision)
            scores = np.zeros(cells.shape, np.float32)
            # The paper's is 1 - p here; its "largest sum of p, minus the sum" ranks the places as this does.
            scores[cells] = unlikeliness(likely, self.params.score)
            total += to_pixels(scores, cut.slices) / len(levels)
        return in_brain(total, cut.slices.mask, self.params, across=False)

    def _check(self, state: Mapping[str, NDArray[Any]]) -> None:
        super()._check(state)
        self._refuse_foreign(state)
