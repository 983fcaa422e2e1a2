"""Settings of `strega`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...core.params import Scalar, param
from ...preprocessing.tissue_scale import SEQUENCES
from ...scoring.registry import score_names
from ...training.params import TrainingParams
from ..autoencoder.cce_vae import BLOCKS, CODE, FULL, CceVAEParams
from ..autoencoder.context import counts_of

TISSUE = "tissue"
"""The sequence of images that hold the scale of tissue itself, like simulated ones; so do maps of the classes 1, 2, 3."""

SCORE_NAMES = score_names(tissues=True)

LABELS: Mapping[str, Scalar] = {
    "tissue": "classes",
    "decoder": "label-image",
    "mirror": False,
    "score": "brighter",
    "smoothing_mm": 0.0,
    "shift_pixels": 0,
    "healing": 0,
    "regions": False,
}


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
    score: str = param("white-matter-deficit", "How tissues and their reconstruction are compared", choices=SCORE_NAMES)
    sequence: str = param(
        "auto",
        "Tells which tissue is dark and which bright; auto = the scan's own",
        label="MRI sequence",
        choices=("auto", *SEQUENCES, TISSUE),
    )
    tissue: str = param(
        "scale", "scale: from 1 (CSF) to 3 (white matter) with partial volume. classes: whole numbers, by a hidden Markov random field",
        label="Tissue values",
        choices=("scale", "classes"), role="network")  # fmt: skip
    decoder: str = param(
        "tissues",
        "tissues: probabilities of the tissues, restored from painted-over slices. label-image: the labels, as in the paper",
        label="Decoder output",
        choices=("tissues", "label-image"),
        role="network",
    )
    painted: float = param(
        0.9,
        "Share of the training slices with painted-over patches (decoder tissues)",
        label="Painted-over share",
        low=0.0,
        high=1.0,
        step=0.05,
        role="training",
    )
    mirror: bool = param(True, "Average with the reconstruction of the mirrored slice (decoder tissues)", label="Mirror averaging")
    smoothing_mm: float = param(
        1.0,
        "Gaussian smoothing of the score within the brain (sigma)",
        label="Score smoothing",
        unit="mm",
        low=0.0,
        high=20.0,
        step=0.5,
    )
    shift_pixels: int = param(
        2,
        "Average the reconstructions of slices shifted by so much along both diagonals; 0 = of the slice as it is (decoder tissues)",
        label="Shift averaging",
        unit="pixels",
        low=0,
        high=16,
    )
    healing: int = param(
        1,
        "Times that missing white matter is filled in and the slice restored anew (decoder tissues)",
        label="Healing rounds",
        low=0,
        high=20,
    )
    regions: bool = param(
        True,
        "Train and ask a second network too: it finds what has been painted over healthy slices, of any brightness (decoder tissues)",
        label="Second network",
    )
    deficit_weight: float = param(
        0.4,
        "What missing white matter counts beside what looks painted over, which counts 1 (regions)",
        label="Deficit weight",
        low=0.0,
        high=1.0,
        step=0.05,
    )
    deficit_weight_t1: float = param(
        0.2,
        "The same on T1 and T1c, where the folds of the cortex look more like it (regions)",
        label="Deficit weight on T1",
        low=0.0,
        high=1.0,
        step=0.05,
    )
    finder_smoothing_mm: float = param(
        4.0,
        "Gaussian smoothing of what looks painted over (sigma; regions)",
        label="Region smoothing",
        unit="mm",
        low=0.0,
        high=20.0,
        step=0.5,
    )
    finder_maps: str = param(
        "24-48-96-192-192",
        "Feature maps of that network's levels; each has half the size",
        label="Second network's maps",
        advanced=True,
        role="network",
    )
    roughness: float = param(
        1.0,
        "How uneven that network sees healthy tissue in training: 1 for simulated scans, less for real ones (regions)",
        label="Training roughness",
        low=0.0,
        high=2.0,
        step=0.25,
        advanced=True,
        role="training",
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        "paper": {**FULL, **LABELS, "maps": "64-128-256", "blocks": "residual", "narrow": 0, "kl_weight": 0.01},
        "code": {**CODE, **LABELS, "narrow": 0, "score": "darker", "kl_weight": 0.01},
        "tiny": {
            "height": 32,
            "width": 32,
            "pixel_mm": 1.5,
            "maps": "8-16-32",
            "narrow": 8,
            "latent": 16,
            "sequence": "T1",
            "smoothing_mm": 0.0,
            "finder_smoothing_mm": 0.0,
            "finder_maps": "8-16",
            "roughness": 0.0,
        },
    }

    @property
    def finder_counts(self) -> tuple[int, ...]:
        """`finder_maps` as numbers; raises as `map_counts`."""
        return counts_of(self.finder_maps, f"{type(self).__name__}.finder_maps")


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
