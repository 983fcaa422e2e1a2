"""A small scan with a lesion, on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (40, 44, 36)
# Stored left-posterior-inferior with unequal voxels and an offset: results must come back to exactly this.
AFFINE = np.array([[-2.0, 0, 0, 41], [0, -1.5, 0, 33], [0, 0, -2.5, 50], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Case:
    scan: Path
    truth: Path
    mask: Path
    folder: Path
    lesion: np.ndarray  # as stored
    affine: np.ndarray


def brain() -> np.ndarray:
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    return (i**2 + j**2 + k**2) < 0.75


def head(seed: int, lesion: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    i, j, k = np.meshgrid(*(np.linspace(0, np.pi, n) for n in SHAPE), indexing="ij")
    data = 100 + 30 * np.sin(2 * i) * np.sin(3 * j) * np.sin(k) + rng.normal(0, 3, SHAPE)
    truth = np.zeros(SHAPE, bool)
    if lesion:
        truth[12:18, 20:26, 10:15] = True
        data[truth] += 80
    return np.where(brain(), data, 0).astype(np.float32), truth


def save(array: np.ndarray, path: Path) -> Path:
    image = nib.Nifti1Image(array, AFFINE)
    image.header.set_xyzt_units("mm")
    image.to_filename(path)
    return path
