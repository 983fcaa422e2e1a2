"""Deformations as files that ITK's tools (ANTs, greedy, ITK-SNAP, 3D Slicer) read too."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..core.volume import Grid
from .atomic import atomic_path

_LPS = np.array([-1, -1, 1], np.int16)
"""ITK's displacements run along left, posterior, superior."""

_DATA_START = 352


def write_displacements(path: Path | str, steps: NDArray[np.int16], unit_mm: float, grid: Grid) -> None:
    """Write a displacement for every voxel of a grid.

    Parameters
    ----------
    path : Path or str
        ``.nii.gz``.
    steps : array of int16, shape (i, j, k, 3)
        Along world R, A, S.
    unit_mm : float
        What one of them is.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    header = Nifti1Header()
    header.set_data_dtype("<f4")
    header.set_data_shape((*grid.shape, 1, 3))
    header.set_sform(grid.affine, 4)
    header.set_qform(grid.affine, 4)
    header.set_xyzt_units("mm")
    header.set_intent("vector")
    # Scaled integers would be half the size, but ITK crashes when it reads vectors of them.
    header["descrip"] = NOTICE[:79].encode()
    header["magic"], header["vox_offset"] = b"n+1", _DATA_START
    contents = header.binaryblock.ljust(_DATA_START, b"\0") + ((steps * _LPS)[:, :, :, None] * np.float32(unit_mm)).astype("<f4").tobytes(
        order="F"
    )
    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(gzip.compress(contents, 1, mtime=0))


def read_displacements(path: Path | str, unit_mm: float) -> tuple[NDArray[np.int16], Grid]:
    """Read what `write_displacements`, or a tool of ITK's, wrote.

    Returns
    -------
    steps : array of int16, shape (i, j, k, 3)
        Along world R, A, S, in units of `unit_mm`.
    grid : Grid
        Where they hold.

    Raises
    ------
    InputError
        If the file is missing, damaged, or holds no displacements.
    """
    path = Path(path)
    try:
        image = nibabel.nifti1.load(path)
        displacement = np.asarray(image.dataobj, dtype=np.float64)
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError) as error:
        raise InputError(path.name, why=f"it cannot be read ({error})", fix="Copy the file again, or prepare the scan again") from error
    if displacement.ndim != 5 or displacement.shape[3:] != (1, 3) or not np.isfinite(displacement).all():
        raise InputError(path.name, why="it holds no displacements", fix="Give the _warp file that was written beside the prepared scan")
    steps = np.round(displacement[:, :, :, 0] / unit_mm)
    if np.abs(steps).max(initial=0) > np.iinfo(np.int16).max:
        raise InputError(path.name, why="its displacements are larger than any head", fix="Copy the file again")
    return steps.astype(np.int16) * _LPS, Grid(displacement.shape[:3], image.affine)
