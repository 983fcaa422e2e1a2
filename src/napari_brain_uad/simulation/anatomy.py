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
from .fields import interpolated
from .labels import CODES, RIGHT, TISSUES, codes_from_labels
from .params import SimulationParams
from .pose import template_pose

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
    turn : array, shape (3, 3)
        Rotation from the axes that heads are made in to those of `codes`.
    origin : array, shape (3,)
        Where `centre` lies in heads that are made from this one, in mm.
    """

    codes: NDArray[np.uint8]
    grid: Grid
    centre: NDArray[np.float64]
    name: str
    sha256: str
    turn: NDArray[np.float64]
    origin: NDArray[np.float64]

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


def load_anatomy(source: Path | str | Volume, params: SimulationParams) -> Anatomy:
    """Read a label map, or take one from memory; files are kept in memory once read.

    Parameters
    ----------
    source : Path, str or Volume
        A FreeSurfer- or SynthSeg-style label map.
    params : SimulationParams
        `with_skull`, `rim_mm` and `pose`.

    Raises
    ------
    InputError
        If the file cannot be read, a label is unknown (see `labels.codes_from_labels`), there is no brain in it, or it cannot be turned.
    """
    if isinstance(source, Volume):
        return _anatomy(source, params.with_skull, params.rim_mm, params.pose)
    path = Path(source)
    # A file that was replaced meanwhile is another person.
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _load_file(path, stamp, params.with_skull, params.rim_mm, params.pose)


@lru_cache(maxsize=64)
def _load_file(path: Path, stamp: int, with_skull: bool, rim_mm: float, pose: str) -> Anatomy:
    return _anatomy(read_volume(path, name=image_stem(path)), with_skull, rim_mm, pose)


def _anatomy(labels: Volume, with_skull: bool, rim_mm: float, pose: str) -> Anatomy:
    turned, grid = canonical(labels.data, labels.grid)
    codes = np.ascontiguousarray(codes_from_labels(turned, labels.name))
    brain = _parenchyma(codes)
    if np.count_nonzero(brain) * grid.voxel_volume_mm3 < 1000.0:
        raise InputError(labels.name, why="there is less than 1 ml of brain in it", fix="Give a FreeSurfer- or SynthSeg-style label map")
    box = _grown(_bounds((codes > 0) if with_skull else brain), grid, codes.shape)
    codes = np.ascontiguousarray(codes[box])
    brain = np.ascontiguousarray(brain[box])
    enclosed, rimmed = _brain_masks(brain, grid.spacing, rim_mm)
    # Sinuses and bits of skull between the gyri stay inside when a brain is extracted.
    foreign = enclosed & (TISSUES[codes] == 0)
    codes[foreign] = np.where(codes[foreign] == CODES["veins"], CODES["vessel"], _OUTER)
    codes[(codes == _OUTER) & ~rimmed] = _BEYOND
    grid = _part(grid, box)
    centre = np.array([(part.start + part.stop - 1) / 2 for part in _bounds(brain)])
    turn, origin = np.eye(3), grid.to_world(centre)
    if pose == "template":
        turn, origin = template_pose(codes, grid.spacing, centre, labels.name)
    return Anatomy(codes, grid, centre, labels.name, array_sha256(labels.data), turn, origin)


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


def _part(grid: Grid, box: Box) -> Grid:
    offset = np.eye(4)
    offset[:3, 3] = [part.start for part in box]
    shape = [part.stop - part.start for part in box]
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ offset)


def _brain_masks(
    parenchyma: NDArray[np.bool_], spacing: tuple[float, float, float], rim_mm: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The parenchyma with its sulci closed, and the same widened by `rim_mm`.

    Distances are taken on every second voxel, which is close enough for fluid.
    """
    step = 2 if min(parenchyma.shape) > 32 else 1
    sizes = [step * size for size in spacing]
    reach = _CLOSING_MM + rim_mm
    margin = int(np.ceil(reach / min(sizes))) + 2
    far = ndimage.distance_transform_edt(~np.pad(parenchyma[::step, ::step, ::step], margin), sizes)
    depth = ndimage.distance_transform_edt(far <= reach, sizes).astype(np.float32)
    core = depth[margin:-margin, margin:-margin, margin:-margin]
    fine = interpolated(core, tuple(np.arange(n) / step for n in parenchyma.shape))  # type: ignore[arg-type]
    return (fine > reach) | parenchyma, (fine > _CLOSING_MM) | parenchyma
