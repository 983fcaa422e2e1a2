"""Settings of the methods that look at tissue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...core.params import Value, param
from ...scoring.registry import score_names
from ...training.params import TrainingParams
from ..autoencoder.cce_vae import BLOCKS
from ..base.reconstruction import ReconstructionParams, SliceParams
from .tissues import TISSUE, sequence_setting

RESTORATION, SEGMENTATION = "restoration", "segmentation"
"""The members of the ensemble."""

HEIGHT = "Rows of a slice, posterior to anterior; a multiple of 16"
WIDTH = "Columns of a slice, left to right; a multiple of 16"
PIXEL = "Size of a pixel; height and width times it must hold the brain"
_TINY: Mapping[str, Value] = {"height": 32, "width": 32, "pixel_mm": 1.5, "sequence": "T1"}
_TINY_RESTORATION: Mapping[str, Value] = {**_TINY, "maps": (8, 16, 32), "narrow": 8, "latent": 16, "smoothing_mm": 0.0}
_TINY_SEGMENTATION: Mapping[str, Value] = {
    **_TINY,
    "segmentation_smoothing_mm": 0.0,
    "segmentation_maps": (8, 16),
    "augmentation_strength": 0.0,
}


def maps_setting(usual: tuple[int, ...]) -> tuple[int, ...]:
    """The setting of a segmentation network's size, with what a method has by default."""
    told = "Feature maps of the segmentation network's levels; each has half the size"
    setting: tuple[int, ...] = param(usual, told, label="Segmentation maps", low=1, high=4096, most=7, advanced=True, role="network")
    return setting


def smoothing_setting(usual: float) -> float:
    """The setting of how its answer is smoothed, with what a method has by default."""
    told = "Gaussian smoothing of the segmentation network's probability (sigma)"
    setting: float = param(usual, told, label="Segmentation smoothing", unit="mm", low=0.0, high=20.0, step=0.5)
    return setting


@dataclass(frozen=True)
class TissueRestorationParams(ReconstructionParams):
    """Settings of `TissueRestoration`."""

    height: int = param(112, HEIGHT, label="Slice height", unit="pixels", low=16, high=1024, step=16, role="network")
    width: int = param(96, WIDTH, label="Slice width", unit="pixels", low=16, high=1024, step=16, role="network")
    pixel_mm: float = param(2.0, PIXEL, label="Pixel size", unit="mm", low=0.2, high=10.0, step=0.1, role="network")
    score: str = param(
        "white-matter-deficit",
        "How tissues and their reconstruction are compared",
        label="Anomaly score",
        choices=score_names(tissues=True),
    )
    sequence: str = sequence_setting(TISSUE)
    maps: tuple[int, ...] = param(
        (32, 64, 128, 256),
        "Feature maps of the stages; each halves the slice",
        label="Feature maps",
        low=1,
        high=4096,
        most=7,
        role="network",
    )
    latent: int = param(256, "Size of the latent vector", label="Latent dimension", low=1, high=4096, step=16, role="network")
    blocks: str = param(
        "batch-norm",
        "Stages with residual connections and batch normalisation, with batch-norm alone, or plain",
        label="Network blocks",
        choices=BLOCKS,
        role="network",
    )
    narrow: int = param(
        32,
        "Maps that are left before the dense bottleneck; 0 = all",
        label="Maps before bottleneck",
        low=0,
        high=4096,
        step=8,
        advanced=True,
        role="network",
    )
    kl_weight: float = param(
        0.1, "Weight of the KL divergence in the loss", label="KL weight", low=0.0, high=1e6, step=0.001, role="training"
    )
    corrupted_share: float = param(
        0.9,
        "Share of the training slices with synthetic anomalies to restore",
        label="Corrupted share",
        low=0.0,
        high=1.0,
        step=0.05,
        role="training",
    )
    mirror: bool = param(True, "Average with the reconstruction of the mirrored slice", label="Mirror averaging")
    smoothing_mm: float = param(
        1.0, "Gaussian smoothing of the score within the brain (sigma)", label="Score smoothing", unit="mm", low=0.0, high=20.0, step=0.5
    )
    shift_pixels: int = param(
        2,
        "Average the reconstructions of slices shifted by so much along both diagonals; 0 = of the slice as it is",
        label="Shift averaging",
        unit="pixels",
        low=0,
        high=16,
    )
    inpainting_rounds: int = param(
        1,
        "Times that missing white matter is filled in and the slice reconstructed anew (iterative inpainting)",
        label="Inpainting rounds",
        low=0,
        high=20,
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"tiny": _TINY_RESTORATION}


