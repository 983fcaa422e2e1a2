"""StRegA: tissue classes, a compact context-encoding VAE, and what is left over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.detector import MethodInfo
from ..core.errors import InputError
from ..core.params import Scalar, param
from ..core.volume import Volume
from ..preprocessing.slices import Slices, to_slices
from ..preprocessing.tissue_scale import CSF, SEQUENCES, WHITE, fit_tissue_scale
from ..scoring.registry import SCORES, score_names
from ..training.params import TrainingParams
from ._baur import THRESHOLD
from ._context import ContextDetector
from ._reconstruction import ReconstructionParams
from .cce_vae import BLOCKS, CODE, FULL, CceVAEParams, build_cce_vae

if TYPE_CHECKING:
    from ._nets.context import ContextVAE
    from ._tasks import VariationalTask

TISSUE = "tissue"
"""The sequence of images that hold the scale of tissue itself, like simulated ones; so do maps of the classes 1, 2, 3."""

SCORE_NAMES = score_names(tissues=True)

_LABELS: Mapping[str, Scalar] = {"tissue": "classes", "decoder": "label-image", "mirror": False, "smoothing_mm": 0.0}


@dataclass(frozen=True)
class StregaParams(CceVAEParams):
    """Settings of `Strega`."""

    height: int = param(112, "Rows of a slice, posterior to anterior; a multiple of 16", unit="pixels", low=16, high=1024, step=16)
    width: int = param(96, "Columns of a slice, left to right; a multiple of 16", unit="pixels", low=16, high=1024, step=16)
    pixel_mm: float = param(2.0, "Size of a pixel; height and width times it must hold the brain", unit="mm", low=0.2, high=10.0, step=0.1)
    maps: str = param("32-64-128-256", "Feature maps of the stages; each halves the slice")
    blocks: str = param(
        "batch-norm", "Stages with residual connections and batch normalisation, with batch-norm alone, or plain", choices=BLOCKS
    )
    narrow: int = param(32, "Maps that are left before the dense bottleneck; 0 = all", low=0, high=4096, step=8, advanced=True)
    kl_weight: float = param(0.1, "Weight of the KL divergence in the loss", low=0.0, high=1e6, step=0.001)
    score: str = param("lost-white-matter", "How tissues and their reconstruction are compared", choices=SCORE_NAMES)
    sequence: str = param(
        "auto", "Tells which tissue is dark and which bright; auto = the scan's own", choices=("auto", *SEQUENCES, TISSUE)
    )
    tissue: str = param(
        "scale", "scale: from 1 (CSF) to 3 (white matter) with partial volume. classes: whole numbers, by a hidden Markov random field",
        choices=("scale", "classes"),
    )  # fmt: skip
    decoder: str = param(
        "tissues",
        "tissues: probabilities of the tissues, restored from painted-over slices. label-image: the labels, as in the paper",
        choices=("tissues", "label-image"),
    )
    painted: float = param(0.9, "Share of the training slices with painted-over patches (decoder tissues)", low=0.0, high=1.0, step=0.05)
    mirror: bool = param(True, "Average with the reconstruction of the mirrored slice (decoder tissues)")
    smoothing_mm: float = param(2.0, "Gaussian smoothing of the score within the brain (sigma)", unit="mm", low=0.0, high=20.0, step=0.5)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        "paper": {**FULL, **_LABELS, "maps": "64-128-256", "blocks": "residual", "narrow": 0, "score": "brighter", "kl_weight": 0.01},
        "code": {**CODE, **_LABELS, "narrow": 0, "score": "darker", "kl_weight": 0.01},
        "tiny": {
            "height": 32,
            "width": 32,
            "pixel_mm": 1.5,
            "maps": "8-16-32",
            "narrow": 8,
            "latent": 16,
            "sequence": "T1",
            "smoothing_mm": 0.0,
        },
    }


@dataclass(frozen=True)
class StregaTraining(TrainingParams):
    """Adam, batches of 64 (paper); step size 1e-4 there, 1e-3 with a cosine for the categorical decoder."""

    steps: int = param(12_000, "Batches to train on", low=1, high=10_000_000, step=1000)
    batch_size: int = param(64, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)
    learning_rate: float = param(1e-3, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.0001)
    schedule: str = param("cosine", "Course of the learning rate over the steps", choices=("constant", "cosine", "one-cycle"))
    warmup_steps: int = param(100, "Steps over which the learning rate rises from 0", low=0, high=1_000_000, step=100, advanced=True)
    clip_norm: float = param(
        1000.0, "Longest gradient; longer ones are shortened to it; 0 = as they are", low=0.0, high=1e6, step=0.5, advanced=True
    )
    augmentation: str = param("flip", "Random changes of the training slices (TorchIO)", choices=("none", "flip", "mild", "strega"))

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        "paper": {"learning_rate": 1e-4, "schedule": "constant", "warmup_steps": 0, "clip_norm": 0.0, "augmentation": "strega"},
        "code": {"learning_rate": 1e-4, "schedule": "constant", "warmup_steps": 0, "clip_norm": 0.0, "augmentation": "strega"},
        "tiny": {"steps": 40, "batch_size": 16, "warmup_steps": 0},
    }


class Strega(ContextDetector):
    """Tissues of a slice are compared with those a healthy brain would have there.

    The paper segments a scan into CSF, grey and white matter, so that one model serves every sequence and scanner, trains a compact
    context-encoding VAE on these label images, and takes the residual. The default differs in three things, each a setting: a scale of
    tissue instead of hard classes, probabilities of the tissues instead of a label image as the decoder's output, and a score of those.
    A scan that holds tissue labels already (0 to 3, in whole numbers) is taken as it is.
    """

    Params = StregaParams
    Training = StregaTraining
    INFO = MethodInfo(
        id="strega",
        name="StRegA",
        family="Autoencoder",
        summary="Tissue classes instead of intensities, a compact context-encoding VAE, and what does not fit a healthy brain.",
        paper="Chatterjee et al. 2022, StRegA: unsupervised anomaly detection in brain MRIs using a compact context-encoding "
        "variational autoencoder, Computers in Biology and Medicine, doi:10.1016/j.compbiomed.2022.106093",
        licence="BSD-3-Clause; weights: see the model's card",
        needs="A brain mask (or a skull-stripped scan) and a known sequence; any of T1, T1c, T2, PD and FLAIR",
        sequences=("T2", "T1c", "T1", "FLAIR"),
        trainable=True,
        score_unit="probability of missing white matter",
        default_threshold=THRESHOLD,
        preset="native",
        devices=("cpu", "cuda", "mps"),
        seconds_per_megavoxel=1.0,
        bytes_per_voxel=60.0,
        presets="Paper and published code disagree. paper: hard classes, maps 64-128-256, 256 latents, residual connections and batch "
        "normalisation, 256 x 256 pixels, input - reconstruction with negatives set to 0. code: maps 16-64-256-1024, 1024 latents, plain, "
        "reconstruction - input; both threshold by Otsu (--threshold otsu). The default keeps the idea and changes tissue scale, decoder "
        "and score.",
        colour_limits=(0.0, 1.0),
    )
    params: StregaParams

    def __init__(self, params: ReconstructionParams | None = None) -> None:
        super().__init__(params)
        if SCORES[self.params.score].tissues and self.params.decoder != "tissues":
            raise InputError(
                "StregaParams.score", why=f"{self.params.score} needs the decoder 'tissues'", fix="Choose that decoder, or another score"
            )

    def _build(self) -> ContextVAE:
        return build_cce_vae(self.params, self.CHANNELS, 4 if self.params.decoder == "tissues" else None)

    def _task(self) -> VariationalTask:  # type: ignore[override]
        if self.params.decoder == "label-image":
            return super()._task()
        from ._tissue_task import TissueTask

        p = self.params
        return TissueTask(self._build, p.latent, p.kl_weight, painted=p.painted, mirror=p.mirror)

    def _slices(self, volume: Volume) -> Slices:
        """Slices of tissue, from 0 to 4; between 0 and 1 for the label image."""
        slices = self._tissue_slices(volume)
        return slices.with_data(slices.data / np.float32(WHITE)) if self.params.decoder == "label-image" else slices

    def _tissue_slices(self, volume: Volume) -> Slices:
        sequence = volume.sequence if self.params.sequence == "auto" else self.params.sequence
        if sequence == TISSUE or _holds_labels(volume):
            slices = to_slices(volume, self.params.grid)
            return slices.with_data(np.where(slices.mask, slices.data.clip(CSF, WHITE), np.float32(0.0)))
        if sequence is None:
            raise InputError(
                f"{volume.name} cannot be scored by StRegA",
                why="its sequence is not known, and with it which tissue is dark and which bright",
                fix="Set the method's setting sequence to T1, T2, PD or FLAIR",
            )
        if self.params.tissue == "classes":
            return to_slices(_classified(volume, sequence), self.params.grid, interpolation="nearest")
        slices = to_slices(volume, self.params.grid)
        scale = fit_tissue_scale(slices.data[slices.mask], sequence)
        tissue = np.where(slices.mask, scale(slices.data), np.float32(0.0))
        return slices.with_data(_filled(tissue, slices.mask))

    def _finish(self, scores: NDArray[np.float32], slices: Slices) -> NDArray[np.float32]:
        p = self.params
        if p.smoothing_mm == 0:
            return scores
        from scipy.ndimage import gaussian_filter

        sigma = (p.smoothing_mm / p.step_mm, p.smoothing_mm / p.pixel_mm, p.smoothing_mm / p.pixel_mm)
        weight = gaussian_filter(slices.mask.astype(np.float32), sigma)
        smooth = gaussian_filter(np.where(slices.mask, scores, np.float32(0.0)), sigma) / np.maximum(weight, 1e-6)
        return np.where(slices.mask, smooth, np.float32(0.0)).astype(np.float32)


def _holds_labels(volume: Volume) -> bool:
    """Whether the scan is a map of tissue classes already."""
    inside = volume.data if volume.mask is None else volume.data[volume.mask]
    found = np.unique(inside[:: max(1, inside.size // 10_000)])
    return found.size <= 4 and bool(np.isin(np.unique(inside), (0.0, 1.0, 2.0, 3.0)).all())


def _classified(volume: Volume, sequence: str) -> Volume:
    from ..preprocessing.step import Context
    from ..preprocessing.steps.tissue_classes import TissueClasses

    named = Volume(volume.data, volume.grid, volume.name, volume.mask, sequence)
    return TissueClasses().apply(named, Context()).volume


def _filled(tissue: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Holes of the mask as CSF: masks made with a threshold leave out ventricles, which a network has never seen black."""
    from scipy.ndimage import binary_fill_holes

    for image, brain in zip(tissue, mask, strict=True):
        image[binary_fill_holes(brain) & ~brain] = CSF
    return tissue
