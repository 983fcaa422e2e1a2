"""A population that does not exist: heads made from label maps, each a pure function of a seed and its number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.volume import Grid, Volume
from .acquisition import acquire, fraction_inside, majority, voxel_size
from .anatomy import Anatomy, load_anatomy
from .contrast import Contrast
from .deformation import Deformation
from .fields import Floats
from .labels import TISSUES
from .params import SimulationParams

LabelMap = Path | str | Volume

_SEARCH_MM, _SEARCH_STEP, _MARGIN_MM = 60.0, 4, 4
_BRAIN_TABLE = TISSUES > 0


@dataclass(frozen=True, eq=False)
class Simulated:
    """One simulated scan with what is known of it.

    Parameters
    ----------
    volume : Volume
        The image with its brain mask and sequence (None for a random contrast).
    tissue : array of uint8, shape (i, j, k)
        Anatomy: 0 outside the brain, 1 CSF, 2 grey, 3 white matter; the class with the largest share of the voxel. Lesions are not in it,
        but what they push aside is.
    truth : array of bool or None
        Voxels of which at least half is lesion; None when none was asked for.
    """

    volume: Volume
    tissue: NDArray[np.uint8]
    truth: NDArray[np.bool_] | None


class Population:
    """Simulated scans, made when asked for.

    Parameters
    ----------
    label_maps : sequence of Path, str or Volume
        FreeSurfer- or SynthSeg-style label maps; scan *i* is made from map ``i % len(label_maps)``.
    params : SimulationParams
        What to make; the defaults are a healthy T1 brain at 1 mm.
    seed : int
        Of everything random.
    count : int, optional
        How many there are for ``len`` and iteration; by default one from each map. Any number can be asked for all the same.

    Notes
    -----
    ``population[i]`` depends on the label maps, `params`, `seed` and *i* only: not on what was made before, nor in which process.
    The method is that of SynthSeg (Billot et al., Medical Image Analysis 2023) with fixed instead of random contrasts: labels bent by a
    smooth random deformation, a brightness for every structure, blur, bias field and noise.
    """

    def __init__(
        self, label_maps: Sequence[LabelMap], params: SimulationParams | None = None, seed: int = 0, *, count: int | None = None
    ) -> None:
        if not label_maps:
            raise InputError("Nothing to simulate from", why="no label map was given", fix="Give FreeSurfer- or SynthSeg-style label maps")
        if seed < 0:
            raise InputError("seed", why=f"{seed} is negative", fix="Give 0 or more")
        self.label_maps = tuple(label_maps)
        self.params = params or SimulationParams()
        self.seed = seed
        self.count = len(self.label_maps) if count is None else count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Simulated]:
        return (self[number] for number in range(self.count))

    def __getitem__(self, number: int) -> Simulated:
        """Make scan `number`, from 0."""
        if number < 0:
            raise IndexError(f"scan {number}: the first is 0")
        anatomy = self.anatomy(number)
        rng = np.random.default_rng([self.seed, number])
        head = bend(anatomy, self.params, rng)
        return _scan(head, Contrast(self.params, rng), self.params, rng, name=f"simulated-{number + 1:03d}")

    def anatomy(self, number: int) -> Anatomy:
        """The person that scan `number` is made from."""
        source = self.label_maps[number % len(self.label_maps)]
        return load_anatomy(source, self.params)


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
    shown = found > 0 if params.with_skull else _BRAIN_TABLE[found]
    axes = []
    for axis in range(3):
        where = np.flatnonzero(shown.any(axis=tuple({0, 1, 2} - {axis})))
        margin = _SEARCH_STEP + _MARGIN_MM
        axes.append(np.arange(coarse[axis][where[0]] - margin, coarse[axis][where[-1]] + margin + 1))
    coordinates = deformation.coordinates((axes[0], axes[1], axes[2]))
    codes = anatomy.take(coordinates)
    shape = (codes.shape[0], codes.shape[1], codes.shape[2])
    place = np.eye(4)
    if params.pose == "scanner":
        place[:3, :3] = anatomy.grid.affine[:3, :3] / np.array(anatomy.grid.spacing)
    place[:3, 3] = anatomy.origin + place[:3, :3] @ [axis[0] for axis in axes]
    return Head(codes, Grid(shape, place), coordinates, anatomy)


def _scan(head: Head, contrast: Contrast, params: SimulationParams, rng: np.random.Generator, *, name: str) -> Simulated:
    size = voxel_size(params)
    image = acquire(contrast.table[head.codes], contrast.white, params, rng)
    brain = fraction_inside(_BRAIN_TABLE[head.codes], size)
    tissue = majority(TISSUES[head.codes], brain, size)
    if not params.with_skull:
        image[~brain] = 0.0
    sequence = None if params.sequence == "random" else params.sequence
    volume = Volume(np.asfortranarray(image), _scan_grid(head.grid, size, image.shape), name, np.asfortranarray(brain), sequence)
    return Simulated(volume, np.asfortranarray(tissue), None)


def _scan_grid(grid: Grid, size: tuple[float, float, float], shape: tuple[int, ...]) -> Grid:
    change = np.diag([*size, 1.0])
    change[:3, 3] = (np.array(size) - 1.0) / 2.0
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ change)
