"""Rigid alignment of a patient's sequences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.checks import Finding
from ...core.volume import Grid, Volume
from ..brain_mask import estimate_brain_mask
from ..geometry import resample_inside
from ..registration import align, rigid_words
from ..same_brain import agreement, agrees, another_brain
from ..step import Context, Step, StepResult


@dataclass(frozen=True)
class Coregister(Step):
    """Align a sequence with the patient's reference sequence by a rigid transform.

    Only the affine changes: voxels keep their values, and are interpolated once, later. The reference itself passes unchanged.
    A sequence that does not show the reference's brain gets a warning.
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
        said = f"aligned with {context.reference.volume.name}: {rigid_words(matrix, volume.grid)}"
        return StepResult(moved, matrix, outcome, said, _another_brain(context.reference.volume, volume, matrix))


def _alike(reference: Volume, volume: Volume) -> Volume:
    """The reference without its skull when the other sequence has none."""
    if reference.mask is None or not estimate_brain_mask(volume).stripped:
        return reference
    return reference.with_data(np.where(reference.mask, reference.data, np.float32(0.0)))


def _another_brain(reference: Volume, volume: Volume, matrix: NDArray[np.float64]) -> tuple[Finding, ...]:
    """A warning where two sequences do not show one brain. `align` had the reference's; a replay does without, and without the warning."""
    if reference.mask is None:
        return ()
    data, inside = resample_inside(volume.data, volume.brain, volume.grid, reference.grid, matrix)
    value = agreement(reference, data, inside)
    return () if value is None or agrees(value) else (another_brain(reference, volume, value),)
