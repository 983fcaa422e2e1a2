"""People whose brains fill one place and differ inside, in sequences that do not look alike."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SPACING = (2.0, 2.0, 2.0)
_SHAPE = (66, 76, 60)
INSIDE = np.sum([((place - (n - 1) / 2) / (0.45 * n)) ** 2 for place, n in zip(np.indices(_SHAPE), _SHAPE, strict=True)], axis=0) < 1


def sequence(person: int, name: str) -> np.ndarray:
    """A brain of three tissues in empty space, with noise; "FLAIR" and "T2" in contrasts of their own."""
    field = ndimage.gaussian_filter(np.random.default_rng(person).normal(size=_SHAPE), 2.5)
    tissue = np.digitize(field, np.quantile(field, (0.25, 0.6)))
    contrast = {"FLAIR": (40.0, 110.0, 90.0), "T2": (240.0, 130.0, 90.0)}[name]
    smooth = ndimage.gaussian_filter(np.choose(tissue, contrast), 0.5)
    noise = np.random.default_rng([person, len(name)]).normal(0, 4, _SHAPE)
    return np.where(INSIDE, smooth + noise, 0).clip(0).astype(np.float32)


def moved(data: np.ndarray) -> np.ndarray:
    """A brain turned by 9 degrees and shifted by 6 mm within its image."""
    turned = ndimage.rotate(data, 9, axes=(0, 1), reshape=False, order=1)
    return np.roll(turned, 3, axis=2).clip(0)
