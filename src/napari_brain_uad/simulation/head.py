"""A bent head at 1 mm: what lesions are put into and what is then scanned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.volume import Grid
from .anatomy import Anatomy
from .deformation import Deformation
from .fields import Floats
from .labels import TISSUES
from .params import SimulationParams

IN_BRAIN: NDArray[np.bool_] = TISSUES > 0
"""Whether a code is of the brain."""

_SEARCH_MM, _SEARCH_STEP, _MARGIN_MM = 60.0, 4, 4


@dataclass(frozen=True, eq=False)
class Head:
    """A person after bending, at 1 mm.

    Parameters
    ----------
    codes : array of uint8, shape (i, j, k)
        Structures.
    grid : Grid
        1 mm.
    coordinates : array of float32, shape (3, i, j, k)
        Where each voxel comes from, in mm from the middle of the label map's brain.
    anatomy : Anatomy
        What it was made from.
    """

    codes: NDArray[np.uint8]
    grid: Grid
    coordinates: Floats
    anatomy: Anatomy


def bend(anatomy: Anatomy, params: SimulationParams, rng: np.random.Generator) -> Head:
    """A person with a random deformation, on a 1 mm grid just large enough."""
    deformation = Deformation.draw(params, rng).turned(anatomy.turn)
    half = np.array(anatomy.codes.shape) * np.array(anatomy.grid.spacing) / 2 + _SEARCH_MM
    coarse = [np.arange(-np.ceil(h), np.ceil(h) + 1, _SEARCH_STEP) for h in half]
    found = anatomy.take(deformation.coordinates((coarse[0], coarse[1], coarse[2])))
    shown = found > 0 if params.with_skull else IN_BRAIN[found]
    axes = []
    for axis in range(3):
        where = np.flatnonzero(shown.any(axis=tuple({0, 1, 2} - {axis})))
        margin = _SEARCH_STEP + _MARGIN_MM
        axes.append(np.arange(coarse[axis][where[0]] - margin, coarse[axis][where[-1]] + margin + 1))
    coordinates = deformation.coordinates((axes[0], axes[1], axes[2]))
    codes = anatomy.take(coordinates)
    place = np.eye(4)
    if params.pose == "scanner":
        place[:3, :3] = anatomy.grid.affine[:3, :3] / np.array(anatomy.grid.spacing)
    place[:3, 3] = anatomy.origin + place[:3, :3] @ [axis[0] for axis in axes]
    return Head(codes, Grid((codes.shape[0], codes.shape[1], codes.shape[2]), place), coordinates, anatomy)
