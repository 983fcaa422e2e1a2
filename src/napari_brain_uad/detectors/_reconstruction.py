"""What methods share that reconstruct slices: a healthy-looking version of each slice is compared with the slice.

A method writes its settings, its card and `_task`. What may differ beyond that are the hooks `_prepare` (before slicing), `_channels`
(what the network sees), `_evidence` (how a slice is reconstructed) and `_finish` (the scores of a whole scan, still as slices).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.detector import State, state_is_finite
from ..core.errors import InputError, ModelError
from ..core.params import Params as AnyParams
from ..core.params import param
from ..core.progress import Progress
from ..core.volume import Volume
from ..preprocessing.slices import SliceGrid, Slices, to_slices
from ..scoring.registry import SCORES, score_names
from ..training.params import TrainingParams
from ..training.session import TrainingSession
from ._base import BaseDetector

if TYPE_CHECKING:
    import torch

    from ..scoring.registry import Evidence
    from ..training.sources import Samples
    from ._tasks import AutoencoderTask

RESIDUAL_SCORES = score_names()
MODEL_SCORES = score_names(energies=("kl", "elbo"))

CONVENTIONS = ("sum", "mean", "mixed")
"""How the two parts of a loss are added up; see `_tasks`."""

_BATCH = 16
_LEAST_BRAIN = 0.02
"""Slices with less brain than this fraction of their area are not trained on: there is hardly anything to learn from them."""


@dataclass(frozen=True)
class ReconstructionParams(AnyParams):
    """Settings of every method that reconstructs slices."""

    height: int = param(
        128, "Rows of a slice, posterior to anterior; a multiple of 16", label="Slice height", unit="pixels", low=16, high=1024, step=16
    )
    width: int = param(
        128, "Columns of a slice, left to right; a multiple of 16", label="Slice width", unit="pixels", low=16, high=1024, step=16
    )
    pixel_mm: float = param(
        1.6, "Size of a pixel; height and width times it must hold the brain", label="Pixel size", unit="mm", low=0.2, high=10.0, step=0.1
    )
    step_mm: float = param(2.0, "Distance between slices", label="Slice distance", unit="mm", low=0.2, high=20.0, step=0.5)
    score: str = param("l1", "How slice and reconstruction are compared", label="Anomaly score", choices=RESIDUAL_SCORES)

    @property
    def grid(self) -> SliceGrid:
        """The slices."""
        return SliceGrid(self.height, self.width, self.pixel_mm, self.step_mm)


def enough_brain(slices: Slices) -> NDArray[np.bool_]:
    """Slices that are trained on, shape (S,)."""
    return np.asarray(slices.mask.mean(axis=(1, 2)) >= _LEAST_BRAIN)


class ReconstructionDetector(BaseDetector):
    """Base of the methods that reconstruct axial slices.

    A scan of any grid is resampled to slices of one size, centred on its brain; intensities from the 1st to the 99th percentile of
    the brain become 0 to 1; around it lies 0.
    """

    Params: ClassVar[type[AnyParams]] = ReconstructionParams
    Training: ClassVar[type[TrainingParams] | None] = TrainingParams
    REQUIRES = ("torch",)
    CHANNELS: ClassVar[int] = 1
    INTERPOLATION: ClassVar[Literal["linear", "nearest"]] = "linear"

    params: ReconstructionParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        self._check_size()
        self._state: State = {}
        self._network: torch.nn.Module | None = None

    @abstractmethod
    def _task(self) -> AutoencoderTask:
        """The network and what it minimises."""

    def _stride(self) -> int:
        """What height and width have to be multiples of."""
        return 16

    def _prepare(self, volume: Volume) -> Volume:
        """The scan as the network is to see it, before it is sliced; its mask is the brain."""
        # Here, not above: listing the methods must not load scikit-image.
        from ..preprocessing.step import Context
        from ..preprocessing.steps.intensity import Intensity

        return Intensity(method="percentile", low=1.0, high=99.0).apply(volume, Context()).volume

    def _channels(self, slices: Slices) -> NDArray[np.float32]:
        """Input of the network, shape (S, CHANNELS, H, W)."""
        return slices.data[:, None]

    def _evidence(self, network: torch.nn.Module, images: torch.Tensor, progress: Progress) -> Evidence:
        """What the score of these slices is made of; long work calls `progress.check`."""
        return self._task().evidence(network, images)

    def _finish(self, scores: NDArray[np.float32], slices: Slices) -> NDArray[np.float32]:
        """The scores (S, H, W) of the whole scan, before they go back to its grid."""
        return scores

    def fit(
        self,
        volumes: Sequence[Volume],
        *,
        seed: int = 0,
        progress: Progress | None = None,
        training: TrainingParams | None = None,
        session: TrainingSession | None = None,
    ) -> None:
        """Train on the axial slices of healthy scans; see `core.detector.Detector`."""
        progress, session = progress or Progress(), session or TrainingSession()
        progress.update(0.0, "Cutting slices")
        own = self.Training() if self.Training is not None else TrainingParams()
        training = own if training is None else training
        train = self._samples(volumes, progress.part(0.0, 0.1))
        held_out = self._samples(session.validation, progress.part(0.1, 0.12))
        from ..training.loop import ArraySource, run_training

        source = ArraySource(train, held_out, seed)
        state = run_training(self._task(), source, training=training, seed=seed, session=session, progress=progress.part(0.12, 1.0))
        self.load_state(state)

    def state(self) -> State:
        """The network's weights and running statistics; empty before `fit`."""
        return dict(self._state)

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over trained weights, float32 or float16; see `core.detector.Detector`."""
        if not state:
            self._state, self._network = {}, None
            return
        import torch

        from ..training.precision import channels_last

        with torch.device("meta"):
            network = self._task().build()
        self._check_network_state(state, {name: tuple(value.shape) for name, value in network.state_dict().items()})
        own = {name: np.array(a, np.float32) if a.dtype == np.float16 else np.asarray(a) for name, a in state.items()}
        tensors = {name: torch.from_numpy(np.require(array, requirements=("C", "W"))) for name, array in own.items()}
        network.load_state_dict(tensors, assign=True)
        channels_last(network)
        self._state = {name: tensor.numpy() for name, tensor in tensors.items()}
        self._network = network.requires_grad_(False).eval()

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        if self._network is None:
            raise ModelError(f"{self.INFO.id} has not been trained", fix="Train it on healthy scans, or load a model")
        network = self._network.to(self.device)
        slices = self._slices(volume.with_mask(mask))
        scores = self._score_slices(network, self._channels(slices), progress)
        scores[~slices.mask] = 0.0
        return slices.back(self._finish(scores, slices))

    def _score_slices(self, network: torch.nn.Module, inputs: NDArray[np.float32], progress: Progress) -> NDArray[np.float32]:
        """Scores (S, H, W), in batches that are halved when the device's memory does not hold them."""
        from ..training.memory import in_batches

        scores = np.zeros((len(inputs), *inputs.shape[2:]), np.float32)

        def work(start: int, stop: int) -> None:
            progress.update(start / len(inputs), f"Slice {start + 1} of {len(inputs)}")
            scores[start:stop] = self._score_batch(network, inputs[start:stop], progress)

        in_batches(len(inputs), _BATCH, self.device, work)
        return scores

    def _score_batch(self, network: torch.nn.Module, inputs: NDArray[np.float32], progress: Progress) -> NDArray[np.float32]:
        import torch

        from ..training.precision import to_layout

        images = to_layout(torch.from_numpy(np.ascontiguousarray(inputs)).to(self.device))
        # Some of cuDNN's algorithms add up in an order that changes from run to run; the same scan has to give the same map.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            score = SCORES[self.params.score].compute(self._evidence(network, images, progress))
        result: NDArray[np.float32] = score.detach().float().cpu().numpy()
        return result

    def _slices(self, volume: Volume) -> Slices:
        return to_slices(self._prepare(volume), self.params.grid, interpolation=self.INTERPOLATION)

    def _samples(self, volumes: Sequence[Volume], progress: Progress) -> Samples:
        """All slices that show enough brain, shape (N, CHANNELS, H, W)."""
        found = list(self._sample_blocks(volumes, progress))
        shape = (0, self.CHANNELS, self.params.height, self.params.width)
        return np.concatenate(found) if found else np.zeros(shape, np.float16)

    def _sample_blocks(self, volumes: Sequence[Volume], progress: Progress) -> Iterator[NDArray[np.float16]]:
        for number, volume in enumerate(volumes):
            progress.update(number / len(volumes), f"Slicing scan {number + 1} of {len(volumes)}")
            slices = self._slices(volume)
            yield self._channels(slices)[enough_brain(slices)].astype(np.float16)

    def _colour_limits(self) -> tuple[float, float] | None:
        return SCORES[self.params.score].limits

    def _check_size(self) -> None:
        stride = self._stride()
        for name, size in (("height", self.params.height), ("width", self.params.width)):
            if size % stride:
                why = f"{size} is not a multiple of {stride}, and the network halves the slices again and again"
                raise InputError(f"{type(self.params).__name__}.{name}", why=why, fix=f"Give a multiple of {stride}")

    def _check_network_state(self, state: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[int, ...]]) -> None:
        what = f"Model of {self.INFO.id}"
        if set(state) != set(expected):
            missing, foreign = sorted(set(expected) - set(state)), sorted(set(state) - set(expected))
            why = f"it lacks {len(missing)} arrays {missing[:3]} and has {len(foreign)} others {foreign[:3]}"
            raise ModelError(what, why=why, fix="Load a model trained with this method and these settings")
        for name, shape in expected.items():
            if state[name].shape != shape:
                why = f"'{name}' has shape {state[name].shape}, not {shape}"
                raise ModelError(what, why=why, fix="Use the settings it was trained with (size of slices, maps, latents)")
            kinds = "iu" if name.endswith("num_batches_tracked") else "f"
            if state[name].dtype.kind not in kinds:
                raise ModelError(what, why=f"'{name}' holds {state[name].dtype}", fix="Train the model again")
        if not state_is_finite(state):
            raise ModelError(what, why="it holds NaN or infinite numbers", fix="Train the model again")
