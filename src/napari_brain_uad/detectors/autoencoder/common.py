"""What the methods made of Baur's unified network share: settings and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...core.detector import MethodInfo
from ...core.params import Scalar, param
from ...core.threshold import ThresholdRule
from ...training.params import TrainingParams
from ..base.reconstruction import ReconstructionParams

PAPER = "Baur et al. 2021, Autoencoders for unsupervised anomaly segmentation in brain MR images: a comparative study, arXiv:2004.03271"
NEEDS = "A scan of the sequence the model was trained on, and a brain mask (or a skull-stripped scan)"
UNIT = "reconstruction error (intensities: brain p1-p99 = 0-1)"
THRESHOLD = ThresholdRule("percentile", 98.0)
"""Residuals of healthy tissue have no gap that Otsu's rule could find; the top 2 % of the brain is an honest start by hand."""

CARD = MethodInfo(
    id="",
    name="",
    family="Autoencoder",
    summary="",
    paper=PAPER,
    licence="BSD-3-Clause; weights: see the model's card",
    needs=NEEDS,
    sequences=("FLAIR", "T2", "T1", "T1c"),
    trainable=True,
    score_unit=UNIT,
    default_threshold=THRESHOLD,
    preset="clinical",
    devices=("cpu", "cuda", "mps"),
    seconds_per_megavoxel=0.25,
    bytes_per_voxel=24.0,
    colour_limits=(0.0, 0.5),
)
"""The family's: a method's card says what differs."""

TINY: Mapping[str, Scalar] = {"height": 32, "width": 32, "pixel_mm": 1.5, "score": "brighter"}


@dataclass(frozen=True)
class BaurParams(ReconstructionParams):
    """Settings of the methods made of Baur's unified network."""

    dropout: float = param(
        0.2,
        "Fraction of the bottleneck dropped while training",
        label="Bottleneck dropout",
        low=0.0,
        high=0.9,
        step=0.05,
        advanced=True,
        role="training",
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"paper": {}, "tiny": TINY}


@dataclass(frozen=True)
class BaurTraining(TrainingParams):
    """Adam with step size 1e-4 and beta1 0.5, batches of 8 (Baur 2021, section 4.2)."""

    batch_size: int = param(8, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)
    beta1: float = param(0.5, "Decay of the optimizer's mean of gradients", low=0.0, high=0.9999, step=0.05, advanced=True)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"paper": {}, "tiny": {"steps": 60, "learning_rate": 0.001}}
