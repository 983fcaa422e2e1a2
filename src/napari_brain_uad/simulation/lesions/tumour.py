"""A tumour with core, oedema and mass effect."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..head import IN_BRAIN
from ..labels import RIGHT
from .scene import Scene, brain_depth_mm, offsets
from .shapes import main_piece, surface

_HOST = ("white matter", "cortex")
_SWOLLEN = ("white matter", "ventral diencephalon", "thalamus", "putamen", "pallidum", "caudate")
_LOBAR_MM = 12.0
_WET = 0.85
"""Share of oedema in swollen tissue's signal."""


def tumour(scene: Scene, load: float, rng: np.random.Generator) -> None:
    """Put one tumour into a hemisphere: an enhancing core, often dead inside, that pushes tissue away, and oedema in white matter around.

    The truth is core and oedema together (the "whole tumour" of BraTS).

    Parameters
    ----------
    scene : Scene
        The head.
    load : float
        Factor on the core's volume.
    rng : numpy.random.Generator
        Of everything random.
    """
    radius = float(rng.uniform(9.0, 22.0)) * load ** (1 / 3)
    deep = brain_depth_mm(scene)
    depth = min(0.8 * radius, 0.7 * float(deep[scene.coarse(*_HOST)].max(initial=0.0)))
    # Not deeper than need be: most tumours are in the lobes, few in the middle.
    centre = scene.pick(scene.coarse(*_HOST) & (deep >= depth) & (deep <= depth + _LOBAR_MM), "A tumour", rng)
    side = int(scene.codes[tuple(centre)]) & RIGHT
    scene.bulge(centre, float(rng.uniform(0.4, 0.7)), 0.8 * radius)
    _oedema(scene, centre, radius, side, rng)
    box = scene.box(centre, 1.7 * radius + 2.0)
    distance = surface(offsets(box, centre), radius, rng, roughness=0.18)
    brain = IN_BRAIN[scene.codes[box]] & ~scene.table("outer CSF", "ventricles")[scene.codes[box]]
    core = main_piece((distance < 1.0) & brain & (scene.codes[box] & RIGHT == side))
    level = np.full(core.shape, scene.contrast.lesions["tumour core"], np.float32)
    if radius > 10.0 and rng.random() < 0.75:
        level[distance < rng.uniform(0.5, 0.75)] = scene.contrast.lesions["necrosis"]
    scene.add(box, core.astype(np.float32), level, core)


def _oedema(scene: Scene, centre: NDArray[np.int64], radius: float, side: int, rng: np.random.Generator) -> None:
    """Fingers along the white matter of one side around the core, up to a random reach."""
    reach = radius + float(rng.uniform(6.0, 24.0))
    box = scene.box(centre, 1.6 * reach + 2.0)
    near = surface(offsets(box, centre), reach, rng, roughness=0.35) < 1.0
    wet = main_piece(ndimage.binary_opening(near & scene.table(*_SWOLLEN, side=side)[scene.codes[box]]))
    scene.add(box, _WET * wet.astype(np.float32), scene.contrast.lesions["oedema"], wet)
