"""Lesions as in multiple sclerosis: many, small, in white matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..fields import Floats
from .scene import Scene, direction, distance_mm, offsets
from .shapes import Shape, choose, main_piece, surface, without_crumbs

_ALLOWED = ("white matter", "cerebellar white matter", "brain stem")
_SMALLEST = 8
_SPREAD = 0.08


@dataclass(frozen=True)
class _Group:
    """Lesions of one site (Filippi et al., Brain 2019): where (a coarse mask), their mean number, radius in mm, and elongation."""

    where: NDArray[np.bool_]
    count: float
    radius: float
    elongation: float


def ms_lesions(scene: Scene, load: float, rng: np.random.Generator, shapes: Sequence[Shape] = ()) -> None:
    """Put lesions around the ventricles, in deep white matter, below the cortex, and in brain stem and cerebellum.

    Parameters
    ----------
    scene : Scene
        The head.
    load : float
        Factor on the number of lesions.
    rng : numpy.random.Generator
        Of everything random.
    shapes : sequence of array of bool
        Shapes of real lesions to draw from; irregular ellipsoids, those near the ventricles at right angles to them, when empty.
    """
    ventricles = distance_mm(scene.coarse("ventricles"))
    allowed = scene.is_a(*_ALLOWED)
    # One draw for the person: some have few lesions, some many.
    factor = load * rng.lognormal(0.0, 0.4)
    for group in _groups(scene, ventricles):
        for _ in range(int(rng.poisson(group.count * factor)) if group.where.any() else 0):
            centre = scene.pick(group.where, "An MS lesion", rng)
            _place(scene, allowed, centre, group, direction(ventricles, centre), rng, shapes)


def _groups(scene: Scene, ventricles: Floats) -> tuple[_Group, ...]:
    white = scene.coarse("white matter")
    cortex = distance_mm(scene.coarse("cortex"))
    return (
        _Group(white & (ventricles > 1) & (ventricles < 6), 12.0, 3.6, 1.8),
        _Group(white & (ventricles > 6) & (cortex > 4), 8.0, 2.8, 1.3),
        _Group(white & (ventricles > 10) & (cortex <= 4), 8.0, 2.5, 1.0),
        _Group(scene.coarse("brain stem", "cerebellar white matter"), 2.0, 2.2, 1.0),
    )


def _place(
    scene: Scene,
    allowed: NDArray[np.bool_],
    centre: NDArray[np.int64],
    group: _Group,
    along: NDArray[np.float64],
    rng: np.random.Generator,
    shapes: Sequence[Shape],
) -> None:
    """Put one lesion in, unless too little of it is in white matter."""
    if shapes:
        shape = choose(shapes, rng)
        low = centre - np.array(shape.shape) // 2
        start, stop = np.maximum(low, 0), np.minimum(low + shape.shape, scene.codes.shape)
        box = (slice(start[0], stop[0]), slice(start[1], stop[1]), slice(start[2], stop[2]))
        lesion = shape[tuple(slice(a, b) for a, b in zip(start - low, stop - low, strict=True))]
    else:
        radius = float(group.radius * rng.lognormal(0.0, 0.3))
        box = scene.box(centre, radius * group.elongation * 1.8 + 1.0)
        stretch = (along * group.elongation).astype(np.float32)
        lesion = main_piece(surface(offsets(box, centre), radius, rng, stretch=stretch if stretch.any() else None) < 1.0)
    lesion = without_crumbs(lesion & allowed[box], _SMALLEST)
    level = scene.contrast.lesions["ms lesion"] * (1.0 + _SPREAD * float(rng.standard_normal()))
    if lesion.any():
        scene.add(box, lesion.astype(np.float32), level, lesion)
