"""Denoising diffusion of whole slices: AnoDDPM, and the DDPM that patched diffusion is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value
from .common import CARD, CODE, EPOCHS, PAPER, POST, TINY, DiffusionDetector, DiffusionParams

if TYPE_CHECKING:
    from .patches import PatchGrid


@dataclass(frozen=True)
class DDPMParams(DiffusionParams):
    """Settings of `DDPM`."""

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": PAPER,
        "code": CODE,
        "anoddpm": {
            "multipliers": (1, 2, 2), "transposed": False, "scale_shift": False, "prediction": "noise", "loss": "l2", "t_test": (250,),
            "reverse_steps": 250,
        },
        "tiny": TINY,
    }  # fmt: skip


class DDPM(DiffusionDetector):
    """Noise is added to the whole slice up to a time step, and taken away in one step or along the chain."""

    Params = DDPMParams
    INFO = replace(
        CARD,
        id="ddpm",
        name="Denoising diffusion (DDPM)",
        summary="Adds simplex noise to slices and lets a network take it away again, in one step or many; what changed is the score.",
        paper="Wyatt et al. 2022, AnoDDPM: anomaly detection with denoising diffusion probabilistic models using simplex noise, CVPR "
        "Workshops, doi:10.1109/CVPRW56347.2022.00080; in one step: Behrendt et al. 2023, arXiv:2303.03758",
        seconds_per_megavoxel=0.8,
        presets="paper: as Behrendt 2023 prints it, channels 128,128,256, transposed convolutions, linear schedule, one step at t = 500. "
        "code: its authors' code, channels 128,256,256, residual blocks instead of transposed convolutions, cosine schedule (37.5 million "
        "parameters); learning rate 1e-4 instead of 1e-5. anoddpm: Wyatt 2022, predicts the noise, squared differences, the full chain "
        f"from t = 250; on slices of 96 x 96 here. {POST} {EPOCHS}",
    )
    params: DDPMParams

    def _grids(self) -> tuple[PatchGrid, ...]:
        from .patches import PatchGrid

        size = (self.params.height, self.params.width)
        return (PatchGrid(*size, size, size),)
