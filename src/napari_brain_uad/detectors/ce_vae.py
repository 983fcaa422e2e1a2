"""Context-encoding variational autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..core.detector import MethodInfo
from ..core.params import Scalar
from ._baur import NEEDS, THRESHOLD, TINY, UNIT
from ._context import ContextDetector, ContextParams, ContextTraining

if TYPE_CHECKING:
    from ._nets.context import ContextVAE


@dataclass(frozen=True)
class CeVAEParams(ContextParams):
    """Settings of `CeVAE`."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        "paper": {"height": 64, "width": 64, "pixel_mm": 3.2},
        "tiny": {**TINY, "maps": "8-16-32", "latent": 32},
    }


class CeVAE(ContextDetector):
    """A variational autoencoder that also learns to fill in squares that were painted over.

    Its residual, the gradient of its KL divergence, and their product (setting ``score``: l1, kl-gradient, combi) are the scores of
    the paper.
    """

    Params = CeVAEParams
    Training = ContextTraining
    INFO = MethodInfo(
        id="ce-vae",
        name="Context-encoding VAE",
        family="Autoencoder",
        summary="A VAE that also fills in painted-over squares; scores by residual, by the KL divergence's gradient, or by both.",
        paper="Zimmerer et al. 2018, Context-encoding variational autoencoder for unsupervised anomaly detection, arXiv:1812.05941",
        licence="BSD-3-Clause; weights: see the model's card",
        needs=NEEDS,
        sequences=("FLAIR", "T2", "T1", "T1c"),
        trainable=True,
        score_unit=UNIT,
        default_threshold=THRESHOLD,
        preset="clinical",
        devices=("cpu", "cuda", "mps"),
        seconds_per_megavoxel=0.35,
        bytes_per_voxel=24.0,
        presets="paper: 64 x 64 pixels; the default is the same network at 128 x 128.",
        colour_limits=(0.0, 0.5),
    )
    params: CeVAEParams

    def _build(self) -> ContextVAE:
        from ._nets.context import ContextVAE

        p = self.params
        return ContextVAE(self.CHANNELS, (p.height, p.width), p.map_counts, p.latent, blocks="plain", activation="leaky-relu")
