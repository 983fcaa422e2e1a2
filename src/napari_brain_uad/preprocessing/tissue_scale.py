"""Intensities of any sequence on one scale of tissue: 1 CSF, 2 grey matter, 3 white matter, and linear between them.

Unlike hard classes (`preprocessing.steps.tissue_classes`), the scale keeps partial volume: a voxel half white, half grey matter
is 2.5, as two tissues in one voxel mix linearly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

CSF, GREY, WHITE, BEYOND = 1.0, 2.0, 3.0, 4.0
"""Values of the scale. Beyond white matter lies what is brighter than any healthy tissue, like contrast agent on T1."""

DARKEST, BRIGHTEST = 0.2, 5.0
"""As far as the scale is followed beyond healthy tissue (`TissueScale.unbounded`)."""

SHARES = {"CSF": 0.15, "GM": 0.45, "WM": 0.40}
"""Of a healthy brain within a usual brain mask. They keep the mixture from giving a class to a tumour's enhancing rim."""

_ORDER = {"T1": ("CSF", "GM", "WM"), "T2": ("WM", "GM", "CSF"), "PD": ("WM", "GM", "CSF"), "FLAIR": ("CSF", "WM", "GM")}
"""From dark to bright."""

SEQUENCES = tuple(_ORDER)
_ALIASES = {"T1c": "T1"}

_BINS, _ROUNDS, _PRIOR, _OUTLIERS, _MIXED = 256, 120, 0.5, 0.03, 0.15
_FAR, _FARTHEST = 1.5, 3.5
"""Brightness above white matter, in distances from grey to white matter, from which a T1 voxel is no healthy tissue (`BEYOND` at the
second)."""


@dataclass(frozen=True)
class TissueScale:
    """A piecewise linear map from intensities to the scale of tissue.

    Parameters
    ----------
    intensities, values : tuple of float
        Its knots, intensities rising; it is constant beyond the outermost.
    means, deviations, weights : tuple of float
        Of the three pure classes that were fitted, from dark to bright; what the weights lack to 1 is partial volume and outliers.
    """

    intensities: tuple[float, ...]
    values: tuple[float, ...]
    means: tuple[float, ...] = ()
    deviations: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()

    def __call__(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        """`data` on the scale, same shape."""
        return np.interp(data, self.intensities, self.values).astype(np.float32)

    def unbounded(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        """`data` on the scale through the means of the three tissues, which goes on straight beyond both ends.

        FLAIR, where white matter is not at an end, has the bounded scale only.
        """
        points, values = np.array(self.intensities[:3]), np.array(self.values[:3])
        if (values[1] - values[0]) * (values[2] - values[1]) <= 0:
            return self(data)
        slopes = np.diff(values) / np.diff(points)
        inside = np.interp(data, points, values)
        below, above = np.minimum(data - points[0], 0.0) * slopes[0], np.maximum(data - points[2], 0.0) * slopes[1]
        return np.asarray(inside + below + above, dtype=np.float32)


def fit_tissue_scale(brain: NDArray[np.float32], sequence: str) -> TissueScale:
    """Fit the scale to the intensities of one brain.

    A mixture of three Gaussians, two classes of partial volume (uniform between the means of neighbours, blurred as these are) and a
    uniform class for outliers, by expectation maximisation on the histogram, with a Dirichlet prior on the weights (Bishop, Pattern
    Recognition and Machine Learning, section 9.2; for partial volume Santago and Gage, IEEE Trans. Image Processing 1995). Without the
    classes of partial volume, fluid at the cortex drags the mean of grey matter towards CSF.

    Parameters
    ----------
    brain : array of float32, shape (n,)
        Intensities of the brain's voxels.
    sequence : str
        One of `SEQUENCES`, or T1c.

    Raises
    ------
    InputError
        For a sequence whose order of tissues is not known, or a brain without contrast.
    """
    name = _ALIASES.get(sequence, sequence)
    if name not in _ORDER:
        raise InputError(
            f"Tissues of a {sequence} scan", why="their order from dark to bright is not known", fix=f"Use {', '.join(_ORDER)}"
        )
    low, high = (float(q) for q in np.percentile(brain, (0.5, 99.5)))
    if not high > low:
        raise InputError("Tissues of this scan", why="its brain has one intensity only", fix="Choose another scan")
    order = _ORDER[name]
    means, deviations, weights = _fit(brain, low, high, np.array([SHARES[tissue] for tissue in order]))
    intensities, values = _knots(name, _apart(means, deviations))
    return TissueScale(intensities, values, tuple(means), tuple(deviations), tuple(weights))


def _fit(
    brain: NDArray[np.float32], low: float, high: float, shares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Means, deviations and weights of the pure classes, from dark to bright."""
    from scipy.special import ndtr

    counts, edges = np.histogram(brain, _BINS, (low, high))
    density, outliers, least = counts / counts.sum(), _OUTLIERS / (high - low), 1e-3 * (high - low)
    centres = ((edges[:-1] + edges[1:]) / 2)[:, None]
    means = np.quantile(brain, np.cumsum(shares) - shares / 2).astype(np.float64)
    deviations = np.full(3, (high - low) / 12)
    prior = np.concatenate([shares * (1.0 - 2.0 * _MIXED), (_MIXED, _MIXED)])
    weights = prior.copy()
    for _ in range(_ROUNDS):
        pure = np.exp(-0.5 * ((centres - means) / deviations) ** 2) / (deviations * np.sqrt(2 * np.pi))
        blur = (deviations[:-1] + deviations[1:]) / 2
        mixed = (ndtr((centres - means[:-1]) / blur) - ndtr((centres - means[1:]) / blur)) / np.maximum(means[1:] - means[:-1], least)
        likelihood = weights * np.concatenate([pure, mixed], axis=1)
        posterior = density[:, None] * likelihood / (likelihood.sum(axis=1, keepdims=True) + outliers)
        mass = posterior.sum(axis=0) + 1e-12
        own = posterior[:, :3] / mass[:3]
        means = (own * centres).sum(axis=0)
        deviations = np.sqrt((own * (centres - means) ** 2).sum(axis=0)) + 2.0 * least
        weights = (mass + _PRIOR * prior) / (mass.sum() + _PRIOR)
        # Classes that change places, or fall together, would turn the scale around or give it a jump.
        means = np.maximum.accumulate(means + np.arange(3) * 1e-3 * least)
    return means + np.arange(3) * least, deviations, weights[:3]


def _apart(means: NDArray[np.float64], deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means at least a deviation apart: where tissues hardly differ, a scale through their means would turn noise into tissue."""
    knots = means.copy()
    for lower in (0, 1):
        least = float(deviations[lower : lower + 2].min())
        if knots[lower + 1] - knots[lower] < least:
            middle = (knots[lower] + knots[lower + 1]) / 2
            knots[lower : lower + 2] = middle - least / 2, middle + least / 2
    return np.maximum.accumulate(knots + np.arange(3) * 1e-6 * deviations.max())


def _knots(name: str, means: NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    first, second, third = (float(mean) for mean in means)
    gap = third - second
    if name == "T1":
        return (first, second, third, third + _FAR * gap, third + _FARTHEST * gap), (CSF, GREY, WHITE, WHITE, BEYOND)
    if name == "FLAIR":
        # Brighter than grey matter goes on in the direction from white to grey: towards CSF, as lesions do on the other sequences.
        return (first, second, third, third + 2.0 * gap), (CSF, WHITE, GREY, CSF)
    return (first, second, third), (WHITE, GREY, CSF)
