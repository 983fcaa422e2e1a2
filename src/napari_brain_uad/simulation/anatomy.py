"""Label maps as read: structures around the brain, kept in memory once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..core.errors import InputError
from ..core.provenance import array_sha256
from ..core.volume import Grid, Volume, canonical
from ..io.nifti import image_stem, read_volume
from .deformation import Box
from .labels import CODES, RIGHT, TISSUES, codes_from_labels

_MARGIN_MM = 12.0
_CLOSING_MM = 6.0
"""Fluid between gyri closer than twice this belongs to the brain mask."""

_OUTER, _BEYOND = CODES["outer CSF"], CODES["fluid beyond the brain mask"]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One person.

    Parameters
    ----------
    codes : array of uint8, shape (i, j, k)
        Structures (`labels.STRUCTURES`, plus `labels.RIGHT`), RAS+, cut to the brain or head.
    grid : Grid
        Of `codes`.
    centre : array, shape (3,)
        Middle of the brain, as an index into `codes`.
    name : str
        The file's name without its suffix.
    sha256 : str
        Of the labels.
    """

    codes: NDArray[np.uint8]
    grid: Grid
    centre: NDArray[np.float64]
    name: str
    sha256: str

    def take(self, coordinates: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The structures at places in mm from `centre`, shape (3, ...): the nearest voxel's, air outside the map."""
        flat = np.zeros(coordinates.shape[1:], np.int32)
        inside = np.ones(coordinates.shape[1:], np.bool_)
        for axis, size in enumerate(self.codes.shape):
            index = coordinates[axis] * np.float32(1.0 / self.grid.spacing[axis])
            index += np.float32(self.centre[axis] + 0.5)
            np.floor(index, out=index)
            inside &= (index >= 0) & (index < size)
            np.clip(index, 0, size - 1, out=index)
            flat *= np.int32(size)
            flat += index.astype(np.int32)
        taken = self.codes.ravel()[flat]
        taken[~inside] = 0
        return np.asarray(taken)


def load_anatomy(source: Path | str | Volume, *, with_skull: bool, rim_mm: float) -> Anatomy:
    """Read a label map, or take one from memory; files are kept in memory once read.

    Parameters
    ----------
    source : Path, str or Volume
        A FreeSurfer- or SynthSeg-style label map.
    with_skull : bool
        Keep the whole head, not only what is near the brain.
    rim_mm : float
        Fluid around the cortex that belongs to the brain.

    Raises
    ------
    InputError
        If the file cannot be read, a label is unknown (see `labels.codes_from_labels`), or there is no brain in it.
    """
    if isinstance(source, Volume):
        return _anatomy(source, with_skull, rim_mm)
    path = Path(source)
    # A file that was replaced meanwhile is another person.
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _load_file(path, stamp, with_skull, rim_mm)


@lru_cache(maxsize=64)
def _load_file(path: Path, stamp: int, with_skull: bool, rim_mm: float) -> Anatomy:
    return _anatomy(read_volume(path, name=image_stem(path)), with_skull, rim_mm)


def _anatomy(labels: Volume, with_skull: bool, rim_mm: float) -> Anatomy:
    turned, grid = canonical(labels.data, labels.grid)
    codes = np.ascontiguousarray(codes_from_labels(turned, labels.name))
    brain = TISSUES[codes] > 0
    if np.count_nonzero(brain) * grid.voxel_volume_mm3 < 1000.0:
        raise InputError(labels.name, why="there is less than 1 ml of brain in it", fix="Give a FreeSurfer- or SynthSeg-style label map")
    box = _grown(_bounds((codes > 0) if with_skull else _parenchyma(codes)), grid, codes.shape)
    codes = np.ascontiguousarray(codes[box])
    codes[(codes == _OUTER) & ~_brain_mask(_parenchyma(codes), grid.spacing, rim_mm)] = _BEYOND
    offset = np.eye(4)
    offset[:3, 3] = [part.start for part in box]
    middle = _bounds(_parenchyma(codes))
    centre = np.array([(part.start + part.stop - 1) / 2 for part in middle])
    return Anatomy(
        codes, Grid((codes.shape[0], codes.shape[1], codes.shape[2]), grid.affine @ offset), centre, labels.name, array_sha256(codes)
    )


def _parenchyma(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The brain without the fluid around it."""
    inside = TISSUES > 0
    inside[[_OUTER, _OUTER + RIGHT]] = False
    return np.asarray(inside[codes])


def _bounds(mask: NDArray[np.bool_]) -> Box:
    ends = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(slice(int(where[0]), int(where[-1]) + 1) for where in ends)  # type: ignore[return-value]


def _grown(box: Box, grid: Grid, shape: tuple[int, ...]) -> Box:
    margins = [int(np.ceil(_MARGIN_MM / size)) for size in grid.spacing]
    grown = [slice(max(b.start - m, 0), min(b.stop + m, n)) for b, m, n in zip(box, margins, shape, strict=True)]
    return grown[0], grown[1], grown[2]


def _brain_mask(parenchyma: NDArray[np.bool_], spacing: tuple[float, float, float], rim_mm: float) -> NDArray[np.bool_]:
    """The parenchyma, closed and widened by `rim_mm`; distances are taken on every second voxel, which is close enough for fluid."""
    step = 2 if min(parenchyma.shape) > 32 else 1
    coarse = parenchyma[::step, ::step, ::step]
    sizes = [step * size for size in spacing]
    margin = int(np.ceil((_CLOSING_MM + rim_mm) / min(sizes))) + 2
    far = ndimage.distance_transform_edt(~np.pad(coarse, margin), sizes)
    closed = ndimage.distance_transform_edt(far <= _CLOSING_MM + rim_mm, sizes) > _CLOSING_MM
    closed |= far <= rim_mm
    core = closed[margin:-margin, margin:-margin, margin:-margin].astype(np.float32)
    index = [np.arange(n) / step for n in parenchyma.shape]
    fine = core
    for axis in range(3):
        low = np.minimum(np.floor(index[axis]).astype(int), fine.shape[axis] - 1)
        high = np.minimum(low + 1, fine.shape[axis] - 1)
        part = (index[axis] - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        fine = np.take(fine, low, axis) * (1 - part) + np.take(fine, high, axis) * part
    return np.asarray((fine >= 0.5) | parenchyma)
