"""From a threshold rule to a number, with a sentence on where it came from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from ..core.checks import check_mask_not_empty, raise_errors
from ..core.errors import InputError
from ..core.extremes import FAR_SCORES, robust_range
from ..core.threshold import Healthy, Threshold, ThresholdRule
from ..core.volume import Grid
from .clean_up import best_dice
from .params import PostParams


def resolve(
    rule: ThresholdRule,
    score: NDArray[np.float32],
    mask: NDArray[np.bool_],
    *,
    post: PostParams,
    grid: Grid,
    truth: NDArray[np.bool_] | None = None,
    healthy: Healthy | None = None,
    origin_prefix: str = "",
) -> Threshold:
    """Find the threshold that a rule asks for.

    Parameters
    ----------
    rule : ThresholdRule
        What is asked for; of "auto" the caller knows what it means.
    score : array of float32, shape (i, j, k)
        The map that will be flagged (after filters).
    mask : array of bool, shape (i, j, k)
        The brain: all rules look at its voxels only.
    post, grid : PostParams, Grid
        The clean-up that the mask will go through: a rule that asks for something of the mask asks for it after that. Otsu and percentile
        look at scores, which the filters have changed already.
    truth : array of bool, shape (i, j, k), optional
        The ground truth; "best-dice" needs it.
    healthy : Healthy, optional
        How healthy brains score; rules with `ThresholdRule.needs_healthy` need it.
    origin_prefix : str
        Put in front of the origin, like "threshold's default: ".

    Raises
    ------
    InputError
        If the brain is empty, or the rule needs a ground truth or healthy scans and has none.
    """
    raise_errors("Threshold", (check_mask_not_empty(mask),))
    if rule.kind == "otsu-slice":
        value, per_slice, origin = _otsu_slices(score, mask)
        return Threshold(value, rule, origin_prefix + origin, per_slice)
    if rule.kind == "best-dice":
        value, origin = _best_dice(score, mask, truth, post, grid)
    elif rule.needs_healthy:
        value, origin = _healthy(rule, healthy)
    elif rule.kind == "percentile":
        percentile = float(rule.number or 0.0)
        value, origin = float(np.percentile(score[mask], percentile)), f"{_ordinal(percentile)} percentile of this brain's scores"
    elif rule.kind == "otsu":
        value, origin = otsu(score[mask]), "Otsu on this volume"
    else:
        # As a method's own rule nobody's hand set it.
        value, origin = float(rule.number or 0.0), "a fixed score" if origin_prefix else "set by hand"
    return Threshold(value, rule, origin_prefix + origin)


def otsu(scores: NDArray[np.float32]) -> float:
    """Otsu 1979 over 256 bins, a few scores far beyond all others aside; of a constant the constant, above which nothing lies."""
    return float(threshold_otsu(scores.clip(*robust_range(scores, FAR_SCORES))))


def _otsu_slices(score: NDArray[np.float32], mask: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64], str]:
    """One threshold an axial slice; where a slice has no brain, the highest score of the brain, above which nothing lies."""
    per_slice = np.full(score.shape[2], float(score[mask].max()))
    used = np.flatnonzero(mask.any(axis=(0, 1)))
    for k in used:
        per_slice[k] = otsu(score[:, :, k][mask[:, :, k]])
    return float(np.median(per_slice[used])), per_slice, "Otsu on each axial slice (median shown)"


def _best_dice(
    score: NDArray[np.float32], mask: NDArray[np.bool_], truth: NDArray[np.bool_] | None, post: PostParams, grid: Grid
) -> tuple[float, str]:
    if truth is None:
        raise InputError("Threshold 'best-dice'", why="it needs a ground truth and none was given", fix="Give one, or choose another rule")
    best = best_dice(score, mask, truth, post, grid)
    if best is None:
        raise InputError("Threshold 'best-dice'", why="no voxel of the ground truth lies in the brain", fix="Choose another rule")
    return best[1], "best Dice on this scan (uses the truth)"


NO_REFERENCE = "Make a reference (brain-uad calibrate), give healthy scans (--healthy), or choose another rule"
"""What to do where a rule needs healthy brains and there are none."""


def _healthy(rule: ThresholdRule, healthy: Healthy | None) -> tuple[float, str]:
    if healthy is None:
        raise InputError(
            f"Threshold '{rule}'",
            why="it needs healthy brains: the method has no healthy reference for this scan, and no healthy scans were given",
            fix=NO_REFERENCE,
        )
    return healthy.threshold(rule)


def _ordinal(number: float) -> str:
    """95 -> "95th", 1 -> "1st", 99.5 -> "99.5th"."""
    whole = int(number)
    ending = "th" if number != whole or whole % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(whole % 10, "th")
    return f"{number:g}{ending}"
