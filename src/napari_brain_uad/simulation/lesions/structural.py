"""Changes of shape that leave every tissue as bright as it is: the blind spot of residual scores."""

from __future__ import annotations

import numpy as np

from ..head import IN_BRAIN
from ..labels import CODES, RIGHT
from .scene import Scene, brain_depth_mm, distance_mm, offsets
from .shapes import without_crumbs

CHANGES = ("swelling", "shrinking", "ventricle", "thick cortex")
_CRUMB = 8


def structural_change(scene: Scene, load: float, rng: np.random.Generator) -> None:
    """Make one change drawn at random: tissue pushed apart or drawn together, a lateral ventricle widened, or cortex thickened.

    The truth is the ball at whose border tissue was moved half as far as it was moved anywhere; the fluid that the ventricle gained; the
    white matter that became cortex.

    Parameters
    ----------
    scene : Scene
        The head.
    load : float
        Factor on the volume concerned.
    rng : numpy.random.Generator
        Of everything random.
    """
    change = CHANGES[int(rng.integers(len(CHANGES)))]
    scale = load ** (1 / 3)
    if change in ("swelling", "shrinking"):
        _moved(scene, float(rng.uniform(0.5, 0.75)) * (1.0 if change == "swelling" else -1.2), float(rng.uniform(9.0, 15.0)) * scale, rng)
    elif change == "ventricle":
        _ventricle(scene, float(rng.uniform(3.0, 6.0)) * scale, rng)
    else:
        _thick_cortex(scene, float(rng.uniform(2.0, 4.0)), float(rng.uniform(14.0, 24.0)) * scale, rng)


def _moved(scene: Scene, strength: float, width: float, rng: np.random.Generator) -> None:
    host = scene.coarse("white matter", "cortex")
    depth = brain_depth_mm(scene)
    centre = scene.pick(host & (depth >= min(width, 0.7 * float(depth[host].max(initial=0.0)))), "A change of shape", rng)
    box, moved = scene.bulge(centre, strength, width)
    distance = np.sqrt((offsets(box, centre) ** 2).sum(axis=0))
    concerned = distance <= distance[moved >= 0.5 * moved.max()].max()
    scene.truth[box] |= concerned & IN_BRAIN[scene.codes[box]]


def _ventricle(scene: Scene, wider: float, rng: np.random.Generator) -> None:
    """Fluid takes the place of what is within `wider` mm of one lateral ventricle."""
    side = int(rng.integers(2)) * RIGHT
    if not scene.coarse("ventricles", side=side).any():
        side = 0
    distance = scene.fine(distance_mm(scene.coarse("ventricles", side=side)))
    gained = scene.is_a("white matter", "caudate", "thalamus", side=side) & (distance <= wider)
    gained = without_crumbs(gained, _CRUMB)
    scene.codes[gained] = CODES["ventricles"] + side
    scene.truth |= gained


def _thick_cortex(scene: Scene, thicker: float, radius: float, rng: np.random.Generator) -> None:
    """White matter within `thicker` mm of the cortex becomes cortex, in a ball."""
    cortex = scene.coarse("cortex")
    centre = scene.pick(cortex, "Thick cortex", rng)
    near = scene.fine(distance_mm(cortex)) <= thicker
    box = scene.box(centre, radius)
    white = scene.table("white matter")[scene.codes[box]]
    gained = white & near[box] & ((offsets(box, centre) ** 2).sum(axis=0) <= radius**2)
    gained = without_crumbs(gained, _CRUMB)
    codes = scene.codes[box]
    codes[gained] = CODES["cortex"] + (codes[gained] & RIGHT)
    scene.truth[box] |= gained
