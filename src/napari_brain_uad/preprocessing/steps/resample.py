"""Other voxel sizes over the same space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from ...core.params import param
from ...core.volume import Volume
from ..geometry import Interpolation, grid_with_spacing, resample_volume
from ..step import Context, Step, StepResult


@dataclass(frozen=True)
class Resample(Step):
    """Resample to voxels of a given size."""

    ID = "resample"
    TITLE = "Resample"

    x_mm: float = param(1.0, "Voxel size from left to right", label="Voxel size left-right", unit="mm", low=0.2, high=20.0)
    y_mm: float = param(1.0, "Voxel size from back to front", label="Voxel size back-front", unit="mm", low=0.2, high=20.0)
    z_mm: float = param(1.0, "Voxel size from bottom to top", label="Voxel size bottom-top", unit="mm", low=0.2, high=20.0)
    interpolation: str = param("linear", "How values between voxels are found", choices=("nearest", "linear", "cubic"))

    def apply(self, volume: Volume, context: Context) -> StepResult:
        """See `Step.apply`."""
        target = grid_with_spacing(volume.grid, (self.x_mm, self.y_mm, self.z_mm))
        moved = resample_volume(volume, target, interpolation=cast(Interpolation, self.interpolation))
        return StepResult(moved, said=f"{'x'.join(map(str, target.shape))} voxels of {self.x_mm:g} x {self.y_mm:g} x {self.z_mm:g} mm")
