"""Rigid alignment of a patient's sequences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core.volume import Grid, Volume
from ..brain_mask import estimate_brain_mask
from ..registration import align, rigid_words
from ..step import Context, Step, StepResult


@dataclass(frozen=True)
class Coregister(Step):
    """Align a sequence with the patient's reference sequence by a rigid transform.

    Only the affine changes: voxels keep their values, and are interpolated once, later. The reference itself passes unchanged.
    """

    ID = "coregister"
    TITLE = "Align with the reference sequence"
    SHARE = 4.0

    def apply(self, volume: Volume, context: Context) -> StepResult:
        """See `Step.apply`."""
        if context.reference is None:
            return StepResult(volume, said="nothing to align with: this is the reference, or the only sequence")
        if context.recorded is not None:
            matrix = np.array(context.recorded["matrix"], dtype=np.float64)
            outcome = dict(context.recorded)
        else:
            found = align(_alike(context.reference.volume, volume), volume, "rigid", context.progress)
            matrix = found.matrix
            outcome = {"matrix": matrix.tolist(), "mutual_information": round(found.information, 4)}
        moved = replace(volume, grid=Grid(volume.grid.shape, np.linalg.inv(matrix) @ volume.grid.affine))
        return StepResult(moved, matrix, outcome, f"aligned with {context.reference.volume.name}: {rigid_words(matrix, volume.grid)}")


def _alike(reference: Volume, volume: Volume) -> Volume:
    """The reference without its skull when the other sequence has none."""
    if reference.mask is None or not estimate_brain_mask(volume).stripped:
        return reference
    return reference.with_data(np.where(reference.mask, reference.data, np.float32(0.0)))
