"""What the diffusion models share: settings, words, and how a scan is scored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.errors import InputError
from ...core.params import Params as AnyParams
from ...core.params import Value, param
from ...scoring.registry import SCORES
from ...training.params import TrainingParams
from ..base.card import LEARNED
from ..base.reconstruction import ReconstructionDetector, ReconstructionParams
from .names import KINDS, PRECISIONS, PREDICTIONS, SCHEDULES, STEPS

if TYPE_CHECKING:
    from ...inference.reconstruction import Inference, Scorer
    from ..nets.diffusion_unet import DiffusionUNet
    from .patches import PatchGrid
    from .process import Process
    from .tasks import DiffusionTask, PatchReconstruction

POST = (
    "The time on this card is that of the reduced network (1.2 million parameters); the 37.5 million take 18 times as long on a CPU. "
    "The paper's post-processing: --median 5 --erode 3 --opening 0 --min-size-voxels 7, in voxels of the scan, where the paper has 2 mm: "
    "resample a scan of 1 mm, or double the sizes. Its preparation: --prepare pddpm."
)

EPOCHS = (
    "The paper trains for 1600 epochs; here a training has a number of steps (20,000 unless more are asked for), and with the presets "
    "paper and code the weights of the lowest loss on held-out scans are saved."
)

CARD = replace(LEARNED, family="Diffusion", sequences=("T2", "FLAIR", "T1", "T1c"), bytes_per_voxel=100.0)
"""The family's: a method's card says what differs."""

_WIDTH = 8
PAPER: Mapping[str, Value] = {}
CODE: Mapping[str, Value] = {"multipliers": (1, 2, 2), "transposed": False, "schedule": "cosine"}
TINY: Mapping[str, Value] = {
    "height": 32, "width": 32, "pixel_mm": 1.5, "base_channels": 8, "multipliers": (1, 2), "blocks": 1, "transposed": False,
    "schedule": "cosine", "score": "brighter", "t_test": (250,),
}  # fmt: skip
TINY_TRAINING: Mapping[str, Value] = {"steps": 60, "batch_size": 4, "learning_rate": 0.005}


def multipliers_setting(usual: tuple[int, ...]) -> tuple[int, ...]:
    """The setting of the U-Net's width, with what a method has by default."""
    told = "Channels of the levels as multiples of the first's; each level halves the slice"
    setting: tuple[int, ...] = param(usual, told, label="Channel multipliers", low=1, high=16, most=6, role="network")
    return setting


def transposed_setting(usual: bool) -> bool:
    """The setting of the way up, likewise."""
    told = "Transposed convolutions on the way up, instead of residual blocks"
    setting: bool = param(usual, told, label="Transposed convolutions", advanced=True, role="network")
    return setting


def schedule_setting(usual: str) -> str:
    """The setting of the noise schedule, likewise."""
    setting: str = param(usual, "How noise grows over the time steps", label="Noise schedule", choices=SCHEDULES, role="network")
    return setting


