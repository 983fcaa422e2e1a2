"""Settings of `Strega`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...core.params import Value, param
from ...training.params import TrainingParams
from ..autoencoder.cce_vae import CceVAEParams
from .params import HEIGHT, WIDTH
from .tissues import sequence_setting

SCORE_NAMES = ("brighter", "darker", "l1")
OTSU = ("otsu-slice", "otsu", "none")

_FULL: Mapping[str, Value] = {"height": 256, "width": 256, "pixel_mm": 0.0, "step_mm": 0.0, "least_area_px": 256}


@dataclass(frozen=True)
class StregaParams(CceVAEParams):
    """Settings of `Strega`; the defaults are the paper's pipeline with a smaller network on fewer pixels."""

    pixel_mm: float = param(
        2.0, "Size of a pixel; 0 = slices of any size are resized (paper)", label="Pixel size", unit="mm", low=0.0, high=10.0, step=0.1,
        role="network",
    )  # fmt: skip
    step_mm: float = param(
        2.0,
        "Distance between slices; 0 = the scan's own (paper)",
        label="Slice distance",
        unit="mm",
        low=0.0,
        high=20.0,
        step=0.5,
        role="network",
    )
    sequence: str = sequence_setting()
    height: int = param(112, HEIGHT, label="Slice height", unit="pixels", low=16, high=1024, step=16, role="network")
    width: int = param(96, WIDTH, label="Slice width", unit="pixels", low=16, high=1024, step=16, role="network")
    maps: tuple[int, ...] = param(
        (16, 32, 64, 128),
        "Feature maps of the stages; each halves the slice",
        label="Feature maps",
        low=1,
        high=4096,
        most=7,
        role="network",
    )
    latent: int = param(128, "Size of the latent vector", label="Latent dimension", low=1, high=4096, step=16, role="network")
    score: str = param(
        "brighter",
        "Residual: input - reconstruction (brighter, paper) or reconstruction - input (darker, code) with negatives set to 0, or both (l1)",
        label="Residual",
        choices=SCORE_NAMES,
    )
    binarise: str = param(
        "otsu-slice",
        "Otsu's threshold on each slice (paper) or on the volume (code): what lies below becomes 0; none = the residual as it is",
        label="Otsu threshold",
        choices=OTSU,
    )
    least_area_px: int = param(
        64,
        "After Otsu, smaller regions of a slice become 0",
        label="Area opening",
        unit="pixels",
        low=0,
        high=65_536,
        step=16,
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {**_FULL, "maps": (64, 128, 256), "latent": 256},
        "code": {**_FULL, "maps": (16, 64, 256, 1024), "latent": 1024, "blocks": "plain", "score": "darker", "binarise": "otsu"},
        "tiny": {
            "height": 32,
            "width": 32,
            "pixel_mm": 1.5,
            "maps": (8, 16, 32),
            "latent": 16,
            "sequence": "T2",
            "score": "darker",
            "least_area_px": 0,
            "binarise": "none",
        },
    }


@dataclass(frozen=True)
class StregaTraining(TrainingParams):
    """Adam with step size 1e-4, batches of 64, 70 epochs (paper)."""

    batch_size: int = param(64, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)
    augmentation: str = param("strega", "Random changes of the training slices (TorchIO)", choices=("none", "flip", "mild", "strega"))

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "code": {},
        "tiny": {"steps": 40, "batch_size": 16, "learning_rate": 0.001, "augmentation": "none"},
    }
