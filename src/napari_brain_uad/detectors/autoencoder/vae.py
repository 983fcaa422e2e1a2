"""Variational autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Scalar, param
from ..base.reconstruction import MODEL_SCORES, ReconstructionDetector
from .common import CARD, TINY, BaurParams, BaurTraining, convention_setting

if TYPE_CHECKING:
    from ..base.tasks import VariationalTask


@dataclass(frozen=True)
class VAEParams(BaurParams):
    """Settings of `VAE`."""

    score: str = param("l1", "How slice and reconstruction are compared, or which gradient is taken", choices=MODEL_SCORES)
    latent: int = param(128, "Numbers in the bottleneck", label="Latent dimensions", low=1, high=4096, step=16, role="network")
    kl_weight: float = param(
        1.0, "Weight of the KL divergence in the loss", label="KL weight", low=0.0, high=1e6, step=0.001, role="network"
    )
    convention: str = convention_setting("sum")

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        "paper": {},
        "pddpm": {"height": 96, "width": 96, "pixel_mm": 2.0, "kl_weight": 0.001, "convention": "mixed"},
        "tiny": TINY,
    }


class VAE(ReconstructionDetector):
    """Baur's unified network with a Gaussian of 128 numbers as its bottleneck; at test time z is its mean."""

    Params = VAEParams
    Training = BaurTraining
    INFO = replace(
        CARD,
        id="vae",
        name="Variational autoencoder",
        summary="Reconstructs axial slices from a normally distributed vector; what it cannot reconstruct is the score.",
        presets="paper: Baur 2021, absolute differences and KL divergence both summed. "
        "pddpm: the VAE that Behrendt 2023 compares with, 96 x 96 pixels of 2 mm, mean absolute difference, KL weight 0.001.",
    )
    params: VAEParams

    def _task(self) -> VariationalTask:
        from ..base.tasks import VariationalTask
        from ..nets.baur import VariationalAutoencoder

        p = self.params
        return VariationalTask(
            lambda: VariationalAutoencoder(self.CHANNELS, (p.height, p.width), p.dropout, p.latent), p.convention, p.latent, p.kl_weight
        )
