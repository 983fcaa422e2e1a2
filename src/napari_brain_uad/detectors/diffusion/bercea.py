"""What AutoDDPM and THOR share: the network and the training of Bercea's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...core.params import Value, param
from ...training.params import TrainingParams
from .common import TINY_TRAINING
from .ddpm import DDPMParams
from .names import KINDS, PREDICTIONS

NETWORK = (
    "Both: channels 128,256,256 with one residual block a level, Gaussian noise that is predicted, linear schedule, slices of 128 x 128 "
    "pixels. Attention is in the middle alone here, in the authors' network at two levels; intensities go from -1 to 1. In place of LPIPS, "
    "whose network was trained on photographs and is not part of this package, stands the structural dissimilarity. "
    "The time on this card is for 16 channels and all steps; fewer `reverse_steps` take less."
)
"""What a card says of it."""


@dataclass(frozen=True)
class BerceaParams(DDPMParams):
    """Settings of the methods made of a chain on whole slices, as in Bercea's code."""

    height: int = param(128, "Rows of a slice, posterior to anterior", unit="pixels", low=16, high=1024, step=16)
    width: int = param(128, "Columns of a slice, left to right", unit="pixels", low=16, high=1024, step=16)
    pixel_mm: float = param(1.6, "Size of a pixel; height and width times it must hold the brain", unit="mm", low=0.2, high=10.0, step=0.1)
    multipliers: tuple[int, ...] = param((1, 2, 2), "Channels of the levels as multiples of the first's", low=1, high=16, most=6)
    blocks: int = param(1, "Residual blocks of a level", low=1, high=8)
    scale_shift: bool = param(False, "The time step scales and shifts what is normalised, instead of being added", advanced=True)
    transposed: bool = param(False, "Transposed convolutions on the way up, instead of residual blocks", advanced=True)
    prediction: str = param("noise", "What the network predicts", choices=PREDICTIONS, advanced=True)
    noise: str = param("gaussian", "Kind of noise", choices=KINDS)
    loss: str = param("l2", "Absolute or squared differences", choices=("l1", "l2"), advanced=True)


@dataclass(frozen=True)
class BerceaTraining(TrainingParams):
    """Adam with step size 1e-4, batches of 16 (the authors' code)."""

    batch_size: int = param(16, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"paper": {}, "code": {}, "tiny": {**TINY_TRAINING, "steps": 30}}
