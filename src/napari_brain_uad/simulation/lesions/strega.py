"""Blobs superimposed on the image: the synthetic anomalies that StRegA was tried on."""

from __future__ import annotations

import numpy as np

from ..head import IN_BRAIN
from .scene import COARSE, Scene, offsets
from .shapes import surface

_EDGE = 0.12
"""Width of the soft edge, as a fraction of the radius."""

_VISIBLE = 0.25
"""Least difference from the mean signal under the blob, as a fraction of white matter's signal."""


def superimposed(scene: Scene, load: float, rng: np.random.Generator) -> None:
    """Lay one to three smooth-edged blobs of random brightness over the brain, after Chatterjee et al. (StRegA, 2022).

    The truth is where a blob's weight is at least half of its largest one.

    Parameters
    ----------
    scene : Scene
        The head.
    load : float
        Factor on the blobs' volume.
    rng : numpy.random.Generator
        Of everything random.
    """
    brain = IN_BRAIN[scene.codes[::COARSE, ::COARSE, ::COARSE]]
    brightest = float(scene.contrast.table[IN_BRAIN].max())
    for _ in range(int(rng.integers(1, 4))):
        radius = float(rng.uniform(6.0, 18.0)) * load ** (1 / 3)
        centre = scene.pick(brain, "A blob", rng)
        box = scene.box(centre, 1.6 * radius + 2.0)
        distance = surface(offsets(box, centre), radius, rng, roughness=0.15)
        inside = IN_BRAIN[scene.codes[box]]
        blob = (distance < 1.0) & inside
        if not blob.any():
            continue
        under = float(scene.contrast.table[scene.codes[box]][blob].mean())
        opacity = float(rng.uniform(0.7, 1.0))
        weight = opacity * inside / (1.0 + np.exp((distance - 1.0) / np.float32(_EDGE)))
        scene.add(box, weight.astype(np.float32), _brightness(under, scene.contrast.white, brightest, rng), blob)


def _brightness(under: float, white: float, brightest: float, rng: np.random.Generator) -> float:
    """Uniform between black and the brightest tissue, but for a gap around what is there already."""
    low, high = max(under - _VISIBLE * white, 0.0), under + _VISIBLE * white
    above = max(brightest - high, 0.25 * white)
    draw = float(rng.uniform(0.0, low + above))
    return draw if draw < low else high + (draw - low)
