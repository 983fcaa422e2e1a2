"""A fixed number of voxels around the image's centre or the brain's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core.errors import InputError
from ...core.params import param
from ...core.volume import Volume
from ..geometry import resample_array, shifted_grid
from ..step import Context, Step, StepResult


@dataclass(frozen=True)
class CropPad(Step):
    """Cut or fill up with 0 to a fixed number of voxels. Voxels keep their values."""

    ID = "crop_pad"
    TITLE = "Crop or pad"
    SHARE = 0.1

    i: int = param(0, "Voxels from left to right; 0 keeps what is there", label="Size left to right", unit="voxels", low=0, high=1024)
    j: int = param(0, "Voxels from back to front; 0 keeps what is there", label="Size back to front", unit="voxels", low=0, high=1024)
    k: int = param(0, "Voxels from bottom to top; 0 keeps what is there", label="Size bottom to top", unit="voxels", low=0, high=1024)
    centre: str = param("image", "What lies in the middle", label="Centred on", choices=("image", "brain"))

    def apply(self, volume: Volume, context: Context) -> StepResult:
        """See `Step.apply`."""
        old = np.array(volume.grid.shape)
        new = np.where([self.i, self.j, self.k], (self.i, self.j, self.k), old)
        offset = (old - new) // 2 if self.centre == "image" else self._around_brain(volume, new)
        target = shifted_grid(volume.grid, _three(offset), _three(new))
        mask = None if volume.mask is None else resample_array(volume.mask, volume.grid, target, interpolation="nearest")
        data = resample_array(volume.data, volume.grid, target, interpolation="nearest")
        lost = 0 if volume.mask is None or mask is None else int(volume.mask.sum()) - int(mask.sum())
        said = f"{'x'.join(map(str, target.shape))} voxels" + (f"; {lost} brain voxels cut off" if lost else "")
        moved = replace(volume, data=data, grid=target, mask=mask)
        return StepResult(moved, said=said)

    def _around_brain(self, volume: Volume, new: np.ndarray) -> np.ndarray:
        if volume.mask is None or not volume.mask.any():
            raise InputError(
                f"{volume.name} cannot be cropped around the brain", why="no brain mask is known", fix="Extract the brain first"
            )
        box = [np.flatnonzero(volume.mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        return np.array([(int(where[0]) + int(where[-1]) + 1 - size) // 2 for where, size in zip(box, new, strict=True)])


def _three(values: np.ndarray) -> tuple[int, int, int]:
    return int(values[0]), int(values[1]), int(values[2])
