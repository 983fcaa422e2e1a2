"""Several methods on one scan: where they agree, and how two of them differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.checks import check_same_shape, raise_errors
from ..core.errors import InputError
from ..core.text import choose_from
from ..postprocessing.ranking import Counts
from .metrics import count

SCALES = ("percentile", "score")


def agreement(masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """How many of the masks flag a voxel, shape (i, j, k).

    Raises
    ------
    InputError
        Without masks, or if their shapes differ.
    """
    if not masks:
        raise InputError("Agreement", why="there is no mask", fix="Compare at least one method")
    raise_errors("Agreement", [check_same_shape(masks[0].shape, mask.shape, "mask") for mask in masks[1:]])
    total = np.zeros_like(masks[0], np.uint8)
    for mask in masks:
        total += mask
    return total


def mutual_dice(masks: Sequence[NDArray[np.bool_]]) -> list[float | None]:
    """For every mask its mean Dice with the others; None for a mask without company, or where nobody flags anything."""
    tables: dict[tuple[int, int], Counts] = {(a, b): count(masks[a], masks[b]) for a in range(len(masks)) for b in range(a + 1, len(masks))}
    means: list[float | None] = []
    for own in range(len(masks)):
        values = [table.dice for pair, table in tables.items() if own in pair and table.dice is not None]
        means.append(float(np.mean(values)) if values else None)
    return means


def percentiles(score: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Percentile of every voxel's score among the brain's (0 to 100, ties share their middle); 0 outside.

    The same for every strictly growing function of the score: what makes maps of different units comparable.
    """
    inside = score[brain]
    order = np.argsort(inside)
    ranked = inside[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    ends = np.append(starts[1:], ranked.size)
    places = np.empty(ranked.size, np.float64)
    places[order] = np.repeat((50.0 / ranked.size) * (starts + ends), ends - starts)
    result = np.zeros_like(score)
    result[brain] = places
    return result


def difference(first: AnomalyMap, second: AnomalyMap, scale: str = "percentile") -> NDArray[np.float32]:
    """First minus second, inside the brain of both; 0 elsewhere.

    Parameters
    ----------
    scale : {"percentile", "score"}
        Compare percentiles within the brain (-100 to 100), or the scores, which must then have one unit.

    Raises
    ------
    InputError
        For other scales, maps on different grids, or scores of different units.
    """
    if scale not in SCALES:
        raise InputError(f"Scale '{scale}' is not known", fix=choose_from(scale, SCALES, "Scales"))
    raise_errors("Difference of two maps", first.grid.compare(second.grid, "second map"))
    both = first.mask & second.mask
    if scale == "score" and first.unit != second.unit:
        raise InputError(
            "Difference of two maps", why=f"one is in {first.unit}, the other in {second.unit}", fix="Compare their percentiles instead"
        )
    a, b = (one.score if scale == "score" else percentiles(one.score, both) for one in (first, second))
    return np.where(both, a - b, np.float32(0.0))
