"""Whether two scans that lie on each other show the same brain, whatever their contrasts: edges of one anatomy run alike in both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from ..core.checks import Finding
from ..core.volume import Volume

SEE = "See whether they show the same person"

_BLUR_MM = 1.0
_DEEP_MM = 5.0
"""How far inside both brains is looked: their surfaces run alike in any two people."""

_LEAST_ML = 100.0
"""What is left of smaller brains, as of animals and of single slices, was never measured."""

SAME_BRAIN = 0.54
"""Agreement of edges below which two scans do not show one brain in one place.

Measured between different sequences. Of one person it is 0.57 to 0.94 (38 pairs of MSLUB, raw MSLUB, BraTS 2013 and 2021, TCGA and
Kirby), of two people 0.36 to 0.52 (53 pairs of the same and of one more head, on one grid or after a rigid registration): FLAIR and T1 of
MSLUB 07 have 0.82, its FLAIR and the T1 of MSLUB 19 0.42. T1 and T1c of TCGA-FG-6692 lie on one grid though the head turned by 10
degrees between them: 0.46, and 0.73 (blurred by 1.5 mm) after a registration.

The Dice of the two brain masks was measured, too, and tells less: 0.95 to 1.00 of one person, 0.62 to 0.95 of two people (MSLUB 07 and
19: 0.90), and any two brains cut out with one template's mask would have 1.
"""


def agreement(first: Volume, data: NDArray[np.float32], mask: NDArray[np.bool_]) -> float | None:
    """How well a scan that was brought to the grid of `first` shows the same brain; see `edge_agreement`."""
    return edge_agreement(first.data, data, first.brain & mask, first.grid.spacing)


def agrees(value: float | None) -> bool:
    """Whether an agreement speaks for one brain in one place; what cannot be told does not speak against it."""
    return value is None or value >= SAME_BRAIN


def another_brain(first: Volume, other: Volume, value: float) -> Finding:
    """The warning about a scan that does not show the same brain in the same place."""
    message = (
        f"{other.name} does not seem to show the same brain as {first.name}: the agreement of their edges is {value:.2f}, "
        f"of one brain at least {SAME_BRAIN}"
    )
    return Finding("other-brain", "warning", message, f"{SEE}, and lie on each other")


def edge_agreement(
    first: NDArray[np.float32], second: NDArray[np.float32], inside: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> float | None:
    """How well the edges of two images agree: the squared cosine of the angle between their gradients, weighted by how strong both are.

    Edges of unrelated images have a third on average; the sign, which differs between contrasts, does not count (normalised gradient
    fields; Haber and Modersitzki, MICCAI 2006).

    Parameters
    ----------
    first, second : array, same shape
    inside : array of bool, same shape
        The part of the brain that both show.
    spacing : tuple of float
        Voxel size in mm.

    Returns
    -------
    float or None
        0 to 1; None where too little of the brain lies in both to tell.
    """
    if min(inside.shape) < 2 or not inside.any():
        return None
    box = tuple(slice(places.min(), places.max() + 1) for places in np.nonzero(inside))
    deep = distance_transform_edt(np.pad(inside[box], 1, mode="edge"), sampling=spacing)[1:-1, 1:-1, 1:-1] > _DEEP_MM
    if min(deep.shape) < 2 or np.count_nonzero(deep) * float(np.prod(spacing)) / 1000 < _LEAST_ML:
        return None
    (one, size), (other, other_size) = (_gradients(image[box], deep, spacing) for image in (first, second))
    weight = _clipped(size) * _clipped(other_size)
    total = float(weight.sum())
    if total <= 0.0:
        return None
    cosine = np.sum(one * other, axis=0) / np.maximum(size * other_size, np.finfo(np.float32).tiny)
    return float((cosine**2 * weight).sum() / total)


def _gradients(
    image: NDArray[np.float32], deep: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradients at the voxels that count, shape (3, n), and their lengths."""
    scale = float(np.ptp(image[deep])) or 1.0  # squares of huge intensities would not fit
    smooth = gaussian_filter(image / np.float32(scale), [_BLUR_MM / size for size in spacing])
    found = np.stack([np.gradient(smooth, size, axis=axis)[deep] for axis, size in enumerate(spacing)]).astype(np.float64)
    return found, np.sqrt((found**2).sum(axis=0))


def _clipped(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """A few edges, of a tumour that takes up contrast, say, do not count for all the others."""
    return np.minimum(lengths, np.percentile(lengths, 95))
