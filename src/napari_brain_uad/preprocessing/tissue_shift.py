"""Mending the scale of tissue once it is known where which tissue is to be expected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .tissue_scale import GREY, SHARES

Floats = NDArray[np.float32]

_SPREADS = (0.4, 0.4, 0.3)
_OUTLIERS = 0.02
_CSF_WEIGHT = 0.3
"""Fluid counts less: around the brain it is seldom pure."""
_CERTAINTY, _CLOSEST = 4, 0.3
"""Exponent of the probabilities as weights of the medians; least distance of two tissues."""
_ROUNDS, _SMOOTHING_MM, _EVERY_MM = 4, 10.0, 4.0


def tissue_shift(
    scale: Floats, mask: NDArray[np.bool_], pixels_mm: tuple[float, float, float], probabilities: Floats | None = None
) -> Floats:
    """The smooth shift that brings each place closest to the tissues.

    Wells, Grimson, Kikinis, Jolesz (IEEE Trans. Medical Imaging 1996), on the scale of tissue instead of the logarithm of intensities:
    posteriors of three tissues of known value, and the precision-weighted mean of the differences to them within a Gaussian window. What
    fits none of them, like most of a lesion, has little weight.

    Parameters
    ----------
    scale : array of float32, shape (S, H, W)
        Tissue (`tissue_scale.TissueScale.unbounded`).
    mask : array of bool, shape (S, H, W)
        The brain.
    pixels_mm : tuple of float
        Distance of slices, rows and columns.
    probabilities : array of float32, shape (S, 3, H, W), optional
        Of CSF, grey and white matter at each place; without, their usual shares everywhere.

    Returns
    -------
    array of float32, shape (S, H, W)
        To be subtracted; 0 outside the brain.
    """
    from scipy.ndimage import gaussian_filter, zoom

    strides = [max(1, round(_EVERY_MM / pixel)) for pixel in pixels_mm]
    part = tuple(slice(None, None, stride) for stride in strides)
    seen, inside = scale[part][:, None], mask[part]
    tissues = np.arange(1, 4, dtype=np.float32).reshape(1, 3, 1, 1)
    spread = np.array(_SPREADS, np.float32).reshape(1, 3, 1, 1)
    prior = np.array(list(SHARES.values()), np.float32).reshape(1, 3, 1, 1)
    if probabilities is not None:
        prior = probabilities[part[0], :, part[1], part[2]].clip(0.01, 1.0)
    sigma = [_SMOOTHING_MM / (pixel * stride) for pixel, stride in zip(pixels_mm, strides, strict=True)]
    importance = np.array([_CSF_WEIGHT, 1.0, 1.0], np.float32).reshape(1, 3, 1, 1) / spread**2
    shift = np.zeros(inside.shape, np.float32)
    for _ in range(_ROUNDS):
        likelihood = prior * np.exp(-0.5 * ((seen - shift[:, None] - tissues) / spread) ** 2) / spread
        weight = importance * likelihood / (likelihood.sum(axis=1, keepdims=True) + _OUTLIERS)
        pulled, weights = (np.where(inside, one.sum(axis=1), 0.0).astype(np.float32) for one in (weight * (seen - tissues), weight))
        shift = gaussian_filter(pulled, sigma, truncate=2.5) / np.maximum(gaussian_filter(weights, sigma, truncate=2.5), 1e-3)
    factors = [whole / few for whole, few in zip(mask.shape, inside.shape, strict=True)]
    return np.where(mask, zoom(shift, factors, order=1, mode="nearest", grid_mode=True), np.float32(0.0)).astype(np.float32)


def relevelled(scale: Floats, probabilities: Floats, mask: NDArray[np.bool_]) -> Floats:
    """The scale stretched so that the tissues lie at 1, 2 and 3 where they are expected.

    The histogram's classes, which the scale was fitted to, are wrong when a lesion is as large as a tissue.

    Parameters
    ----------
    scale : array of float32, shape (S, H, W)
        Tissue (`tissue_scale.TissueScale.unbounded`).
    probabilities : array of float32, shape (S, 3, H, W)
        Of CSF, grey and white matter.
    mask : array of bool, shape (S, H, W)
        The brain.

    Returns
    -------
    array of float32, shape (S, H, W)
        As it was when the tissues lie too close together.
    """
    seen = scale[mask]
    order = np.argsort(seen)
    medians = []
    for tissue in range(3):
        weight = np.cumsum(probabilities[:, tissue][mask][order].astype(np.float64) ** _CERTAINTY)
        medians.append(float(seen[order[np.searchsorted(weight, weight[-1] / 2)]]))
    csf, grey, white = medians
    if min(grey - csf, white - grey) < _CLOSEST:
        return scale
    below, above = (scale - grey) / np.float32(grey - csf), (scale - grey) / np.float32(white - grey)
    return np.asarray(GREY + np.where(scale < grey, below, above), np.float32)
