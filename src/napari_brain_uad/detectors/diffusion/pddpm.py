"""Patched diffusion: each patch is noised and denoised in the clean slice around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...core.errors import InputError
from ...core.params import Params as AnyParams
from ...core.params import Value, param
from .common import CARD, CODE, EPOCHS, PAPER, POST, TINY, DiffusionDetector, DiffusionParams
from .names import REGIONS, SAMPLINGS

if TYPE_CHECKING:
    from .patches import PatchGrid
    from .tasks import DiffusionTask


@dataclass(frozen=True)
class PatchedDDPMParams(DiffusionParams):
    """Settings of `PatchedDDPM`."""

    patch: tuple[int, ...] = param(
        (48,), "Side of the patches; with several, the mean of the scores", label="Patch size", unit="pixels", low=4, high=1024, most=20
    )
    patch_stride: int = param(
        0, "From one patch to the next; 0 = they touch, and the last one ends with the slice", label="Patch stride", unit="pixels", low=0,
        high=1024, step=4,
    )  # fmt: skip
    sampling: str = param(
        "grid", "Patches that are trained on: cells of the grid, or anywhere", label="Patch sampling", choices=SAMPLINGS, role="training"
    )
    loss_region: str = param(
        "patch", "Where the loss is taken: in the patch (L_p), or in the whole slice (L_rec)", label="Loss region", choices=REGIONS,
        role="training",
    )  # fmt: skip

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {"paper": PAPER, "code": CODE, "tiny": {**TINY, "patch": (16,)}}


class PatchedDDPM(DiffusionDetector):
    """Patches of a grid that covers the slice are noised one after the other; the network sees the rest of the slice as it is."""

    Params: ClassVar[type[AnyParams]] = PatchedDDPMParams
    INFO = replace(
        CARD,
        id="pddpm",
        name="Patched diffusion (pDDPM)",
        summary="Adds simplex noise to one patch at a time and lets a network restore it from the slice around; what changed is the score.",
        paper="Behrendt et al. 2023, Patched diffusion models for unsupervised anomaly detection in brain MRI, MIDL, arXiv:2303.03758",
        seconds_per_megavoxel=2.5,
        presets="paper: channels 128,128,256, transposed convolutions, linear schedule. code: channels 128,256,256, residual blocks "
        "instead of transposed convolutions, cosine schedule (37.5 million parameters); learning rate 1e-4 instead of 1e-5. Both: patches "
        f"of 48 pixels, one step at t = 500; the paper's figure 3 is best with 60 pixels and t = 400. {POST} {EPOCHS}",
    )
    params: PatchedDDPMParams

    def __init__(self, params: AnyParams | None = None) -> None:
        super().__init__(params)
        p = self.params
        if max(p.patch) > min(p.height, p.width):
            why = f"a patch of {max(p.patch)} pixels does not fit into slices of {p.height} x {p.width}"
            raise InputError(p.called("patch"), why=why, fix="Give smaller patches")
        if p.patch_stride > min(p.patch):
            why = f"steps of {p.patch_stride} pixels leave gaps between patches of {min(p.patch)}"
            raise InputError(p.called("patch_stride"), why=why, fix="Give a stride no longer than the patches")

    def _grids(self) -> tuple[PatchGrid, ...]:
        from .patches import PatchGrid

        p = self.params
        return tuple(PatchGrid(p.height, p.width, (side, side), (p.patch_stride or side, p.patch_stride or side)) for side in p.patch)

    def _task(self) -> DiffusionTask:
        return replace(super()._task(), sampling=self.params.sampling, everywhere=self.params.loss_region == "slice")
