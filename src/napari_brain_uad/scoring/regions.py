"""Regions of one uniform tissue where a healthy brain has another: a likelihood ratio over neighbourhoods of a whole scan."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEVELS = (0.3, 0.7, 1.0, 1.3, 1.6, 1.9, 2.2, 2.5, 2.75, 3.0, 3.3, 3.7, 4.2, 4.8)
"""Tissue that a region may be made of, on the scale 1 (CSF), 2 (grey), 3 (white matter), which goes on beyond both ends."""

FINE_MM, COARSE_MM, REACH_MM = 2.0, 3.6, 4.0
"""Smoothing that draws a region's border, smoothing that finds it, and how far the border may lie from where it was found."""

_LEAST, _MOST = 0.0, 5.0
_REGION_SPREAD = 0.3
_OUTLIERS = 0.02
_MIXED = 1.0
_SURE, _FEW = 0.9, 200
_SPREADS = (0.15, 0.4)
_HEALTHY = 0.9999


def spreads(scale: Floats, probabilities: Floats, mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Spread of CSF, grey and white matter in this scan, where the model is sure of them: a robust estimate that lesions do not move."""
    found = []
    for tissue in range(3):
        sure = mask & (probabilities[:, tissue] > _SURE)
        enough = np.count_nonzero(sure) > _FEW
        spread = 1.4826 * float(np.median(np.abs(scale[sure] - np.float32(tissue + 1)))) if enough else _REGION_SPREAD
        found.append(float(np.clip(spread, *_SPREADS)))
    return found[0], found[1], found[2]


def expected_density(scale: Floats, probabilities: Floats, spread: tuple[float, float, float]) -> Floats:
    """Density of the tissue seen under the tissues expected.

    A mixture of the three tissues, of partial volume between neighbours, which weighs more where the expectation is undecided, and of
    outliers.

    Parameters
    ----------
    scale : array of float32, shape (S, H, W)
        Tissue, from 0 to 5.
    probabilities : array of float32, shape (S, 3, H, W)
        Of CSF, grey and white matter; they add up to 1.
    spread : tuple of float
        Of each tissue (`spreads`).
    """
    from scipy.special import ndtr

    tissues = sum(probabilities[:, k] * _normal(scale, k + 1.0, spread[k]) for k in range(3))
    undecided = np.float32(_MIXED) * (1.0 - np.square(probabilities).sum(axis=1))
    partial, weights = np.zeros_like(scale), np.zeros_like(scale)
    for k in range(2):
        blur = (spread[k] + spread[k + 1]) / 2
        weight = probabilities[:, k] * probabilities[:, k + 1]
        partial += weight * (ndtr((scale - (k + 1.0)) / blur) - ndtr((scale - (k + 2.0)) / blur))
        weights += weight
    partial /= np.maximum(weights, 1e-6)
    mixed = (1.0 - undecided) * tissues + undecided * partial
    return np.asarray((1.0 - _OUTLIERS) * mixed + _OUTLIERS / (_MOST - _LEAST), dtype=np.float32)


def evidence(
    scale: Floats, probabilities: Floats, mask: NDArray[np.bool_], pixels_mm: tuple[float, float, float]
) -> Iterator[tuple[Floats, Floats]]:
    """For each of `LEVELS`, the mean log likelihood ratio in nats over a small and over a larger neighbourhood."""
    from scipy.ndimage import gaussian_filter

    seen = np.clip(scale, _LEAST, _MOST).astype(np.float32)
    expected = np.log(expected_density(seen, probabilities, spreads(seen, probabilities, mask)))
    for level in LEVELS:
        uniform = (1.0 - _OUTLIERS) * _normal(seen, level, _REGION_SPREAD) + _OUTLIERS / (_MOST - _LEAST)
        ratio = np.where(mask, np.log(uniform) - expected, 0.0).astype(np.float32)
        fine, coarse = (gaussian_filter(ratio, [width / pixel for pixel in pixels_mm], truncate=3.0) for width in (FINE_MM, COARSE_MM))
        yield fine, coarse


def region_score(
    scale: Floats,
    probabilities: Floats,
    mask: NDArray[np.bool_],
    pixels_mm: tuple[float, float, float],
    healthy: NDArray[np.floating],
) -> Floats:
    """How much more likely a place belongs to a region of one tissue than to the brain expected there, in nats a voxel.

    A generalised likelihood ratio over the tissue of the region. Where the network is undecided, as at the folds of the cortex, most
    tissues are about as likely as a region of them, and the ratio stays low; it is high where a whole neighbourhood departs, be it too
    dark, too bright, or too uniform. A region counts from where the mean over a larger neighbourhood exceeds what is found in healthy
    brains; its border is where a smaller one says so.

    Parameters
    ----------
    scale : array of float32, shape (S, H, W)
        Tissue (`preprocessing.tissue_scale.TissueScale.unbounded`).
    probabilities : array of float32, shape (S, 3, H, W)
        Of CSF, grey and white matter, as reconstructed; they add up to 1.
    mask : array of bool, shape (S, H, W)
        The brain.
    pixels_mm : tuple of float
        Distance of slices, rows and columns.
    healthy : array, shape (len(LEVELS),)
        What healthy brains reach (`healthy_levels`).

    Returns
    -------
    array of float32, shape (S, H, W)
        0 and above is a region; 0 outside the brain.
    """
    from scipy.ndimage import maximum_filter

    size = [2 * round(REACH_MM / pixel) + 1 for pixel in pixels_mm]
    best = np.full(scale.shape, -np.inf, np.float32)
    for limit, (fine, coarse) in zip(healthy, evidence(scale, probabilities, mask, pixels_mm), strict=True):
        np.maximum(best, np.minimum(maximum_filter(coarse - np.float32(limit), size), fine), out=best)
    return np.where(mask, best, np.float32(0.0)).astype(np.float32)


def healthy_levels(
    scale: Floats, probabilities: Floats, mask: NDArray[np.bool_], pixels_mm: tuple[float, float, float]
) -> NDArray[np.float32]:
    """What one voxel in ten thousand of a healthy brain exceeds, for each of `LEVELS`; parameters as `region_score`."""
    found = [np.quantile(coarse[mask], _HEALTHY) for _, coarse in evidence(scale, probabilities, mask, pixels_mm)]
    return np.asarray(found, np.float32)


def _normal(scale: Floats, mean: float, spread: float) -> Floats:
    return np.asarray(np.exp(-0.5 * np.square((scale - np.float32(mean)) / np.float32(spread))) / np.float32(spread * 2.5066), np.float32)
