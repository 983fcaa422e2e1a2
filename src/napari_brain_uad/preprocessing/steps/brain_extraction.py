"""The brain without skull, skin and eyes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.checks import Finding
from ...core.errors import InputError
from ...core.params import param
from ...core.volume import Grid, Volume
from ..brain_mask import estimate_brain_mask
from ..brain_size import PLAUSIBLE_ML, is_plausible, millilitres, with_mask_findings
from ..field_of_view import FieldOfView, field_of_view
from ..geometry import resample_mask
from ..step import Context, Step, StepResult
from .extractors import BACKENDS, extract

GIVEN, EXTRACTED = "brain mask given with the scan", "found by"
"""How the origin of a brain begins that somebody gave, and that a tool found in a whole head; see `brain_origin`."""


@dataclass(frozen=True)
class BrainExtraction(Step):
    """Find the brain, set everything else to 0.

    Scans that are skull-stripped already are recognised (one constant value around the brain) and only get their mask. Further
    sequences of a patient that were aligned to a reference take over the reference's brain: networks for brain extraction know T1
    best. Where the reference's image cuts the brain off, what the sequence shows beyond is found in the sequence itself.
    """

    ID = "brain_extraction"
    TITLE = "Extract the brain"
    SHARE = 8.0

    backend: str = param("deepbet", "Which tool finds the brain", label="Extraction tool", choices=BACKENDS)
    from_reference: bool = param(
        True, "Take over the brain of the patient's reference sequence, when there is one", label="Brain of the reference"
    )

    def apply(self, volume: Volume, context: Context) -> StepResult:
        """See `Step.apply`."""
        if volume.mask is not None:
            return _cut(volume, volume.mask, GIVEN, with_mask_findings(volume).findings[len(volume.findings) :])
        found = estimate_brain_mask(volume)
        if found.stripped:
            return _cut(volume, found.mask, f"already skull-stripped: {found.origin} ({found.why})", ())
        reference = context.reference
        if self.from_reference and reference is not None and reference.volume.mask is not None:
            return self._from_reference(volume, reference.volume, context)
        mask = extract(self.backend, volume, context.progress)
        return _cut(volume, mask, f"{EXTRACTED} {self.backend}", _check_size(mask, volume))

    def _from_reference(self, volume: Volume, reference: Volume, context: Context) -> StepResult:
        assert reference.mask is not None
        mask = resample_mask(reference.mask, reference.grid, volume.grid)
        origin = f"brain of {reference.name}, the patient's reference"
        beyond = _beyond(field_of_view(reference.mask, reference.grid), volume.grid)
        if not beyond.any():
            return _cut(volume, mask, origin, ())
        mask |= extract(self.backend, volume, context.progress) & beyond
        return _cut(volume, mask, f"{origin}; beyond its image found by {self.backend}", ())


def brain_origin(record: Sequence[Mapping[str, Any]]) -> str:
    """Where the brain of a recorded preparation (``Prepared.record``) came from, in words; empty when it was no step of it."""
    outcomes = (entry.get("outcome") for entry in record if entry.get("step") == BrainExtraction.ID)
    return next((str(outcome.get("origin", "")) for outcome in outcomes if isinstance(outcome, Mapping)), "")


def _beyond(view: FieldOfView, grid: Grid) -> NDArray[np.bool_]:
    """The voxels of a grid of which a field of view tells nothing."""
    if view.whole:
        return np.zeros(grid.shape, np.bool_)
    index = np.indices(grid.shape).reshape(3, -1)
    return np.asarray(~view.holds(grid.to_world(index.T)).reshape(grid.shape))


def _cut(volume: Volume, mask: NDArray[np.bool_], origin: str, findings: tuple[Finding, ...]) -> StepResult:
    if not mask.any():
        raise InputError(
            f"No brain was found in {volume.name}", fix="Check that it is a brain scan, choose another backend, or give a mask"
        )
    size = millilitres(mask, volume)
    stripped = volume.with_data(np.where(mask, volume.data, np.float32(0.0))).with_mask(mask)
    outcome = {"origin": origin, "brain_ml": round(size, 1)}
    return StepResult(stripped, outcome=outcome, said=f"{origin}, {size:.0f} ml", findings=findings)


def _check_size(mask: NDArray[np.bool_], volume: Volume) -> tuple[Finding, ...]:
    size = millilitres(mask, volume)
    if is_plausible(size):
        return ()
    # Most likely a failed extraction.
    said = f"the extracted brain has {size:.0f} ml; brains have {PLAUSIBLE_ML[0]:.0f} to {PLAUSIBLE_ML[1]:.0f}"
    return (Finding("brain-size", "warning", said, "Look at its outline; try another backend or give a mask"),)
