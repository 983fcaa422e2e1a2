"""Restoration with a variational autoencoder: the slice itself is moved towards what the model finds likely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..core.detector import MethodInfo
from ..core.params import Scalar, param
from ..core.progress import Progress
from ..scoring.registry import Evidence
from ._baur import NEEDS, THRESHOLD, TINY, UNIT
from ._reconstruction import RESIDUAL_SCORES
from .vae import VAE, VAEParams

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class VAERestorationParams(VAEParams):
    """Settings of `VAERestoration`."""

    score: str = param("l1", "How slice and restored slice are compared", choices=RESIDUAL_SCORES)
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

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {
        **VAEParams.PRESETS,
        "tiny": {**TINY, "restoration_steps": 25, "step_size": 0.02},
    }


class VAERestoration(VAE):
    """Maximum-a-posteriori restoration with the prior of a trained VAE.

    Chen 2020, section 3.2: gradient descent on ``-ELBO(y) + w TV(x - y)`` over y, from y = x, the scanned slice. The ELBO is taken at
    the mean of z. Score: x against the restored y. A model of `vae` will do.
    """

    Params = VAERestorationParams
    INFO = MethodInfo(
        id="vae-restoration",
        name="VAE restoration",
        family="Autoencoder",
        summary="Moves each slice step by step towards what a VAE finds likely, and scores what had to change. Slow; fine detail stays.",
        paper="Chen et al. 2020, Unsupervised lesion detection via image restoration with a normative prior, arXiv:2005.00031",
        licence="BSD-3-Clause; weights: see the model's card",
        needs=NEEDS,
        sequences=("FLAIR", "T2", "T1", "T1c"),
        trainable=True,
        score_unit=UNIT,
        default_threshold=THRESHOLD,
        preset="clinical",
        devices=("cpu", "cuda", "mps"),
        seconds_per_megavoxel=22.0,
        bytes_per_voxel=24.0,
        presets=f"{VAE.INFO.presets} The paper chooses the TV weight on healthy scans and gives none.",
        models_of=("vae",),
        colour_limits=(0.0, 0.5),
    )
    params: VAERestorationParams

    def _evidence(self, network: torch.nn.Module, images: torch.Tensor, progress: Progress) -> Evidence:
        import torch

        from ..training.precision import choose_precision

        p, task, restored = self.params, self._task(), images.clone()
        half = choose_precision("auto", self.device)[0] == "bf16"
        for _ in range(p.restoration_steps):
            progress.check()
            # Only the direction of many small steps comes from the network, so its rounding does not show.
            with torch.enable_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=half):
                leaf = restored.detach().requires_grad_(True)
                energy = task.elbo(network, leaf).sum() + p.tv_weight * total_variation(images - leaf)
                (slope,) = torch.autograd.grad(energy, leaf)
            restored = restored - p.step_size * slope
        return Evidence(images, restored.detach())


def total_variation(images: torch.Tensor) -> torch.Tensor:
    """Sum of absolute differences between neighbouring pixels (anisotropic total variation) of (B, C, H, W)."""
    return images.diff(dim=-1).abs().sum() + images.diff(dim=-2).abs().sum()
