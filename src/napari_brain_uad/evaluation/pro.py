"""Per-region overlap (PRO), exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..postprocessing.components import label


def per_region_overlap(
    score: NDArray[np.float32],
    truth: NDArray[np.bool_],
    region: NDArray[np.bool_] | None = None,
    *,
    limit: float = 0.3,
    connectivity: int = 26,
) -> float | None:
    """Area under the curve of mean lesion overlap against the false-positive rate up to `limit`, divided by `limit`.

    Bergmann, Fauser, Sattlegger, Steger: "Uninformed Students" (CVPR 2020, arXiv:1911.02357), section 4. At a threshold, the overlap
    of a lesion is the fraction of its voxels that are flagged; the mean over lesions is a weighted recall in which a voxel counts
    1 / (lesions x voxels of its lesion). The curve is therefore a weighted ROC curve: it is computed at every distinct score, not
    at sampled thresholds, and cut at `limit` by linear interpolation. Predictions are not dilated.

    Parameters
    ----------
    score : array of float32, shape (i, j, k)
        Finite; higher = more abnormal.
    truth : array of bool, same shape
    region : array of bool, same shape, optional
        The voxels that count; all when None.
    limit : float
        Highest false-positive rate, above 0 and at most 1.
    connectivity : int
        6, 18 or 26: what makes a lesion.

    Returns
    -------
    float or None
        Between 0 and 1; None without truth, or without other voxels.

    Raises
    ------
    InputError
        For a limit outside (0, 1].
    """
    if not 0.0 < limit <= 1.0:
        raise InputError("PRO", why=f"its limit is {limit}", fix="Choose a false-positive rate above 0 and at most 1")
    if region is not None:
        truth, other = truth & region, region & ~truth
    else:
        other = ~truth
    negatives = np.sort(score[other])
    if not negatives.size or not truth.any():
        return None
    lesion = label(truth, connectivity)[truth]
    sizes = np.bincount(lesion)
    weight = 1.0 / (sizes[lesion] * (sizes.size - 1))
    levels, level_of = np.unique(score[truth], return_inverse=True)
    gained = np.bincount(level_of, weights=weight)[::-1]
    levels = levels[::-1]
    overlap = np.minimum(np.cumsum(gained), 1.0)
    before = np.concatenate([[0.0], overlap[:-1]])
    # Two vertices a level: just above it (only other voxels were added) and at it (a slope when both kinds tie).
    sides = [negatives.size - np.searchsorted(negatives, levels, side=side) for side in ("right", "left")]
    rate = np.concatenate([[0.0], np.column_stack(sides).ravel() / negatives.size, [1.0]])
    height = np.concatenate([[0.0], np.column_stack([before, overlap]).ravel(), [1.0]])
    return _area_up_to(rate, height, limit) / limit


def _area_up_to(x: NDArray[np.float64], y: NDArray[np.float64], limit: float) -> float:
    """Area under a polyline with rising x from 0 to `limit`, which lies within it."""
    inside = int(np.searchsorted(x, limit, side="right"))
    if inside == x.size:
        return float(np.trapezoid(y, x))
    x0, x1, y0, y1 = x[inside - 1], x[inside], y[inside - 1], y[inside]
    at_limit = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
    return float(np.trapezoid(np.append(y[:inside], at_limit), np.append(x[:inside], limit)))
