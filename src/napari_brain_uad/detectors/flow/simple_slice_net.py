"""SimpleSliceNet: the likelihood of the features of a few slices together, by a normalising flow that knows the place.

Zhang, Mohsenzadeh: "Efficient slice anomaly detection network for 3D brain MRI volume" (PLOS Digital Health 4(6), 2025,
doi:10.1371/journal.pdig.0000874).
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
from ...sampling.slices import SliceGrid
from ...sampling.windows import Cut
from ...training.params import TrainingParams
from ..base.stages import EstimateStage, GradientStage, Stage, of_stage
from ..distillation.edc import EDCTraining
from ..embedding.common import CARD, TINY, EmbeddingDetector, EmbeddingParams, PlaceTraining, noise_setting
from .common import FlowParams
from .names import LOSSES

if TYPE_CHECKING:
    from ...training.sources import ArraySamples
    from ..distillation.edc_task import EDCTask
    from ..embedding.features import PatchFeatures, Scale
    from .conditional import ConditionalFlow
    from .flow_task import FlowTask

_ENCODER = "edc"
_PAPER: Mapping[str, Value] = {
    "backbone": "wide-resnet50", "dimension": 1024, "step_mm": 1.0, "depth": 96, "standardise": False, "noise": 0.06, "edc": True,
}  # fmt: skip


@dataclass(frozen=True)
class SimpleSliceNetParams(FlowParams, EmbeddingParams):
    """Settings of `SimpleSliceNet`."""

    depth: int = param(0, "Number of slices, around the middle of the brain; 0 = all that show brain", low=0, high=1024, role="network")
    aggregation: int = param(
        3, "Slices whose features are averaged into one; 1 = each by itself", label="Slice aggregation", low=1, high=64, role="network"
    )
    edc: bool = param(
        False, "Tune the backbone on the training slices first, by encoder-decoder contrast; it is then part of the model",
        label="Tune the backbone (EDC)", role="network",
    )  # fmt: skip
    loss: str = param("triplet", "How noisy features are pushed away from healthy ones", label="Loss", choices=LOSSES, role="training")
    log_sigmoid: bool = param(
        False, "Minimise the negative logarithm of the sigmoid of the likelihood, as the authors' code does: likely features count little",
        label="Log-sigmoid likelihood", advanced=True, role="training",
    )  # fmt: skip
    noise: float = noise_setting()

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": _PAPER,
        "code": {**_PAPER, "dimension": 512, "noise": 0.08, "log_sigmoid": True},
        "tiny": {**TINY, "blocks": 2, "aggregation": 1, "noise": 0.2},
    }

    @property
    def grid(self) -> SliceGrid:
        """The slices."""
        return replace(super().grid, depth=self.depth or None)


@dataclass(frozen=True)
class FlowTraining(PlaceTraining):
    """Adam with step size 1e-3 on batches of 4096 places. The paper trains for 30 epochs."""

    steps: int = param(2000, "Batches to train the flow on", low=1, high=10_000_000, step=1000)
    encoder_steps: int = param(
        4000, "Batches of slices to tune the backbone on, where it is", label="Steps of the backbone", low=1, high=10_000_000, step=1000
    )
    encoder_batch: int = param(
        32, "Slices in a batch when the backbone is tuned", label="Batch of the backbone", low=1, high=65_536, step=8
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "tiny": {"steps": 60, "batch_size": 512, "encoder_steps": 5, "encoder_batch": 4},
    }


def _encoder_training(training: TrainingParams) -> EDCTraining:
    """How the backbone is tuned: as `EDC` is trained, for the steps that were asked for.

    As a member of an ensemble it is given the ensemble's settings, which know one number of steps for all stages, and no batch of slices.
    """
    steps, batch = training.steps, EDCTraining().batch_size
    if isinstance(training, FlowTraining):
        steps, batch = training.encoder_steps, training.encoder_batch
    often = {"validate_every": training.validate_every, "checkpoint_every": training.checkpoint_every}
    return EDCTraining.from_dict({"steps": steps, "batch_size": batch, "precision": "32", **often})


class SimpleSliceNet(EmbeddingDetector):
    """Score = negative log-likelihood of a place's features, divided by their number."""

    Params = SimpleSliceNetParams
    Training = FlowTraining
    REQUIRES = ("torch", "FrEIA")
    THREE_D = True
    INFO = replace(
        CARD,
        id="simple-slice-net",
        name="SimpleSliceNet",
        summary="How unlikely features are among those of healthy brains at the same place, by a normalising flow over aggregated slices.",
        paper="Zhang, Mohsenzadeh 2025, Efficient slice anomaly detection network for 3D brain MRI volume, PLOS Digital Health 4(6), "
        "doi:10.1371/journal.pdig.0000874; flow: Gudovskiy, Ishizaka, Kozuka 2022, CFLOW-AD, arXiv:2107.12571",
        score_unit="negative log-likelihood per feature",
        seconds_per_megavoxel=1.0,
        bytes_per_voxel=150.0,
        presets="paper: Wide ResNet-50-2 (its weights from a file), tuned on the training slices by encoder-decoder contrast (the paper: "
        "on slices of other scans), 1024 dimensions, 96 slices of 1 mm, noise 0.06. code: 512 dimensions, noise 0.08, log-sigmoid of the "
        "likelihood. The paper trains for 30 epochs, here it is for so many batches (steps), 2000 unless more are asked for. Without a "
        "preset: EfficientNet-Lite0 as it is, 256 dimensions, slices of 2 mm, standardised features with noise 0.5. Rotations in the "
        "flow are drawn by us, as FrEIA's take minutes.",
    )
    params: SimpleSliceNetParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: which backbone it was, and the flow."""
        scale: list[Scale] = []  # of the training's features, the first that are asked for
        return (
            EstimateStage("", lambda volumes, how: {"backbone": self.backbone_hash()}),
            *((GradientStage(_ENCODER, lambda _: self._encoder_task(), self._pool, _encoder_training),) if self.params.edc else ()),
            GradientStage("flow", lambda _: self._task(scale), partial(self._samples, scale)),
        )

    def _encoder_task(self) -> EDCTask:
        from ..distillation.edc_task import EDCTask

        return EDCTask(self.params.backbone, self.params.backbone_file)

    def features(self) -> PatchFeatures:
        """See `EmbeddingDetector.features`: of the tuned encoder, where there is one."""
        from ..embedding.tuning import tuned_backbone

        if not self.params.edc:
            return super().features()
        return self._features_of(tuned_backbone(self.params.backbone, self.network(_ENCODER)))

    def _belongs(self, state: Mapping[str, NDArray[Any]]) -> bool:
        return self.params.edc or super()._belongs(state)

    def _task(self, scale: Sequence[Scale]) -> FlowTask:
        from .conditional import ConditionalFlow
        from .flow_task import FlowTask

        p = self.params

        def make() -> ConditionalFlow:
            return ConditionalFlow(p.dimension, p.blocks, p.clamp, *(scale[0] if scale else ()))

        return FlowTask(make, p.loss, p.noise, bounded=p.log_sigmoid)

    def _samples(self, scale: list[Scale], volumes: Sequence[Volume], before: State, progress: Progress) -> ArraySamples:
        """Features of healthy places with row and column, shape (N, D + 2); computed once, kept as float16."""
        from ...training.sources import ArraySamples
        from ..base.network_state import network_with
        from ..embedding.features import scale_of
        from ..embedding.tuning import tuned_backbone

        if self.params.edc:
            network, _ = network_with(self._encoder_task().build, of_stage(_ENCODER, before), "The tuned encoder")
            extract = self._features_of(tuned_backbone(self.params.backbone, network.to(self.device)))
        else:
            extract = self.features()
        found = [np.empty((0, self.params.dimension + 2), np.float16)]
        for number, volume in enumerate(volumes):
            part = progress.part(number / len(volumes), (number + 1) / len(volumes))
            found.append(self._places(extract, self.cut(volume), 0, part)[0].astype(np.float16))
        places = np.concatenate(found)
        if self.params.standardise and not scale and len(places):
            scale.append(scale_of(places[:, :-2]))
        return ArraySamples(places)

    def _places(self, extract: PatchFeatures, cut: Cut, seed: int, progress: Progress) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Places of a scan that show brain, (N, D + 2) as the flow sees them, and which they are, (S', h, w)."""
        from ..embedding.aggregation import pooled_places

        places = self._all_places(extract, cut, seed, progress)
        pooled, cells = pooled_places(places, cut.slices.mask, self.params.aggregation, self.cells())
        rows = np.argwhere(cells)[:, 1:].astype(np.float32)
        return np.concatenate([pooled[cells], rows], axis=1), cells

    def _place_scores(self, cut: Cut, seed: int, progress: Progress) -> NDArray[np.float32]:
        from .conditional import unlikeliness
        from .likelihood import log_likelihoods

        places, cells = self._places(self.features(), cut, seed, progress.part(0.0, 0.8))
        found = log_likelihoods(self.network("flow"), places, self.device, progress.part(0.8, 1.0), self.params.precision)
        scores = np.zeros(cells.shape, np.float32)
        scores[cells] = unlikeliness(found, self.params.score)
        return scores

    def _check(self, state: Mapping[str, NDArray[Any]]) -> None:
        super()._check(state)
        self._refuse_foreign(state)
