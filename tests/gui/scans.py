"""A small head with lesions, in a file whose axes are not RAS and whose voxels are not cubes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

LPS = np.array([[-1.5, 0, 0, 40.0], [0, -1.0, 0, 30.0], [0, 0, 2.0, -20.0], [0, 0, 0, 1]])


def rotated(affine: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """An oblique affine: `affine` turned about the left-right and the head-foot axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    out = affine.copy()
    out[:3] = turn @ affine[:3]
    return out


def head() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A head of noise in a zero background with two bright lesions, and the larger one as ground truth; stored axes."""
    rng = np.random.default_rng(7)
    i, j, k = np.indices((40, 44, 30))
    inside = ((i - 20) / 17) ** 2 + ((j - 22) / 19) ** 2 + ((k - 15) / 12) ** 2 < 1
    data = np.where(inside, rng.normal(100, 12, inside.shape), 0).astype(np.float32)
    truth = (i - 14) ** 2 + (j - 22) ** 2 + (k - 15) ** 2 < 25
    other = (i - 28) ** 2 + (j - 16) ** 2 + (k - 17) ** 2 < 9
    data[truth | other] += 90
    return np.clip(data, 0, None), truth.astype(np.uint8)


def write(path: Path, data: NDArray[Any], affine: NDArray[np.float64] = LPS, *, codes: tuple[int, int] = (1, 1)) -> Path:
    """A NIfTI file as nibabel writes it."""
    image = nibabel.Nifti1Image(data, affine)
    image.set_qform(affine, codes[0])
    image.set_sform(affine, codes[1])
    nibabel.save(image, path)
    return path
