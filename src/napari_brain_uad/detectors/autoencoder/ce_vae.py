"""Context-encoding variational autoencoder.

What a KL weight means depends on how pixels and latents are added up and on the scale of the slices. In the authors' published code
(their example for the MOOD challenge) the loss is the mean of ``|x - r|`` over pixels plus 0.01 times the mean of the KL divergence over
latents, on slices from -1 to 1. Ours go from 0 to 1, where differences are half as large: the same balance is a weight of 0.005. Written
as a weight of the summed divergence beside the summed differences, it is ``kl_weight * pixels / latents``: 0.04 at 64 x 64 pixels and 512
latents, 0.16 at 128 x 128 pixels. Fewer latents make it heavier: 0.01 with 128 latents at 112 x 96 pixels is 0.84, and with that the
posterior collapsed here (KL 3e-7 a latent, every slice reconstructed as 0, after 250 steps as after 1,200). So it did with a tenth of that
weight from PyTorch's own starting weights, but not without the divergence; from those of `nets.context` it trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value, param
from ..base.reconstruction import MODEL_SCORES
from .common import CARD, TINY
from .context import ContextDetector, ContextParams, ContextTraining

if TYPE_CHECKING:
    from ..nets.context import ContextVAE


@dataclass(frozen=True)
class CeVAEParams(ContextParams):
    """Settings of `CeVAE`."""

    score: str = param("combi", "How slice and reconstruction are compared, or which gradient is taken", choices=MODEL_SCORES)
    kl_weight: float = param(
        0.005, "Weight of the KL divergence in the loss; 0.005 on slices from 0 to 1 is the paper's 0.01", low=0.0, high=1e6, step=0.001
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"height": 64, "width": 64, "pixel_mm": 3.2},
        "tiny": {**TINY, "maps": (8, 16, 32), "latent": 32},
    }


class CeVAE(ContextDetector):
    """A variational autoencoder that also learns to fill in masked squares (context encoding).

    Its residual, the gradient of its KL divergence, and their product (setting ``score``: l1, kl-gradient, combi) are the scores of
    the paper.
    """

    Params = CeVAEParams
    Training = ContextTraining
    INFO = replace(
        CARD,
        id="ce-vae",
        name="Context-encoding VAE",
        summary="A VAE that also fills in masked squares; scores by residual, by the KL divergence's gradient, or by both.",
        paper="Zimmerer et al. 2018, Context-encoding variational autoencoder for unsupervised anomaly detection, arXiv:1812.05941",
        score_unit="reconstruction error times the KL divergence's gradient (intensities: brain p1-p99 = 0-1)",
        seconds_per_megavoxel=0.35,
        colour_limits=None,
        presets="paper: 64 x 64 pixels; the default is the same network at 128 x 128. The published code squares the residual and adds "
        "noise to the gradient; here the residual is absolute and nothing is random.",
    )
    params: CeVAEParams

    def _build(self) -> ContextVAE:
        from ..nets.context import ContextVAE

        p = self.params
        return ContextVAE(self.CHANNELS, (p.height, p.width), p.maps, p.latent, blocks="plain", activation="leaky-relu")