@dataclass(frozen=True)
class AnomalySegmentationParams(SliceParams):
    """Settings of `AnomalySegmentation`; called as the ensemble calls them, so that it can use the ensemble's models."""

    height: int = param(112, HEIGHT, label="Slice height", unit="pixels", low=16, high=1024, step=16, role="network")
    width: int = param(96, WIDTH, label="Slice width", unit="pixels", low=16, high=1024, step=16, role="network")
    pixel_mm: float = param(2.0, PIXEL, label="Pixel size", unit="mm", low=0.2, high=10.0, step=0.1, role="network")
    sequence: str = sequence_setting(TISSUE)
    segmentation_smoothing_mm: float = smoothing_setting(4.0)
    segmentation_maps: tuple[int, ...] = maps_setting((24, 48, 96, 192, 192))
    augmentation_strength: float = param(
        1.0,
        "How uneven the segmentation network sees healthy tissue in training: 1 for simulated scans, less for real ones",
        label="Augmentation strength",
        low=0.0,
        high=2.0,
        step=0.25,
        advanced=True,
        role="training",
    )
    white_lesion_share: float = param(
        0.0,
        "Share of the training slices with lesions of white matter, as in multiple sclerosis, in place of anomalies of any kind",
        label="White-matter lesions",
        low=0.0,
        high=1.0,
        step=0.05,
        advanced=True,
        role="training",
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "tiny": {**_TINY_SEGMENTATION, "segmentation_maps": (16, 16), "segmentation_smoothing_mm": 1.0}
    }


@dataclass(frozen=True)
class TissueEnsembleParams(TissueRestorationParams, AnomalySegmentationParams):
    """Settings of `TissueEnsemble`: those of both members, and how they count."""

    restoration_weight: float = param(
        0.4,
        "What missing white matter counts beside what is segmented as anomalous, which counts 1",
        label="Restoration weight",
        low=0.0,
        high=1.0,
        step=0.05,
    )
    restoration_weight_t1: float = param(
        0.2,
        "The same on T1 and T1c, where the folds of the cortex look more like it",
        label="Restoration weight on T1",
        low=0.0,
        high=1.0,
        step=0.05,
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"tiny": {**_TINY_RESTORATION, **_TINY_SEGMENTATION}}


@dataclass(frozen=True)
class TissueTraining(TrainingParams):
    """Adam, batches of 64, step size 1e-3 with a cosine."""

    steps: int = param(12_000, "Batches to train on", low=1, high=10_000_000, step=1000)
    batch_size: int = param(64, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)
    learning_rate: float = param(1e-3, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.0001)
    schedule: str = param("cosine", "Course of the learning rate over the steps", choices=("constant", "cosine", "one-cycle"))
    warmup_steps: int = param(100, "Steps over which the learning rate rises from 0", low=0, high=1_000_000, step=100, advanced=True)
    clip_norm: float = param(
        1000.0, "Longest gradient; longer ones are shortened to it; 0 = as they are", low=0.0, high=1e6, step=0.5, advanced=True
    )
    augmentation: str = param("flip", "Random changes of the training slices (TorchIO)", choices=("none", "flip", "mild", "strega"))

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"tiny": {"steps": 40, "batch_size": 16, "warmup_steps": 0}}


@dataclass(frozen=True)
class SegmentationTraining(TissueTraining):
    """The same; a network that segments needs more steps than one that restores until it says anything."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "tiny": {"steps": 120, "batch_size": 16, "learning_rate": 0.01, "schedule": "constant", "warmup_steps": 0}
    }
