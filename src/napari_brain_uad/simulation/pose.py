"""Turning a person's label map into the template's pose: heads lie in the scanner at any angle, methods see them registered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..core.errors import InputError
from .labels import CODES, RIGHT

# Middle of the right one in MNI space, mm: the mean of the 16 subjects of SynthSeg's training maps after alignment with each other, placed
# by the coordinates of these structures in MNI152.
_LANDMARKS = {
    "thalamus": (13.4, -18.8, 5.3),
    "caudate": (16.3, 8.6, 9.4),
    "putamen": (27.7, 0.4, -0.2),
    "pallidum": (22.0, -3.5, -1.8),
    "hippocampus": (26.2, -16.9, -15.4),
    "white matter": (28.8, -20.2, 17.3),
    "cortex": (32.8, -19.3, 14.9),
    "cerebellar cortex": (24.4, -63.9, -36.5),
    "cerebellar white matter": (17.8, -54.1, -32.4),
    "ventral diencephalon": (11.7, -15.9, -9.1),
    "accumbens": (10.1, 11.5, -6.6),
}
_FEWEST = 8


def template_pose(
    codes: NDArray[np.uint8], spacing: tuple[float, float, float], centre: NDArray[np.float64], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rotation and place that bring a person's structures closest to the template's (Kabsch 1976); the size is kept.

    Parameters
    ----------
    codes : array of uint8, shape (i, j, k)
        Structures.
    spacing : tuple of float
        Voxel size in mm.
    centre : array, shape (3,)
        The voxel that turns on the spot.
    name : str
        Named in the error.

    Returns
    -------
    turn : array, shape (3, 3)
        From the template's axes to those of `codes`.
    origin : array, shape (3,)
        Where `centre` comes to lie, mm in MNI space.

    Raises
    ------
    InputError
        If fewer than eight of the structures that it goes by are there.
    """
    wanted = {CODES[key] + side: (sign * x, y, z) for key, (x, y, z) in _LANDMARKS.items() for side, sign in ((0, -1.0), (RIGHT, 1.0))}
    present = [code for code in np.flatnonzero(np.bincount(codes.ravel(), minlength=2 * RIGHT)) if int(code) in wanted]
    if len(present) < _FEWEST:
        why = "too few structures are labelled on both sides to tell how it lies"
        raise InputError(name, why=why, fix="Set pose to scanner, which leaves it as it is")
    found = (np.array(ndimage.center_of_mass(codes > 0, codes, present)) - centre) * np.array(spacing)
    goal = np.array([wanted[int(code)] for code in present])
    middle, goal_middle = found.mean(axis=0), goal.mean(axis=0)
    left, _, right = np.linalg.svd((goal - goal_middle).T @ (found - middle))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    to_template = left @ flip @ right
    return np.asarray(to_template.T), np.asarray(goal_middle - to_template @ middle)
