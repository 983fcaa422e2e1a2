"""Mahalanobis distance of a scan from several reconstructions by patched diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ...core.params import Value, param
from .pddpm import PatchedDDPM, PatchedDDPMParams


@dataclass(frozen=True)
class MHDParams(PatchedDDPMParams):
    """Settings of `MHD`."""

    score: str = param("mahalanobis", "How slice and reconstructions are compared", choices=("mahalanobis",))
    passes: int = param(10, "Reconstructions with noise of their own, whose distribution counts", low=2, high=1000)

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        **PatchedDDPMParams.PRESETS,
        "tiny": {**PatchedDDPMParams.PRESETS["tiny"], "score": "mahalanobis", "passes": 3},
    }


class MHD(PatchedDDPM):
    """Reconstructs a scan several times; where it lies far from all of them, for how much they vary, it is abnormal.

    A model of `pddpm` will do.
    """

    Params = MHDParams
    INFO = replace(
        PatchedDDPM.INFO,
        id="mhd",
        name="Diffusion with Mahalanobis distance (MHD)",
        summary="Reconstructs a scan several times by patched diffusion and scores its Mahalanobis distance from these reconstructions.",
        paper="Behrendt et al. 2024, Leveraging the Mahalanobis distance to enhance unsupervised brain MRI anomaly detection, MICCAI, "
        "arXiv:2407.12474",
        score_unit="standard deviations from the reconstructions",
        seconds_per_megavoxel=25.0,
        presets=f"Networks and patches as of pddpm. {PatchedDDPM.INFO.presets} The covariance is that of the 3 x 3 pixels around "
        "each. With a model of pddpm the patches are of 48 pixels unless they are asked for, whatever it was trained with.",
        models_of=("pddpm",),
        colour_limits=None,
    )
    params: MHDParams

    def _colour_limits(self) -> None:
        return None