@dataclass(frozen=True)
class DiffusionParams(ReconstructionParams):
    """Settings of the diffusion models."""

    height: int = param(96, "Rows of a slice, posterior to anterior", unit="pixels", low=16, high=1024, step=16)
    width: int = param(96, "Columns of a slice, left to right", unit="pixels", low=16, high=1024, step=16)
    pixel_mm: float = param(2.0, "Size of a pixel; height and width times it must hold the brain", unit="mm", low=0.2, high=10.0, step=0.1)
    base_channels: int = param(
        128, "Channels of the U-Net's first level; a multiple of 8", label="Base channels", low=8, high=512, step=8, role="network"
    )
    multipliers: tuple[int, ...] = multipliers_setting((1, 1, 2))
    blocks: int = param(3, "Residual blocks of a level", label="Residual blocks", low=1, high=8, role="network")
    scale_shift: bool = param(
        True, "The time step scales and shifts what is normalised, instead of being added", label="Scale-shift norm", advanced=True,
        role="network",
    )  # fmt: skip
    transposed: bool = transposed_setting(True)
    schedule: str = schedule_setting("linear")
    prediction: str = param(
        "image", "What the network predicts: the image without noise, or the noise", label="Prediction", choices=PREDICTIONS,
        advanced=True, role="network",
    )  # fmt: skip
    noise: str = param("simplex", "Kind of noise", label="Noise", choices=KINDS, role="network")
    loss: str = param("l1", "Absolute or squared differences", label="Loss", choices=("l1", "l2"), advanced=True, role="training")
    t_test: tuple[int, ...] = param(
        (500,), "Time step that noise is added up to; with several, the mean of the scores", label="Noise level (t)", low=1, high=STEPS,
        most=20,
    )  # fmt: skip
    reverse_steps: int = param(
        1, "Steps of denoising: 1 = one prediction, as many as the noise level = the full chain", label="Reverse steps", low=1, high=STEPS
    )
    precision: str = param(
        "auto", "Number format of a scan's scoring; auto: float32 on a CPU, bf16 on a GPU that is fast with it; bf16: convolutions "
        "on a CPU, too, which takes a quarter of the time on those with AMX and changes the map by 1 to 3 %", label="Numerical precision",
        choices=PRECISIONS, advanced=True,
    )  # fmt: skip
    passes: int = param(1, "Reconstructions with noise of their own, of which the mean counts", label="Reconstructions", low=1, high=1000)


@dataclass(frozen=True)
class DiffusionTraining(TrainingParams):
    """Adam with step size 1e-5, batches of 32 (Behrendt 2023's paper); 1e-4 in its code.

    With both presets the weights of the best validation count, as in the paper. The paper trains for 1600 epochs, here it is for so
    many steps, 20,000 unless more are asked for.
    """

    learning_rate: float = param(1e-5, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.00001)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"keep_best": True}, "code": {"learning_rate": 1e-4, "keep_best": True}, "tiny": TINY_TRAINING,
    }  # fmt: skip


class DiffusionDetector(ReconstructionDetector):
    """Base of the diffusion models: noise is added to slices or patches of them and taken away, and what changed is the score.

    The networks see intensities from -1 to 1; scores are of those from 0 to 1.
    """

    Params: ClassVar[type[AnyParams]] = DiffusionParams
    Training: ClassVar[type[TrainingParams]] = DiffusionTraining
    params: DiffusionParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        if self.params.base_channels % _WIDTH:
            raise InputError(self.params.called("base_channels"), why=f"{self.params.base_channels} is not a multiple of {_WIDTH}")

    @abstractmethod
    def _grids(self) -> tuple[PatchGrid, ...]:
        """The patches, by their sizes."""

    def _stride(self) -> int:
        return int(2 ** (len(self.params.multipliers) - 1))

    def _precision(self) -> str:
        return self.params.precision

    def _build(self) -> DiffusionUNet:
        from ..nets.diffusion_unet import DiffusionUNet

        p = self.params
        return DiffusionUNet(p.base_channels, p.multipliers, p.blocks, scale_shift=p.scale_shift, transposed=p.transposed)

    def _process(self) -> Process:
        from .process import Process

        return Process(self.params.schedule, self.params.prediction)

    def _task(self) -> DiffusionTask:
        from .tasks import DiffusionTask

        p = self.params
        return DiffusionTask(self._build, self._process(), p.noise, self._grids(), squared=p.loss == "l2", shown=p.t_test[0])

    def _members(self) -> list[PatchReconstruction]:
        """One way to reconstruct for each size of patches and each noise level."""
        from .tasks import PatchReconstruction

        p, process = self.params, self._process()
        return [
            PatchReconstruction(process, p.noise, grid, t, min(p.reverse_steps, t), p.passes) for grid in self._grids() for t in p.t_test
        ]

    def _inference(self) -> Inference:
        from .tasks import Mean

        return Mean(self._members())

    def _scorer(self) -> Scorer:
        from .tasks import mean_score

        return mean_score(SCORES[self.params.score], self._members())
