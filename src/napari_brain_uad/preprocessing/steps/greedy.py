"""greedy (Yushkevich et al., Alzheimer's & Dementia 2016), a program under GPL-3: affine and deformable registration.

It runs in a process of its own, which takes files and can be ended at any moment.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from ...core.errors import InputError
from ...core.optional import require
from ...core.progress import Progress
from ...core.volume import Grid, Volume
from ...io.displacement import read_displacements
from ...io.folders import temporary_folder
from ...io.processes import guarded
from ..field_of_view import field_of_view
from ..geometry import resample_mask
from ..registration import clipped
from ..warp import STEP_MM, DisplacementField, Warp, invert

_CHILD = """
import sys
from picsl_greedy import Greedy3D
Greedy3D().execute(sys.argv[1])
"""
_AFFINE_ROUNDS = (100, 50, 10)
_WARP_ROUNDS = (100, 50, 10)
"""Iterations at 4, 2 and 1 mm."""

_SMOOTHING = "-s 1.732vox 0.707vox"
"""greedy's own: of each step, and of the whole deformation."""

_MARGIN_MM = 8.0
"""How far around the template's brain is looked, and around both brains the inverse is solved."""

_ALIKE, _UNLIKE = "NCC 2x2x2", "NMI"
"""Measures for images of the same contrast (correlation in patches of 5 voxels), and of any two."""

_LOOK_SECONDS = 0.2


def greedy_affine(fixed: Volume, moving: Volume, start: NDArray[np.float64], alike: bool, progress: Progress) -> NDArray[np.float64]:
    """An affine alignment.

    Parameters
    ----------
    fixed, moving : Volume
        Brains with their masks.
    start : array, shape (4, 4)
        World mm of `fixed` to world mm of `moving`, roughly.
    alike : bool
        Whether both have the same contrast.
    progress : Progress
        Its cancelling ends the program.

    Returns
    -------
    array, shape (4, 4)
        As `start`, better.

    Raises
    ------
    InputError
        If greedy is not installed, or fails.
    """
    with temporary_folder() as folder:
        given = _given(folder, fixed, moving, start, alike)
        np.savetxt(folder / "start.mat", start)
        rounds = "x".join(map(str, _AFFINE_ROUNDS))
        words = [given, f"-a -dof 12 -m {_ALIKE if alike else _UNLIKE} -n {rounds} -ia start.mat -o affine.mat"]
        _run(words, folder, sum(_AFFINE_ROUNDS), progress)
        return np.round(np.loadtxt(folder / "affine.mat"), 8)


def greedy_warp(fixed: Volume, moving: Volume, matrix: NDArray[np.float64], alike: bool, progress: Progress) -> Warp:
    """The deformation that is left after an affine alignment, and its inverse.

    Parameters
    ----------
    fixed, moving, alike, progress
        As in `greedy_affine`.
    matrix : array, shape (4, 4)
        The affine alignment.

    Returns
    -------
    Warp
        On the grid of `fixed`; the inverse is solved on both brains and 8 mm around them, to 0.02 mm at every voxel.

    Raises
    ------
    InputError
        If greedy is not installed, or fails, or its deformation folds.
    """
    with temporary_folder() as folder:
        given = _given(folder, fixed, moving, matrix, alike)
        np.savetxt(folder / "affine.mat", matrix)
        rounds = "x".join(map(str, _WARP_ROUNDS))
        words = [given, f"-it affine.mat -m {_ALIKE if alike else _UNLIKE} -n {rounds} {_SMOOTHING} -o warp.nii.gz"]
        _run(words, folder, sum(_WARP_ROUNDS), progress.part(0.0, 0.8))
        forward = DisplacementField(*read_displacements(folder / "warp.nii.gz", STEP_MM))
    brains = _brain(fixed) | resample_mask(_brain(moving), moving.grid, fixed.grid, matrix)
    region = _around(brains, fixed.grid)
    return Warp(forward, invert(forward, region, progress.part(0.8, 1.0)))


def _brain(volume: Volume) -> NDArray[np.bool_]:
    return volume.mask if volume.mask is not None else volume.data != 0


def _around(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    return np.asarray(distance_transform_edt(~mask, sampling=grid.spacing) <= _MARGIN_MM)


def _given(folder: Path, fixed: Volume, moving: Volume, matrix: NDArray[np.float64], alike: bool) -> str:
    """Write the images; the words that name them. Only what `moving` shows is looked at."""
    region = _around(_brain(fixed), fixed.grid)
    places = fixed.grid.to_world(np.argwhere(region)) @ matrix[:3, :3].T + matrix[:3, 3]
    region[region] = field_of_view(_brain(moving), moving.grid).holds(places)
    _write(folder / "fixed.nii", fixed.data, fixed.grid)
    _write(folder / "moving.nii", clipped(moving).data, moving.grid)
    _write(folder / "region.nii", region.astype(np.float32), fixed.grid)
    # Without a seed greedy looks at other points in every run; threads add the counts of mutual information up in any order.
    return f"-d 3 -float -seed 1 -threads {2 if alike else 1} -i fixed.nii moving.nii -gm region.nii"


def _write(path: Path, data: NDArray[np.float32], grid: Grid) -> None:
    nibabel.Nifti1Image(data, grid.affine).to_filename(path)


def _run(words: Sequence[str], folder: Path, rounds: int, progress: Progress) -> None:
    """Run greedy in a folder with a command line of bare file names (it splits at spaces); its log tells how far it is."""
    require("picsl_greedy", what_for="The scan cannot be registered with greedy")
    log = folder / "log"
    command = [sys.executable, "-u", "-c", _CHILD, " ".join(words)]
    with log.open("wb") as said, guarded(command, output=said, cwd=folder) as process:
        while process.poll() is None:
            progress.update(min(log.read_bytes().count(b" Iter ") / rounds, 1.0))
            time.sleep(_LOOK_SECONDS)
    if process.returncode:
        last = log.read_text(errors="replace").strip().rpartition("\n")[2]
        raise InputError("greedy failed", why=last or f"it ended with code {process.returncode}", fix="Register with simpleitk")
