"""Smoothing within the brain: what lies outside must not bleed into its rim (normalised convolution)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def smoothed(
    values: NDArray[np.float32], mask: NDArray[np.bool_], voxels_mm: tuple[float, float, float], width_mm: float
) -> NDArray[np.float32]:
    """Values smoothed within the brain with a Gaussian of this sigma; 0 outside."""
    from scipy.ndimage import gaussian_filter

    sigma = [width_mm / size for size in voxels_mm]
    weight = gaussian_filter(mask.astype(np.float32), sigma)
    smooth = gaussian_filter(np.where(mask, values, np.float32(0.0)), sigma) / np.maximum(weight, 1e-6)
    return np.where(mask, smooth, np.float32(0.0)).astype(np.float32)
