"""Affine transforms as ITK's tools (ANTs, ITK-SNAP, 3D Slicer, SimpleITK) read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""ITK's world runs to the left, posterior, superior."""


def itk_affine(matrix: NDArray[np.float64]) -> str:
    """An affine transform as a text file of ITK (``.tfm``).

    Parameters
    ----------
    matrix : array, shape (4, 4)
        World mm (RAS+) of the fixed image to world mm of the moving one: points of where an image is resampled to, to where its values
        are taken. So ITK means its transforms, too.
    """
    turned = _LPS @ matrix @ _LPS
    numbers = " ".join(f"{value + 0.0:.17g}" for value in (*turned[:3, :3].ravel(), *turned[:3, 3]))
    kind = "AffineTransform_double_3_3"
    return f"#Insight Transform File V1.0\n#Transform 0\nTransform: {kind}\nParameters: {numbers}\nFixedParameters: 0 0 0\n"
