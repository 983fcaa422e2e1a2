"""How one healthy scan scores: its scores in brief, and what is flagged in it at every threshold of a grid, after the clean-up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.errors import InputError
from ..postprocessing.clean_up import cleaned
from ..postprocessing.filters import bounding_box
from ..postprocessing.params import PostParams
from ..postprocessing.pipeline import filtered_score

PROBABILITIES = np.concatenate([np.arange(0.0, 1.0, 0.05), [0.96, 0.97, 0.98, 0.99, 0.995, 0.999, 1.0]])
"""Of the quantiles that a scan's scores are kept as."""

LEVELS = 32
_TAILS = (0.05, 1e-5)
"""Thresholds that flag more than the first share of healthy brain are of no use; below the second, brains show single voxels."""

CURVES = ("flagged_ml", "regions", "largest_ml", "strength", "peak")
"""What is kept at every threshold: flagged volume, number of regions, and size, strength and peak of the largest of each."""


@dataclass(frozen=True, eq=False)
class HealthyCurves:
    """What is flagged in a scan at every threshold.

    Parameters
    ----------
    values : dict of str to array of float32, shape (k,)
        See `CURVES`. strength: of the strongest region, score above the threshold x ml, as `postprocessing.regions.Region` has it.
    quantiles : array of float32, shape (q,)
        Of the brain's scores, at `PROBABILITIES`.
    brain_ml : float
        Volume of the brain that was judged.
    """

    values: dict[str, NDArray[np.float32]]
    quantiles: NDArray[np.float32]
    brain_ml: float


def levels_of(scores: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Thresholds that flag from 5 % down to nothing of the healthy brains together, evenly in the logarithm of that share.

    Parameters
    ----------
    scores : iterable of array of float32
        The brain's filtered scores of every scan.

    Returns
    -------
    array of float32, shape (k,)
        Ascending; above the last one nothing lies.

    Raises
    ------
    InputError
        If all scores are alike.
    """
    tails, count = [], 0
    for one in scores:
        kept = max(1, int(_TAILS[0] * one.size) + 1)
        tails.append(np.partition(one, one.size - kept)[one.size - kept :])
        count += one.size
    pooled = np.sort(np.concatenate(tails))
    ranks = np.geomspace(min(_TAILS[0] * count, pooled.size), max(_TAILS[1] * count, 1.0), LEVELS - 1).astype(int)
    levels = np.unique(np.append(pooled[pooled.size - ranks], pooled[-1]))
    if levels.size < 2:
        raise InputError("Healthy reference", why="the healthy scans score the same everywhere", fix="Choose another method or other scans")
    return levels


def measured(amap: AnomalyMap, post: PostParams, levels: NDArray[np.float32], counted: NDArray[np.bool_] | None = None) -> HealthyCurves:
    """What is flagged in a healthy scan at every threshold, after the clean-up that patients' maps will go through.

    Parameters
    ----------
    counted : array of bool, shape (i, j, k), optional
        Where healthy tissue is judged; the whole brain when None. Regions are found in the whole brain, and count as far as they lie here.
    """
    score, brain = filtered_score(amap, post)
    judged = brain if counted is None else brain & counted
    ml = amap.grid.voxel_volume_mm3 / 1000.0
    quantiles = np.quantile(score[judged], PROBABILITIES).astype(np.float32)
    brain_ml = float(np.count_nonzero(judged)) * ml
    values = {name: np.zeros(levels.size, np.float32) for name in CURVES}
    above = brain & (score > levels[0])
    if above.any():
        box = bounding_box(above)
        score, brain, judged = score[box], brain[box], judged[box]
        for number, level in enumerate(levels):
            labels = np.where(judged, cleaned((score > level) & brain, post, amap.grid), np.uint32(0))
            for name, value in _figures(labels, score, float(level), ml).items():
                values[name][number] = value
    return HealthyCurves(values, quantiles, brain_ml)


def _figures(labels: NDArray[np.uint32], score: NDArray[np.float32], level: float, ml: float) -> dict[str, float]:
    flagged = labels > 0
    if not flagged.any():
        return {}
    inside, scores = labels[flagged], score[flagged].astype(np.float64)
    sizes = np.bincount(inside)
    strengths = np.bincount(inside, weights=np.maximum(scores - np.float32(level), 0.0))
    return {
        "flagged_ml": inside.size * ml,
        "regions": float(np.count_nonzero(sizes)),
        "largest_ml": float(sizes.max()) * ml,
        "strength": float(strengths.max()) * ml,
        "peak": float(scores.max()),
    }
