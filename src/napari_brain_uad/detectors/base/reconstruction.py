"""What methods share that reconstruct samples of a scan: a healthy-looking version of each is compared with it.

A method writes its settings, its card and `_task`. What may differ beyond that are the hooks `_prepare` (before slicing), `_windows`
(what a sample is), `_inference` (how it is reconstructed) and `_finish` (the scores of a whole scan, still as slices).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.errors import InputError, ModelError
from ...core.params import Params as AnyParams
from ...core.params import param
from ...core.progress import Progress
from ...core.volume import Volume
from ...sampling.pool import Pool
from ...sampling.slices import SliceGrid, Slices, to_slices
from ...sampling.windows import Cut, Windows
from ...scoring.registry import SCORES, score_names
from ...training.params import TrainingParams
from .detector import BaseDetector
from .stages import GradientStage, Stage, of_stage, prefixed

if TYPE_CHECKING:
    import torch

    from ...inference.reconstruction import Inference, Scorer
    from ...training.batch import Batch
    from ...training.draws import Draw
    from ...training.task import Task

RESIDUAL_SCORES = score_names()
MODEL_SCORES = score_names(energies=("kl", "elbo"))

CONVENTIONS = ("sum", "mean", "mixed")
"""How the two parts of a loss are added up; see `_tasks`."""


@dataclass(frozen=True)
class SliceParams(AnyParams):
    """Settings of every method that sees slices of one size."""

    height: int = param(
        128,
        "Rows of a slice, posterior to anterior; a multiple of 16",
        label="Slice height",
        unit="pixels",
        low=16,
        high=1024,
        step=16,
        role="network",
    )
    width: int = param(
        128,
        "Columns of a slice, left to right; a multiple of 16",
        label="Slice width",
        unit="pixels",
        low=16,
        high=1024,
        step=16,
        role="network",
    )
    pixel_mm: float = param(
        1.6,
        "Size of a pixel; height and width times it must hold the brain",
        label="Pixel size",
        unit="mm",
        low=0.2,
        high=10.0,
        step=0.1,
        role="network",
    )
    step_mm: float = param(2.0, "Distance between slices", label="Slice distance", unit="mm", low=0.2, high=20.0, step=0.5, role="network")

    @property
    def grid(self) -> SliceGrid:
        """The slices."""
        return SliceGrid(self.height, self.width, self.pixel_mm or None, self.step_mm or None)


@dataclass(frozen=True)
class ReconstructionParams(SliceParams):
    """Settings of every method that reconstructs slices."""

    score: str = param("l1", "How slice and reconstruction are compared", label="Anomaly score", choices=RESIDUAL_SCORES)


class NetworkDetector(BaseDetector):
    """Base of the methods with a network in each of their stages that learn by gradients."""

    Training: ClassVar[type[TrainingParams] | None] = TrainingParams
    REQUIRES: ClassVar[tuple[str, ...]] = ("torch",)
    SAMPLE: ClassVar[str] = "Slice"
    """What a sample is called in messages."""

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        self._state: State = {}
        self._networks: dict[str, torch.nn.Module] = {}

    def state(self) -> State:
        """The networks' weights and running statistics, and what else was learned; empty before `fit`."""
        return dict(self._state)

    def shipped_state(self) -> State:
        """See `BaseDetector.shipped_state`."""
        from .network_state import half_precision

        state = self.state()
        for stage in self.stages() if state else ():
            if isinstance(stage, GradientStage):
                own = half_precision(stage.task(state).build, of_stage(stage.name, state))
                state |= prefixed(stage.name, own)
        return state

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over trained weights, float32 or float16; see `core.detector.Detector`."""
        networks: dict[str, torch.nn.Module] = {}
        taken: State = {}
        for stage in self.stages() if state else ():
            own = of_stage(stage.name, state)
            if isinstance(stage, GradientStage):
                from .network_state import network_with

                networks[stage.name], own = network_with(stage.task(dict(state)).build, own, f"Model of {self.INFO.id}")
            taken |= prefixed(stage.name, own)
        if set(taken) != set(state):
            why = f"it has arrays of something else: {sorted(set(state) - set(taken))[:3]}"
            raise ModelError(f"Model of {self.INFO.id}", why=why, fix="Load a model trained with this method and these settings")
        self._state, self._networks = taken, networks

    def parameter_count(self) -> int:
        """See `BaseDetector.parameter_count`; no weights are made for it."""
        import torch

        with torch.device("meta"):
            networks = [stage.task({}).build() for stage in self.stages() if isinstance(stage, GradientStage)]
        return sum(weights.numel() for network in networks for weights in network.parameters())

    def network(self, stage: str = "") -> torch.nn.Module:
        """The trained network of a stage, on the device.

        Raises
        ------
        ModelError
            If there is none yet.
        """
        if stage not in self._networks:
            raise ModelError(f"{self.INFO.id} has not been trained", fix="Train it on healthy scans, or load a model")
        from ...inference.convolutions import choose_convolutions

        network = self._networks[stage].to(self.device)
        choose_convolutions(network, self.device, self._precision())
        return network

    def _precision(self) -> str:
        """How exactly scans are scored; see `inference.convolutions.choose_convolutions`."""
        return "auto"

    def _provenance(self, volume: Volume, mask: NDArray[np.bool_], seed: int) -> dict[str, Any]:
        """With the way that convolutions were computed, where it was not the usual one."""
        from ...inference.convolutions import ways_of

        told, ways = super()._provenance(volume, mask, seed), ways_of(self._networks.values())
        return {**told, "convolutions": ways} if ways else told

    def _over(
        self, cut: Cut, work: Callable[[Batch, Draw], torch.Tensor], shape: tuple[int, ...], seed: int, progress: Progress
    ) -> NDArray[np.float32]:
        """What `work` gives for every sample, shape (N, *shape); see `inference.samples.over_samples`."""
        from ...inference.samples import over_samples

        return over_samples(cut, work, shape, device=self.device, seed=seed, progress=progress, what=self.SAMPLE)


class SlicingDetector(NetworkDetector):
    """Base of the methods that see samples of a scan, axial slices unless `_windows` says otherwise.

    A scan of any grid is resampled to slices of one size, centred on its brain; intensities from the 1st to the 99th percentile of
    the brain become 0 to 1; around it lies 0.
    """

    Params: ClassVar[type[AnyParams]] = SliceParams
    CHANNELS: ClassVar[int] = 1
    INTERPOLATION: ClassVar[Literal["linear", "nearest"]] = "linear"
    params: SliceParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        check_size(self.params, self._stride())

    def _stride(self) -> int:
        """What height and width have to be multiples of."""
        return 16

    def _windows(self) -> Windows:
        """What the network sees at once."""
        return Windows()

    def _prepare(self, volume: Volume) -> Volume:
        """The scan as the network is to see it, before it is sliced; its mask is the brain."""
        # Here, not above: listing the methods must not load scikit-image.
        from ...preprocessing.step import Context
        from ...preprocessing.steps.intensity import Intensity

        return Intensity(method="percentile", low=1.0, high=99.0).apply(volume, Context()).volume

    def _finish(self, scores: NDArray[np.float32], slices: Slices) -> NDArray[np.float32]:
        """The scores (S, H, W) of the whole scan, before they go back to its grid."""
        return scores

    def cut(self, volume: Volume) -> Cut:
        """The samples of a scan, which has a brain mask or is a brain."""
        return Cut([self._slices(volume)], self._windows())

    def _slices(self, volume: Volume) -> Slices:
        return to_slices(self._prepare(volume), self.params.grid, interpolation=self.INTERPOLATION)

    def _pool(self, volumes: Sequence[Volume], before: State, progress: Progress) -> Pool:
        """The samples of scans; what earlier stages learned changes nothing in them."""
        return pool_of(volumes, self.cut, progress, self._sample_shape())

    def _sample_shape(self) -> tuple[int, ...]:
        """Shape of a sample, of which there need be none."""
        windows, whole = self._windows(), (self.params.grid.depth or 1, self.params.height, self.params.width)
        return (self.CHANNELS * (2 * windows.neighbours + 1), *(windows.size or whole[-windows.dimensions :]))


class ReconstructionDetector(SlicingDetector):
    """Base of the methods that reconstruct samples of a scan; see `SlicingDetector`."""

    Params: ClassVar[type[AnyParams]] = ReconstructionParams
    params: ReconstructionParams

    @abstractmethod
    def _task(self) -> Task:
        """The network and what it minimises."""

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`."""
        return (GradientStage("", lambda _: self._task(), self._pool),)

    def _inference(self) -> Inference:
        """How the network is used: in one pass by default, which takes the task of an autoencoder.

        Raises
        ------
        TypeError
            For a method with another task that does not say how its network is used.
        """
        from ...inference.reconstruction import OnePass
        from .tasks import AutoencoderTask

        task = self._task()
        if not isinstance(task, AutoencoderTask):
            raise TypeError(f"{type(self).__name__} has to say how its network is used: write `_inference`")
        return OnePass(task.evidence)

    def _scorer(self) -> Scorer:
        """How samples are scored: what the setting ``score`` makes of their reconstruction."""
        score, infer = SCORES[self.params.score], self._inference()
        return lambda network, batch, draw, progress: score.compute(infer(network, batch, draw, progress))

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        network, cut = self.network(), self.cut(volume.with_mask(mask))
        scorer = self._scorer()
        found = self._over(cut, lambda batch, draw: scorer(network, batch, draw, progress), cut.shape[1:], seed, progress)
        scores = cut.stitched(found)
        scores[~cut.slices.mask] = 0.0
        return cut.slices.back(self._finish(scores, cut.slices))

    def reconstruct(self, volume: Volume, *, seed: int = 0, progress: Progress | None = None) -> dict[str, NDArray[np.float32]]:
        """See `BaseDetector.reconstruct`: the input as the network sees it, and its reconstruction."""
        network, mask = self.network(), volume.brain
        cut, infer, progress = self.cut(volume.with_mask(mask)), self._inference(), progress or Progress()

        def first(images: torch.Tensor) -> torch.Tensor:
            return images[:, self._windows().neighbours]

        found = self._over(
            cut, lambda batch, draw: first(infer(network, batch, draw, progress).reconstruction), cut.shape[1:], seed, progress
        )
        return {"input": cut.slices.back(cut.slices.data), "reconstruction": cut.back(found)}

    def _colour_limits(self) -> tuple[float, float] | None:
        return SCORES[self.params.score].limits


def check_size(params: SliceParams, stride: int) -> None:
    """Raise `InputError` unless height and width are multiples of what the network halves them by."""
    for name, size in (("height", params.height), ("width", params.width)):
        if size % stride:
            why = f"{size} is not a multiple of {stride}, and the network halves the slices again and again"
            raise InputError(f"{type(params).__name__}.{name}", why=why, fix=f"Give a multiple of {stride}")


def pool_of(volumes: Sequence[Volume], cut: Callable[[Volume], Cut], progress: Progress, shape: tuple[int, ...]) -> Pool:
    """The training samples of scans."""

    def cuts() -> Iterator[Cut]:
        for number, volume in enumerate(volumes):
            progress.update(number / len(volumes), f"Slicing scan {number + 1} of {len(volumes)}")
            yield cut(volume)

    return Pool(cuts(), shape)
