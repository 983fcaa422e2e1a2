"""Some of the axial slices."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...core.errors import InputError
from ...core.params import param
from ...core.text import counted
from ...core.volume import Volume
from ..geometry import shifted_grid
from ..step import Context, Step, StepResult


@dataclass(frozen=True)
class SliceRange(Step):
    """Keep the axial slices from `first` to `last`, both included."""

    ID = "slice_range"
    TITLE = "Choose slices"
    SHARE = 0.1

    first: int = param(0, "First axial slice, counted from the bottom", label="First axial slice", unit="slices", low=0, high=1024)
    last: int = param(
        -1,
        "Last axial slice; negative counts from the top (-1 is the topmost)",
        label="Last axial slice",
        unit="slices",
        low=-1024,
        high=1024,
    )

    def apply(self, volume: Volume, context: Context) -> StepResult:
        """See `Step.apply`."""
        count = volume.grid.shape[2]
        stop = (self.last + count if self.last < 0 else self.last) + 1
        if not 0 <= self.first < stop <= count:
            raise InputError(
                f"Slices {self.first} to {self.last} of {volume.name}",
                why=f"the image has {counted(count, 'slice')}",
                fix="Choose others, or none",
            )
        grid = shifted_grid(volume.grid, (0, 0, self.first), (*volume.grid.shape[:2], stop - self.first))
        mask = None if volume.mask is None else volume.mask[:, :, self.first : stop]
        moved = replace(volume, data=volume.data[:, :, self.first : stop], mask=mask, grid=grid)
        return StepResult(moved, said=f"{stop - self.first} of {counted(count, 'slice')}")
