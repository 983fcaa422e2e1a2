"""What the methods made of Baur's unified network share: settings and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ...core.params import Params, Scalar, param
from ...training.params import TrainingParams
from ..base.card import LEARNED
from ..base.reconstruction import CONVENTIONS, ReconstructionParams

PAPER = "Baur et al. 2021, Autoencoders for unsupervised anomaly segmentation in brain MR images: a comparative study, arXiv:2004.03271"

CARD = replace(LEARNED, family="Autoencoder", paper=PAPER, seconds_per_megavoxel=0.25)
"""The family's: a method's card says what differs."""

TINY: Mapping[str, Scalar] = {"height": 32, "width": 32, "pixel_mm": 1.5, "score": "brighter"}


def convention_setting(usual: str) -> str:
    """The setting of the variational autoencoders, with the convention that a method has by default."""
    told = "How the loss adds up: sum over pixels and latents, mean over both, or mixed (mean over pixels, sum over latents)"
    setting: str = param(usual, told, label="Loss reduction", choices=CONVENTIONS, advanced=True, role="network")
    return setting


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
class RestorationParams(Params):
    """Settings of the methods that move a slice towards what a model finds likely."""

    restoration_steps: int = param(150, "Gradient steps on every slice; the paper's range is 150 to 500", low=1, high=5000, step=50)
    step_size: float = param(0.001, "Size of a gradient step", label="Restoration step size", low=1e-6, high=1.0, step=0.001)
    tv_weight: float = param(
        0.2,
        "Weight of the total variation of what is changed; higher keeps fine detail as it is",
        label="Total variation weight",
        low=0.0,
        high=1000.0,
        step=0.1,
    )


@dataclass(frozen=True)
class BaurTraining(TrainingParams):
    """Adam with step size 1e-4 and beta1 0.5, batches of 8 (Baur 2021, section 4.2)."""

    batch_size: int = param(8, "Slices in a batch, over all devices together", low=1, high=65_536, step=8)
    beta1: float = param(0.5, "Decay of the optimizer's mean of gradients", low=0.0, high=0.9999, step=0.05, advanced=True)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"paper": {}, "tiny": {"steps": 60, "learning_rate": 0.001}}
