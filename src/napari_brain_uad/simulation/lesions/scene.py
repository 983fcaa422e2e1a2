"""The head while lesions are put into it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...core.errors import InputError
from ..contrast import Contrast
from ..deformation import Box
from ..fields import Floats, interpolated
from ..head import IN_BRAIN, Head
from ..labels import CODES, RIGHT

COARSE = 2
"""Distances are taken on every second voxel."""

_REACH = 3.5
"""A bulge ends at this many widths, where it moves tissue by less than 0.1 mm."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A place whose signal changes from s to ``(1 - weight) * s + weight * level``; both of the box's shape."""

    box: Box
    weight: Floats
    level: Floats


@dataclass(frozen=True, eq=False)
class Pathology:
    """What lesions make of a head: new structures, changed signal, and the truth, all at 1 mm."""

    codes: NDArray[np.uint8]
    patches: tuple[Patch, ...]
    truth: NDArray[np.bool_]

    def paint(self, signal: Floats) -> None:
        """Change the signal in place, in the order the lesions were put in."""
        for patch in self.patches:
            part = signal[patch.box]
            part += patch.weight * (patch.level - part)


class Scene:
    """Structures, signal changes and truth as they are being built.

    Parameters
    ----------
    head : Head
        The healthy head.
    contrast : Contrast
        How bright everything is.
    """

    def __init__(self, head: Head, contrast: Contrast) -> None:
        self.head = head
        self.contrast = contrast
        self.codes = head.codes.copy()
        self.truth = np.zeros(head.codes.shape, np.bool_)
        self._patches: list[Patch] = []

    def finished(self) -> Pathology:
        """The result."""
        return Pathology(self.codes, tuple(self._patches), self.truth)

    def is_a(self, *names: str, side: int | None = None) -> NDArray[np.bool_]:
        """Where the structures `names` are; only left (0) or right (`RIGHT`) ones when `side` is given."""
        return np.asarray(self.table(*names, side=side)[self.codes])

    def table(self, *names: str, side: int | None = None) -> NDArray[np.bool_]:
        """Whether each code is one of the structures `names`."""
        chosen = np.zeros(2 * RIGHT, np.bool_)
        for name in names:
            chosen[[CODES[name] + s for s in ((0, RIGHT) if side is None else (side,))]] = True
        return chosen

    def coarse(self, *names: str, side: int | None = None) -> NDArray[np.bool_]:
        """`is_a` on every second voxel."""
        return np.asarray(self.table(*names, side=side)[self.codes[::COARSE, ::COARSE, ::COARSE]])

    def fine(self, coarse: Floats) -> Floats:
        """A map on every second voxel, interpolated to all."""
        i, j, k = (np.arange(n) / COARSE for n in self.codes.shape)
        return interpolated(coarse.astype(np.float32, copy=False), (i, j, k))

    def pick(self, where: NDArray[np.bool_], what: str, rng: np.random.Generator) -> NDArray[np.int64]:
        """A random voxel of a coarse mask, as a fine index.

        Raises
        ------
        InputError
            If the mask is empty; `what` is named.
        """
        places = np.flatnonzero(where)
        if places.size == 0:
            raise InputError(what, why="there is no place for it in this head", fix="Choose another seed or label map")
        coarse = np.array(np.unravel_index(int(places[rng.integers(places.size)]), where.shape))
        return np.asarray(np.minimum(coarse * COARSE + rng.integers(0, COARSE, 3), np.array(self.codes.shape) - 1))

    def box(self, centre: NDArray[np.generic], half: float) -> Box:
        """The cube of `half` mm around a voxel, as far as it is in the head."""
        low = [max(int(np.floor(c - half)), 0) for c in centre]
        high = [min(int(np.ceil(c + half)) + 1, n) for c, n in zip(centre, self.codes.shape, strict=True)]
        return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])

    def add(self, box: Box, weight: Floats, level: float | Floats, truth: NDArray[np.bool_]) -> None:
        """Change the signal in a box, and add to the truth."""
        levels = np.broadcast_to(np.asarray(level, dtype=np.float32), weight.shape)
        self._patches.append(Patch(box, weight.astype(np.float32, copy=False), levels))
        self.truth[box] |= truth

    def bulge(self, centre: NDArray[np.generic], strength: float, width: float) -> tuple[Box, Floats]:
        """Push tissue away from a point (or towards it, for a negative strength).

        What is at distance r comes from ``r * (1 - strength * exp(-r^2 / (2 width^2)))``, which grows with r for strengths from -2 to
        below 1: it cannot fold.

        Returns
        -------
        box, moved
            The box that changed, and by how many mm each voxel's tissue was moved.
        """
        box = self.box(centre, _REACH * width)
        offset = offsets(box, centre)
        radius2 = (offset**2).sum(axis=0)
        pull = np.float32(strength) * np.exp(-radius2 / np.float32(2.0 * width**2))
        inside = np.indices(radius2.shape, dtype=np.float32) - pull * offset
        source = np.stack([ndimage.map_coordinates(axis[box], inside, order=1, mode="nearest") for axis in self.head.coordinates])
        self.codes[box] = self.head.anatomy.take(source)
        return box, np.abs(pull) * np.sqrt(radius2)


def offsets(box: Box, centre: NDArray[np.generic]) -> Floats:
    """Vector from `centre` to every voxel of a box in mm, shape (3, ...)."""
    axes = [np.arange(part.start, part.stop, dtype=np.float32) - np.float32(c) for part, c in zip(box, centre, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def distance_mm(mask: NDArray[np.bool_]) -> Floats:
    """Distance of every coarse voxel to a coarse mask in mm; very far when it is empty."""
    if not mask.any():
        return np.full(mask.shape, 1e3, np.float32)
    return np.asarray(ndimage.distance_transform_edt(~mask) * COARSE, dtype=np.float32)


def direction(distance: Floats, place: NDArray[np.int64]) -> NDArray[np.float64]:
    """Direction in which a coarse distance map grows at a fine index, of length 1; 0 where it does not."""
    at = np.minimum(place // COARSE, np.array(distance.shape) - 2)
    here = [slice(max(c - 1, 0), c + 2) for c in at]
    middle = [c - part.start for c, part in zip(at, here, strict=True)]
    around = distance[here[0], here[1], here[2]].astype(np.float64)
    slopes = np.array([np.gradient(around, axis=axis)[tuple(middle)] for axis in range(3)])
    length = float(np.linalg.norm(slopes))
    return slopes / length if length > 1e-3 else np.zeros(3)


def brain_depth_mm(scene: Scene) -> Floats:
    """Distance of every coarse voxel of the brain to what is outside of it, in mm."""
    return distance_mm(~IN_BRAIN[scene.codes[::COARSE, ::COARSE, ::COARSE]])
