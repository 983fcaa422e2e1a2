"""Shapes of lesions at 1 mm: made up, or cut from masks of real ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...core.errors import InputError
from ...io.nifti import SUFFIXES, read_volume
from ...io.walk import files_in
from ..fields import Floats, smooth_field

Shape = NDArray[np.bool_]

_SMALLEST, _LARGEST = 8, 8000
"""Voxels: smaller pieces have no shape, larger ones are many lesions that grew together and fit nowhere else."""


def surface(offset: Floats, radius: float, rng: np.random.Generator, *, roughness: float = 0.3, stretch: Floats | None = None) -> Floats:
    """Distance from the middle of an irregular blob over its radius: below 1 is inside.

    Parameters
    ----------
    offset : array of float32, shape (3, i, j, k)
        Vector from the middle to each voxel in mm.
    radius : float
        Mean radius in mm.
    rng : numpy.random.Generator
        Of the irregularity.
    roughness : float
        How much the surface moves in and out, as a fraction of the radius.
    stretch : array, shape (3,), optional
        Direction in which the blob is long, its length being how many times as long.
    """
    squared = (offset**2).sum(axis=0)
    if stretch is not None:
        factor = float(np.linalg.norm(stretch))
        along = np.tensordot((stretch / factor).astype(np.float32), offset, axes=1)
        squared = squared - along**2 * np.float32(1.0 - 1.0 / factor**2)
    step = max(2.0, 0.7 * radius)
    field = smooth_field((offset.shape[1], offset.shape[2], offset.shape[3]), (step, step, step), rng)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)) / np.float32(radius) + np.float32(roughness) * field)


def main_piece(mask: Shape) -> Shape:
    """The largest connected piece of a mask."""
    labels, count = ndimage.label(mask)
    if count <= 1:
        return mask
    return np.asarray(labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])))


def without_crumbs(mask: Shape, smallest: int) -> Shape:
    """A mask without pieces (26-connected) of fewer than `smallest` voxels."""
    labels, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    return np.asarray(mask & (np.bincount(labels.ravel()) >= smallest)[labels])


def real_shapes(folder: Path | str) -> tuple[Shape, ...]:
    """The connected pieces of all lesion masks in a folder, each in its bounding box, at 1 mm.

    Parameters
    ----------
    folder : Path or str
        NIfTI masks; above 0.5 is lesion.

    Returns
    -------
    tuple of array of bool
        Pieces of 8 mm3 to 8 ml, in the order of the file names.

    Raises
    ------
    InputError
        If there is no mask, a file cannot be read, or no piece is of that size.
    """
    paths = files_in(Path(folder), SUFFIXES) if Path(folder).is_dir() else []
    shapes = tuple(shape for path in paths for shape in _pieces(path, path.stat().st_mtime_ns))
    if not shapes:
        raise InputError(f"Lesion shapes in {Path(folder).name}", why="there are no lesion masks in it", fix="Give a folder of NIfTI masks")
    return shapes


@lru_cache(maxsize=256)
def _pieces(path: Path, stamp: int) -> tuple[Shape, ...]:
    """The pieces of one mask; kept in memory as long as the file is the same."""
    pieces = []
    volume = read_volume(path)
    labels, _ = ndimage.label(volume.data > 0.5, np.ones((3, 3, 3)))
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        piece = labels[box] == number
        if not np.allclose(volume.grid.spacing, 1.0, atol=0.05):
            padded = np.pad(piece.astype(np.float32), 1)
            piece = ndimage.zoom(padded, volume.grid.spacing, order=1, grid_mode=True, mode="grid-constant") >= 0.5
        if _SMALLEST <= np.count_nonzero(piece) <= _LARGEST:
            pieces.append(np.ascontiguousarray(piece))
    return tuple(pieces)


def turned(shape: Shape, rng: np.random.Generator) -> Shape:
    """A shape mirrored at random and rotated by a random angle about the vertical axis."""
    flips = tuple(slice(None, None, -1 if flip else 1) for flip in rng.integers(0, 2, 3))
    angle = float(rng.uniform(0.0, 360.0))
    moved = ndimage.rotate(np.pad(shape[flips].astype(np.float32), 1), angle, axes=(0, 1), order=1) >= 0.5
    return np.asarray(moved if moved.any() else shape)


def choose(shapes: Sequence[Shape], rng: np.random.Generator) -> Shape:
    """One of the shapes, turned."""
    return turned(shapes[int(rng.integers(len(shapes)))], rng)
