"""Compact context-encoding variational autoencoder: the network of StRegA, on intensities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value, param
from .common import CARD, TINY
from .context import ContextDetector, ContextParams, ContextTraining

if TYPE_CHECKING:
    from ..nets.context import ContextVAE

BLOCKS = ("residual", "deepest-residual", "batch-norm", "plain")

FULL: Mapping[str, Value] = {"height": 256, "width": 256, "pixel_mm": 0.8}
CODE: Mapping[str, Value] = {**FULL, "maps": (16, 64, 256, 1024), "latent": 1024, "blocks": "plain"}

PRESETS_WORDS = (
    "Paper and published code disagree. paper: maps 64,128,256; 256 latents, residual connections and batch normalisation, at "
    "256 x 256 pixels; the default is the same network at 128 x 128. code: maps 16,64,256,1024; 1024 latents, no residual connections, "
    "no batch normalisation, 812 million parameters."
)


@dataclass(frozen=True)
class CceVAEParams(ContextParams):
    """Settings of `CceVAE`."""

    maps: tuple[int, ...] = param((64, 128, 256), "Feature maps of the stages; each halves the slice", low=1, high=4096, most=7)
    latent: int = param(256, "Numbers in the bottleneck", low=1, high=4096, step=16)
    blocks: str = param(
        "residual",
        "Stages with residual connections and batch normalisation, with batch-norm alone, or plain",
        label="Network blocks",
        choices=BLOCKS,
        role="network",
    )
    narrow: int = param(
        0,
        "Maps that are left before the dense bottleneck; 0 = all",
        label="Maps before bottleneck",
        low=0,
        high=4096,
        step=8,
        advanced=True,
        role="network",
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": FULL,
        "code": CODE,
        "tiny": {**TINY, "maps": (8, 16, 32), "latent": 32},
    }


class CceVAE(ContextDetector):
    """The ceVAE with residual connections, batch normalisation and fewer maps.

    At test time z is its mean (the published code samples it, which gives another map at every run).
    """

    Params = CceVAEParams
    Training = ContextTraining
    INFO = replace(
        CARD,
        id="cce-vae",
        name="Compact context-encoding VAE",
        summary="The network of StRegA on intensities instead of tissue classes: residual connections, batch normalisation, few maps.",
        paper="Chatterjee et al. 2022, StRegA: unsupervised anomaly detection in brain MRIs using a compact context-encoding "
        "variational autoencoder, arXiv:2201.13271",
        sequences=("T2", "T1c", "FLAIR", "T1"),
        seconds_per_megavoxel=0.5,
        presets=PRESETS_WORDS,
    )
    params: CceVAEParams

    def _build(self) -> ContextVAE:
        return build_cce_vae(self.params, self.CHANNELS)


def build_cce_vae(params: CceVAEParams, channels: int, outputs: int | None = None) -> ContextVAE:
    """The network of these settings; `outputs` channels come out, as many as go in when None."""
    from ..nets.context import ContextVAE

    p = params
    return ContextVAE(
        channels, (p.height, p.width), p.maps, p.latent, blocks=p.blocks, activation="prelu", outputs=outputs, narrow=p.narrow
    )
