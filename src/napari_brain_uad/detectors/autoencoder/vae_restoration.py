"""Restoration with a variational autoencoder: the slice itself is moved towards what the model finds likely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Scalar, param
from ..base.reconstruction import RESIDUAL_SCORES
from .common import CARD, TINY, RestorationParams
from .vae import VAE, VAEParams

if TYPE_CHECKING:
    from ...inference.reconstruction import Inference


@dataclass(frozen=True)
class VAERestorationParams(RestorationParams, VAEParams):
    """Settings of `VAERestoration`."""

    score: str = param("l1", "How slice and restored slice are compared", choices=RESIDUAL_SCORES)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        **VAEParams.PRESETS,
        "tiny": {**TINY, "restoration_steps": 10, "step_size": 0.03},
    }


class VAERestoration(VAE):
    """Maximum-a-posteriori restoration with the prior of a trained VAE.

    Chen 2020, section 3.2: gradient descent on ``-ELBO(y) + w TV(x - y)`` over y, from y = x, the scanned slice. The ELBO is taken at
    the mean of z. Score: x against the restored y. A model of `vae` will do.
    """

    Params = VAERestorationParams
    INFO = replace(
        CARD,
        id="vae-restoration",
        name="VAE restoration",
        summary="Moves each slice step by step towards what a VAE finds likely, and scores what had to change. Slow; fine detail stays.",
        paper="Chen et al. 2020, Unsupervised lesion detection via image restoration with a normative prior, arXiv:2005.00031",
        seconds_per_megavoxel=22.0,
        presets=f"{VAE.INFO.presets} The paper chooses the TV weight on healthy scans and gives none.",
        models_of=("vae",),
    )
    params: VAERestorationParams

    def _inference(self) -> Inference:
        from ...inference.reconstruction import Restoration

        p = self.params
        return Restoration(self._task().elbo, p.restoration_steps, p.step_size, p.tv_weight)
