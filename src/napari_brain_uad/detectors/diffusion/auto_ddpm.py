"""Mask, stitch and re-sample: a chain's reconstruction says where to look, and what lies there is made anew from around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.params import Value, param
from .bercea import NETWORK, BerceaParams, BerceaTraining
from .common import CARD, TINY
from .ddpm import DDPM
from .names import STEPS

if TYPE_CHECKING:
    from ...inference.reconstruction import Inference, Scorer
    from .stitching import StitchedReconstruction


@dataclass(frozen=True)
class AutoDDPMParams(BerceaParams):
    """Settings of `AutoDDPM`."""

    t_test: tuple[int, ...] = param(
        (200,), "Time step that noise is added up to for the first reconstruction", label="Noise level (t)", low=1, high=STEPS, most=1
    )
    reverse_steps: int = param(200, "Steps of denoising of the first reconstruction", low=1, high=STEPS)
    mask_threshold: float = param(
        0.0, "Likelihood above which a pixel is made anew; 0 = the 95th percentile of its slice", label="Mask threshold", low=0.0, high=1.0,
        step=0.01,
    )  # fmt: skip
    t_inpaint: int = param(
        50, "Time step that noise is added up to before the masked pixels are made anew", label="Inpainting noise level (t)", low=1,
        high=STEPS,
    )  # fmt: skip
    inpaint_steps: int = param(50, "Steps of denoising of the masked pixels", label="Inpainting steps", low=1, high=STEPS)
    resamplings: int = param(5, "How often each of these steps is taken", label="Resampling steps", low=1, high=50)
    weighted: bool = param(True, "Multiply the score with the likelihood that the mask came from", label="Weight by likelihood")

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {
        "paper": {"weighted": False},
        "code": {"mask_threshold": 0.13},
        "tiny": {
            **TINY, "noise": "gaussian", "prediction": "image", "reverse_steps": 1, "t_inpaint": 200, "inpaint_steps": 2, "resamplings": 2,
            "weighted": False,
        },
    }  # fmt: skip


class AutoDDPM(DDPM):
    """Noise and the chain make a first reconstruction; where it differs, in intensity and in structure, it is stitched into the scan.

    The stitched pixels are then denoised again and again together with the noisy scan around them, until they fit. A model of `ddpm`
    with the same settings of the network will do.
    """

    Params = AutoDDPMParams
    Training = BerceaTraining
    INFO = replace(
        CARD,
        id="auto-ddpm",
        name="Mask, stitch and re-sample (AutoDDPM)",
        summary="Masks what a diffusion model changes, stitches its version into the scan and makes it fit; what changed is the score.",
        paper="Bercea, Neumayr, Rueckert, Schnabel 2023, Mask, stitch, and re-sample: enhancing robustness and generalizability in anomaly "
        "detection through automatic diffusion models, ICML workshop IMLH, arXiv:2305.19643",
        seconds_per_megavoxel=1100.0,
        presets="paper: the residual of the last reconstruction. code: that residual times the likelihood of the mask, as in the authors' "
        "code, and its mask threshold of 0.13, which was chosen for LPIPS on one data set. t = 200 and 50 and five resamplings are "
        f"the code's; the percentile that stands for an unknown threshold, too. Without a preset: weighted as in the code, with that "
        f"percentile. The mask is one pixel wider than what lies above it. {NETWORK}",
        models_of=("ddpm",),
    )
    params: AutoDDPMParams

    def _stitched(self) -> StitchedReconstruction:
        from .stitching import StitchedReconstruction

        p = self.params
        (coarse,) = self._members()
        return StitchedReconstruction(coarse, p.mask_threshold, p.t_inpaint, min(p.inpaint_steps, p.t_inpaint), p.resamplings)

    def _inference(self) -> Inference:
        return self._stitched()

    def _scorer(self) -> Scorer:
        from .stitching import stitched_score

        return stitched_score(self.params.score, self._stitched(), self.params.weighted)
