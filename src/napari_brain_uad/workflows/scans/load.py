"""Open a scan or a mask: one function each for scripts, the command line and the window."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.checks import raise_errors
from ...core.errors import InputError
from ...core.file_role import file_role
from ...core.memory import told_as_error
from ...core.sequence import USER, check_sequence
from ...core.volume import Volume
from ...io.dicom.series import is_dicom_path, read_series
from ...io.labels import check_given_as, inside
from ...io.nifti import image_stem, read_mask, read_volume
from ...io.pictures import is_picture_file, read_picture, read_picture_mask
from .names import given_file


@told_as_error()
def load(path: str | Path, *, index: int | None = None, sequence: str | None = None) -> Volume:
    """Read a scan from a NIfTI or MGZ file, from a DICOM folder or file, or a single slice from a picture.

    Parameters
    ----------
    path : str or Path
        ``.nii``, ``.nii.gz``, ``.mgz``, ``.mgh`` or an ``.hdr``/``.img`` pair; DICOM (a folder, or one of its files); or a grey
        ``.png``, ``.jpg`` or ``.jpeg``.
    index : int, optional
        Which volume of a 4-D file, or which of a folder's series.
    sequence : str, optional
        "FLAIR", "T1", "T1c", "T2" or "PD", where what tags, sidecar and name say of it is wrong or missing.

    Returns
    -------
    Volume
        float32, RAS+ axes; what the header checks saw is in ``findings``, its sequence and what says so in ``sequence`` and
        ``sequence_origin``.

    Raises
    ------
    InputError
        If the file is missing, damaged, an anomaly map by its name, or not one 3-D image, or there is no such sequence.
    """
    path = given_file(path, "scan")
    wanted = None if sequence is None else check_sequence(sequence)
    if is_dicom_path(path):
        volume = read_series(path, index=index)
    elif is_picture_file(path):
        volume = read_picture(path)
    elif file_role(image_stem(Path(path))).role == "map":
        why = "it is an anomaly map by its name, and would be scored as if it were an image of the brain"
        raise InputError(f"{Path(path).name} is no scan", why=why, fix="Give the scan that it was made of")
    else:
        volume = read_volume(Path(path), index=index)
    return volume if wanted is None else volume.with_sequence(wanted, USER)


def given_sequence(volume: Volume) -> str | None:
    """The sequence that the user set, which a command has to repeat; None when it was read."""
    return volume.sequence if volume.sequence_origin == USER else None


def as_volume(scan: Volume | str | Path, sequence: str | None = None) -> Volume:
    """A scan given as such or as its file; `sequence`, when given, is taken for what the user says."""
    if not isinstance(scan, Volume | str | PathLike):
        why = f"{type(scan).__name__} does not say how large its voxels are, and which way is left"
        fix = "Give a file, or Volume(array, Grid(array.shape, affine)) with axes in RAS+, both from napari_brain_uad.core.volume"
        raise InputError("This is no scan", why=why, fix=fix)
    if not isinstance(scan, Volume):
        return load(scan, sequence=sequence)
    return scan if sequence is None else scan.with_sequence(check_sequence(sequence), USER)


@told_as_error()
def load_mask(path: str | Path, like: Volume, *, label: str = "brain mask") -> NDArray[np.bool_]:
    """Read a brain mask or a ground truth that lies on the grid of `like`.

    Parameters
    ----------
    path : str or Path
        Its file; voxels above 0 (labels) or above 0.5 (fractions) belong to it. Of a picture a mask may be a picture.
    like : Volume
        The scan it belongs to.
    label : str
        What to call it in messages.

    Returns
    -------
    array of bool, shape of ``like.data``

    Raises
    ------
    InputError
        If it cannot be read, lies on another grid, is an anomaly map by its name, or holds the many values of a scan (a ground truth: grey
        values).
    """
    path = Path(given_file(path, label))
    if file_role(image_stem(path)).role == "map":
        raise InputError(f"{path.name} is no {label}", why="it is an anomaly map by its name", fix=f"Give the file of the {label}")
    return (read_picture_mask if is_picture_file(path) else read_mask)(path, like, label=label)


MaskInput = NDArray[np.bool_] | str | Path


@told_as_error()
def as_mask(given: MaskInput, like: Volume, *, label: str) -> NDArray[np.bool_]:
    """A mask given as an array or as a file.

    Parameters
    ----------
    given : array, shape (i, j, k) in RAS+ axes, str or Path
        Of whole numbers (and bool) what is above 0 belongs to it, of others what is above 0.5, as of a file (`load_mask`).
    like : Volume
        The scan it belongs to.
    label : str
        What to call it in messages.

    Returns
    -------
    array of bool, shape of ``like.data``

    Raises
    ------
    InputError
        As `load_mask`.
    """
    if isinstance(given, str | Path):
        return load_mask(given, like, label=label)
    if given.shape != like.data.shape:
        sizes = ["x".join(map(str, shape)) for shape in (given.shape, like.data.shape)]
        raise InputError(
            f"The {label}", why=f"it has {sizes[0]} voxels, the scan {sizes[1]}", fix=f"Resample the {label} to the scan's grid"
        )
    raise_errors(f"The {label}", check_given_as(label, given, like.data))
    # Of a layer it comes with its axes the other way round, which all that follows would pay for.
    return np.ascontiguousarray(inside(given))
