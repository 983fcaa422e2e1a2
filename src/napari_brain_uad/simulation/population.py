"""A population that does not exist: heads made from label maps, each a pure function of a seed and its number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.volume import Grid, Volume
from .acquisition import acquire, fraction_inside, majority, voxel_size
from .anatomy import Anatomy, load_anatomy
from .contrast import Contrast
from .head import IN_BRAIN, bend
from .labels import TISSUES
from .lesions import Pathology, add_lesions
from .lesions.shapes import Shape, real_shapes
from .params import SimulationParams

LabelMap = Path | str | Volume


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
    lesion_masks : Path or str, optional
        Folder of masks of real lesions; MS-like lesions then take their shapes from there.

    Notes
    -----
    ``population[i]`` depends on the label maps, `params`, `seed` and *i* only: not on what was made before, nor in which process.
    The method is that of SynthSeg (Billot et al., Medical Image Analysis 2023) with fixed instead of random contrasts: labels bent by a
    smooth random deformation, a brightness for every structure, blur, bias field and noise.
    """

    def __init__(
        self,
        label_maps: Sequence[LabelMap],
        params: SimulationParams | None = None,
        seed: int = 0,
        *,
        count: int | None = None,
        lesion_masks: Path | str | None = None,
    ) -> None:
        if not label_maps:
            raise InputError("Nothing to simulate from", why="no label map was given", fix="Give FreeSurfer- or SynthSeg-style label maps")
        if seed < 0:
            raise InputError("seed", why=f"{seed} is negative", fix="Give 0 or more")
        self.label_maps = tuple(label_maps)
        self.params = params or SimulationParams()
        if self.params.sequence == "tissue":
            self.params = replace(self.params, contrast_variation=0.0, texture=0.0, bias=0.0, noise=0.0, resolution_mm=1.0)
        self.seed = seed
        self.count = len(self.label_maps) if count is None else count
        self.shapes: tuple[Shape, ...] = () if lesion_masks is None else real_shapes(lesion_masks)

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
        contrast = Contrast(self.params, rng)
        pathology = Pathology(head.codes, (), np.zeros(head.codes.shape, np.bool_))
        if self.params.lesions != "none":
            # A stream of its own: with and without lesions it is the same person in the same scanner.
            of_lesions = np.random.default_rng([self.seed, number, 1])
            pathology = add_lesions(self.params.lesions, head, contrast, self.params.lesion_load, of_lesions, self.shapes)
        return _scan(head.grid, pathology, contrast, self.params, rng, name=f"simulated-{number + 1:03d}")

    def anatomy(self, number: int) -> Anatomy:
        """The person that scan `number` is made from."""
        source = self.label_maps[number % len(self.label_maps)]
        return load_anatomy(source, self.params)


def _scan(
    grid: Grid, pathology: Pathology, contrast: Contrast, params: SimulationParams, rng: np.random.Generator, *, name: str
) -> Simulated:
    size = voxel_size(params)
    signal = contrast.table[pathology.codes]
    pathology.paint(signal)
    image = acquire(signal, contrast.white, params, rng)
    brain = fraction_inside(IN_BRAIN[pathology.codes], size)
    tissue = majority(TISSUES[pathology.codes], brain, size)
    if not params.with_skull:
        image[~brain] = 0.0
    truth = None if params.lesions == "none" else np.asfortranarray(fraction_inside(pathology.truth, size))
    sequence = None if params.sequence == "random" else params.sequence
    volume = Volume(np.asfortranarray(image), _scan_grid(grid, size, image.shape), name, np.asfortranarray(brain), sequence)
    return Simulated(volume, np.asfortranarray(tissue), truth)


def _scan_grid(grid: Grid, size: tuple[float, float, float], shape: tuple[int, ...]) -> Grid:
    change = np.diag([*size, 1.0])
    change[:3, 3] = (np.array(size) - 1.0) / 2.0
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ change)
