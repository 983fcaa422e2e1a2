"""An infarct in the territory of a cortical artery."""

from __future__ import annotations

import numpy as np

from ..fields import smooth_field
from ..labels import RIGHT
from .scene import COARSE, Scene, offsets
from .shapes import main_piece

_HOST = ("white matter", "cortex")
_SHARE = 0.9
"""Share of the infarct in the signal: some of the contrast between grey and white matter is left."""


def infarct(scene: Scene, load: float, rng: np.random.Generator) -> None:
    """Put one infarct in: a wedge of cortex and white matter of one hemisphere, its tip near the ventricle.

    Parameters
    ----------
    scene : Scene
        The head.
    load : float
        Factor on its volume.
    rng : numpy.random.Generator
        Of everything random.
    """
    # Maps that do not tell the sides apart have everything on the left one.
    side = int(rng.integers(2)) * RIGHT
    side = side if scene.coarse("cortex", side=side).any() else 0
    outer = scene.pick(scene.coarse("cortex", side=side), "An infarct", rng)
    middle = np.argwhere(scene.coarse(*_HOST, side=side)).mean(axis=0) * COARSE
    axis = outer - middle
    length = max(float(np.linalg.norm(axis)), 1.0)
    axis = axis / length
    # The tip of the wedge lies between the hemisphere's middle and its surface.
    tip = middle + axis * length * rng.uniform(0.1, 0.5)
    reach = length - float(np.linalg.norm(tip - middle)) + 14.0
    slope = np.tan(np.radians(rng.uniform(16.0, 30.0))) * load ** (1 / 3)
    box = scene.box(tip + axis * reach / 2, reach * max(1.0, 1.2 * slope))
    offset = offsets(box, tip)
    along = np.tensordot(axis.astype(np.float32), offset, axes=1)
    across = np.sqrt(np.maximum((offset**2).sum(axis=0) - along**2, 0.0))
    # Border of the territory: the cone's, moved in and out.
    irregular = np.float32(0.15) * smooth_field(along.shape, (6.0, 6.0, 6.0), rng)
    wedge = (along > 0.0) & (along < reach) & (across / np.maximum(along * slope, 0.5) + irregular < 1.0)
    dead = main_piece(wedge & scene.table(*_HOST, side=side)[scene.codes[box]])
    level = scene.contrast.lesions["infarct"] * (1.0 + 0.06 * float(rng.standard_normal()))
    scene.add(box, _SHARE * dead.astype(np.float32), level, dead)
