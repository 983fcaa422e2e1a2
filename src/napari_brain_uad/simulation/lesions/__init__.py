"""Lesions with exact truth, put into a bent head before it is scanned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.errors import InputError
from ..contrast import Contrast
from ..head import Head
from .ms import ms_lesions
from .scene import Pathology, Scene
from .shapes import Shape
from .strega import superimposed
from .stroke import infarct
from .structural import structural_change
from .tumour import tumour

__all__ = ["Pathology", "add_lesions"]

_ATTEMPTS = 8
"""A draw may fall where nothing fits, like a few MS lesions on the border of white matter."""


def add_lesions(
    kind: str, head: Head, contrast: Contrast, load: float, rng: np.random.Generator, shapes: Sequence[Shape] = ()
) -> Pathology:
    """Put lesions of one kind into a head.

    Parameters
    ----------
    kind : str
        One of `params.LESIONS` but "none".
    head : Head
        The healthy head; it is not changed.
    contrast : Contrast
        How bright everything is in this scan.
    load : float
        Factor on the number (MS) or volume of the lesions.
    rng : numpy.random.Generator
        Of everything random.
    shapes : sequence of array of bool
        Shapes of real lesions at 1 mm, for "ms"; made up when there are none.

    Raises
    ------
    InputError
        If there is no place for them.
    """
    for _ in range(_ATTEMPTS):
        scene = Scene(head, contrast)
        _add(kind, scene, load, rng, shapes)
        if scene.truth.any():
            return scene.finished()
    raise InputError(f"{kind} lesions", why="there is no place for them in this head", fix="Choose another seed, or a larger lesion_load")


def _add(kind: str, scene: Scene, load: float, rng: np.random.Generator, shapes: Sequence[Shape]) -> None:
    match kind:
        case "ms":
            ms_lesions(scene, load, rng, shapes)
        case "tumour":
            tumour(scene, load, rng)
        case "stroke":
            infarct(scene, load, rng)
        case "strega":
            superimposed(scene, load, rng)
        case "structural":
            structural_change(scene, load, rng)
        case _:
            raise InputError(f"lesions '{kind}'", why="there is no such kind", fix="Choose ms, tumour, stroke, strega or structural")
