"""Denoising autoencoder: a U-Net that has learned to remove coarse noise removes what it does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.params import Value, param
from ...core.volume import Volume
from ...sampling.slices import Slices
from ...training.params import TrainingParams
from ..base.card import LEARNED
from ..base.reconstruction import ReconstructionDetector, ReconstructionParams
from .common import CARD

if TYPE_CHECKING:
    from .denoising_task import DenoisingTask

_RIM, _INSIDE = 5, 0.95
"""A pixel is scored where more than this share of the square of so many pixels around it is brain."""


@dataclass(frozen=True)
class DAEParams(ReconstructionParams):
    """Settings of `DAE`."""

    maps: tuple[int, ...] = param(
        (64, 128, 256, 512), "Feature maps of the levels; each halves the slice", label="Feature maps", low=1, high=4096, most=7,
        role="network",
    )  # fmt: skip
    noise_sd: float = param(
        0.2, "Standard deviation of the noise, where it is drawn", label="Noise level", low=0.0, high=10.0, step=0.05, role="training"
    )
    noise_side: int = param(
        16, "Pixels along each side of the field that noise is drawn in; fewer are coarser", label="Noise resolution", unit="pixels",
        low=1, high=1024, role="training",
    )  # fmt: skip
    without_rim: bool = param(
        True, "Give no score to the rim of the brain: where less than 95 % of the 5 x 5 pixels around are brain", label="Leave out the rim"
    )
    slice_median: int = param(
        5, "Median filter of the score in each slice: 0 (off), 3, 5 or 7", label="Median filter (2-D)", unit="pixels", choices=(0, 3, 5, 7)
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "pddpm": {"height": 96, "width": 96, "pixel_mm": 2.0},
        "tiny": {
            "height": 32, "width": 32, "pixel_mm": 1.5, "maps": (8, 16), "score": "brighter", "noise_side": 4, "noise_sd": 0.5,
            "without_rim": False, "slice_median": 0,
        },
    }  # fmt: skip


@dataclass(frozen=True)
class DAETraining(TrainingParams):
    """Adam (AMSGrad) with step size 1e-4, weight decay 1e-5 and a cosine schedule, gradients no longer than 0.5, batches of 16."""

    batch_size: int = param(16, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)
    optimizer: str = param("adam-amsgrad", "Optimizer", choices=("adam", "adam-amsgrad", "adamw", "sgd"))
    weight_decay: float = param(1e-5, "Weight decay", low=0.0, high=1.0, step=0.00001, advanced=True)
    schedule: str = param("cosine", "Course of the learning rate over the steps", choices=("constant", "cosine", "one-cycle"))
    clip_norm: float = param(
        0.5, "Longest gradient; longer ones are shortened to it; 0 = as they are", low=0.0, high=1e6, step=0.5, advanced=True
    )
    steps: int = param(67_200, "Batches to train on", low=1, high=10_000_000, step=1000)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"paper": {}, "tiny": {"steps": 80, "learning_rate": 0.01}}


class DAE(ReconstructionDetector):
    """A U-Net trained to remove coarse noise from healthy brains; when a scan is scored none is added.

    Intensities are divided by the 99th percentile of the brain.
    """

    Params = DAEParams
    Training = DAETraining
    INFO = replace(
        CARD,
        sequences=LEARNED.sequences,
        id="dae",
        name="Denoising autoencoder (DAE)",
        summary="A U-Net that learned to remove coarse noise from healthy slices; what it removes from a scan is the score.",
        paper="Kascenas, Pugeault, O'Neil 2022, Denoising autoencoders for unsupervised anomaly detection in brain MRI, MIDL, PMLR "
        "172:653-664; coarse noise: Kascenas et al. 2023, The role of noise in denoising models for anomaly detection in medical images, "
        "arXiv:2301.08330",
        score_unit="reconstruction error (intensities: brain p99 = 1)",
        seconds_per_megavoxel=0.6,
        bytes_per_voxel=40.0,
        presets="paper: slices of 128 x 128 pixels, maps 64,128,256,512 (7.7 million parameters). pddpm: on the 96 x 96 pixels of 2 mm "
        "of Behrendt 2023's comparison. The paper takes four sequences as channels, here one. It drops regions of 20 voxels and less: "
        "--min-size-voxels 21. The published cosine schedule rises again after 100 epochs, ours falls to the last step.",
    )
    params: DAEParams

    def _stride(self) -> int:
        return int(2 ** (len(self.params.maps) - 1))

    def _task(self) -> DenoisingTask:
        from ..nets.dae_unet import DenoisingUNet
        from .denoising_task import DenoisingTask

        p = self.params
        return DenoisingTask(lambda: DenoisingUNet(p.maps, self.CHANNELS), p.noise_sd, p.noise_side)

    def _prepare(self, volume: Volume) -> Volume:
        """Intensities over the 99th percentile of the brain; 0 outside."""
        highest = float(np.percentile(volume.data[volume.brain], 99))
        if highest <= 0:
            why = "the 99th percentile of the brain is not above 0, and intensities are divided by it"
            raise InputError(volume.name, why=why, fix="Give a scan with positive intensities")
        return volume.with_data(np.where(volume.brain, volume.data / np.float32(highest), np.float32(0.0)))

    def _finish(self, scores: NDArray[np.float32], slices: Slices) -> NDArray[np.float32]:
        from scipy.ndimage import median_filter, uniform_filter

        if self.params.without_rim:
            share = uniform_filter(slices.mask.astype(np.float32), (0, _RIM, _RIM), mode="constant")
            scores = np.where(share > _INSIDE, scores, np.float32(0.0))
        if self.params.slice_median:
            scores = median_filter(scores, (1, self.params.slice_median, self.params.slice_median), mode="constant")
        return np.asarray(np.where(slices.mask, scores, np.float32(0.0)), np.float32)
