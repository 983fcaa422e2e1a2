"""Temporal harmonization: a chain that is led back, on its way, to the scan where it does not differ from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value, param
from ..base.reconstruction import ReconstructionDetector
from .bercea import NETWORK, BerceaParams, BerceaTraining
from .common import CARD, TINY
from .ddpm import DDPM
from .names import STEPS

if TYPE_CHECKING:
    from ...inference.reconstruction import Inference, Scorer


_SCORES = ("harmonic", "harmonic-brighter")


@dataclass(frozen=True)
class THORParams(BerceaParams):
    """Settings of `THOR`."""

    score: str = param("harmonic", "How slice and reconstructions along the chain are compared", choices=_SCORES)
    t_test: tuple[int, ...] = param((350,), "Time step that noise is added up to", label="Noise level (t)", low=1, high=STEPS, most=1)
    reverse_steps: int = param(350, "Steps of denoising", low=1, high=STEPS)
    t_harmonization: tuple[int, ...] = param(
        (300, 150, 50), "Time steps at which the chain goes back to the scan where it does not differ", label="Harmonization (t)", low=1,
        high=STEPS, most=100,
    )  # fmt: skip
    map_every: int = param(50, "Time steps between two of the maps whose harmonic mean is the score", label="Map every", low=1, high=STEPS)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {},
        "simplex": {
            "noise": "simplex", "t_test": (250,), "reverse_steps": 250, "t_harmonization": (250, 200, 150, 100, 50),
        },
        "tiny": {
            **TINY, "noise": "gaussian", "prediction": "image", "score": "harmonic-brighter", "reverse_steps": 3, "t_harmonization": (150,),
            "map_every": 100,
        },
    }  # fmt: skip


class THOR(DDPM):
    """Along the chain the prediction of the clean slice takes the place of the scan where both differ, and nowhere else.

    A model of `ddpm` with the same settings of the network will do.
    """

    Params = THORParams
    Training = BerceaTraining
    INFO = replace(
        CARD,
        id="thor",
        name="Temporal harmonization (THOR)",
        summary="A diffusion chain led back to the scan where it does not differ; the harmonic mean of maps on its way is the score.",
        paper="Bercea, Wiestler, Rueckert, Schnabel 2024, Diffusion models with implicit guidance for medical anomaly detection, MICCAI, "
        "arXiv:2403.08464",
        score_unit="residual times structural dissimilarity (intensities: brain p1-p99 = 0-1)",
        seconds_per_megavoxel=900.0,
        colour_limits=(0.0, 0.1),
        presets="paper: Gaussian noise up to t = 350, harmonized at 300, 150 and 50, as in the authors' configuration. simplex: simplex "
        "noise up to t = 250, every 50 time steps. The authors' code divides every map by its highest value in the slice; for the score "
        "that is left out here, or healthy slices would light up. It also cuts what was mixed to the upper half of the intensities, "
        f"which is left out. {NETWORK}",
        models_of=("ddpm",),
    )
    params: THORParams

    def _inference(self) -> Inference:
        from .stitching import HarmonizedReconstruction

        p = self.params
        start = p.t_test[0]
        return HarmonizedReconstruction(self._process(), p.noise, start, min(p.reverse_steps, start), p.t_harmonization, p.map_every)

    def _scorer(self) -> Scorer:
        return ReconstructionDetector._scorer(self)

    def _colour_limits(self) -> tuple[float, float] | None:
        return self.INFO.colour_limits
