"""Real tumours added to healthy scans: the synthetic set of StRegA's paper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from ..core.errors import InputError
from ..core.volume import Volume

_COVERED = 0.5
"""A voxel belongs to the added tumour when at least this share of it does."""


def superposed(healthy: Volume, patient: Volume, tumour: NDArray[np.bool_]) -> tuple[Volume, NDArray[np.bool_]]:
    """A healthy scan with a patient's tumour on top (Chatterjee et al. 2022, equation 15).

    The tumour is mask x image, scaled to 0-1, resized to the healthy scan and added to it, which is scaled to 0-1 as well. Both scans are
    taken to show one field, that of the brain: its box in the one lies on its box in the other. What falls outside the healthy brain is
    left out. Both have to be of one sequence.

    Parameters
    ----------
    healthy, patient : Volume
        With their brain masks.
    tumour : array of bool, shape of the patient

    Returns
    -------
    volume : Volume
        On the healthy scan's grid; intensities from 0 to at most 2.
    truth : array of bool
        Where at least half of a voxel is tumour.

    Raises
    ------
    InputError
        If a brain mask is missing, the shapes differ, the patient has no tumour, or nothing of it falls into the healthy brain.
    """
    what = f"The tumour of {patient.name}"
    for volume in (healthy, patient):
        if volume.mask is None or not volume.mask.any():
            raise InputError(f"{volume.name} has no brain mask", fix="Extract the brain first")
    if tumour.shape != patient.data.shape or not tumour.any():
        raise InputError(what, why="its mask is empty or of another shape", fix="Give the tumour's mask on the patient's grid")
    assert healthy.mask is not None
    assert patient.mask is not None
    places = np.stack(np.meshgrid(*_matching(healthy.mask, patient.mask), indexing="ij"))
    part = np.where(tumour, patient.data, 0.0)
    lesion = map_coordinates(_scaled(part, tumour), places, order=1, mode="constant", output=np.float32)
    share = map_coordinates(tumour.astype(np.float32), places, order=1, mode="constant", output=np.float32)
    truth = (share >= _COVERED) & healthy.mask
    if not truth.any():
        raise InputError(what, why=f"nothing of it falls into the brain of {healthy.name}", fix="Choose another pair")
    base = np.where(healthy.mask, _scaled(healthy.data, healthy.mask), np.float32(0.0))
    data = np.asfortranarray(base + np.where(healthy.mask, lesion, np.float32(0.0)), np.float32)
    return replace(healthy.with_data(data), name=f"{healthy.name}+{patient.name}"), np.asfortranarray(truth)


def _scaled(data: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Intensities from 0, where there is none, to 1, the highest inside."""
    highest = float(data[inside].max())
    if not highest > 0:
        raise InputError("An image to be scaled to 0-1", why="it has nothing above 0 there", fix="Give magnitude images")
    return np.asarray(data.clip(min=0.0) / highest, np.float32)


def _matching(there: NDArray[np.bool_], here: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """For every voxel of one mask's grid along each axis, the place in the other's at which the brain's boxes lie on each other."""
    axes = []
    for axis, count in enumerate(there.shape):
        others = tuple({0, 1, 2} - {axis})
        one, other = (np.flatnonzero(mask.any(axis=others))[[0, -1]] + (-0.5, 0.5) for mask in (there, here))
        axes.append(other[0] + (np.arange(count) - one[0]) * (other[1] - other[0]) / (one[1] - one[0]))
    return axes
