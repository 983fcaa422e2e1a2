"""Axes to right, anterior, superior: no resampling."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...core.volume import Volume, canonical
from ..step import Context, Step, StepResult


@dataclass(frozen=True)
class Reorient(Step):
    """Flip and permute the axes to the closest RAS+ ones. Scans that were loaded from a file are so already."""

    ID = "reorient"
    TITLE = "Turn axes to RAS"
    SHARE = 0.1

    def apply(self, volume: Volume, context: Context) -> StepResult:
        """See `Step.apply`."""
        if volume.grid.axcodes == "RAS":
            return StepResult(volume, said="axes already run right, anterior, superior")
        data, grid = canonical(volume.data, volume.grid)
        mask = None if volume.mask is None else canonical(volume.mask, volume.grid)[0]
        return StepResult(replace(volume, data=data, mask=mask, grid=grid), said=f"axes turned from {volume.grid.axcodes} to RAS")
