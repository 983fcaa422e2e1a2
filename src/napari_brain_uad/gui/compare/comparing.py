"""What the Compare dock works on, without a window: the maps made ready for every threshold, and the work behind a change of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.progress import Progress
from ...core.threshold import HEALTHY_ML, Threshold, ThresholdRule
from ..layers.layers import contrast_limits
from ..layers.tuning import SortedMap, prepare

if TYPE_CHECKING:
    from ...calibration.reference import HealthyReference
    from ...evaluation.montage import ColourScale
    from ...workflows.compare.compare import Comparison, MethodRun

LIVE = ("value", "percentile", HEALTHY_ML)
"""The rules with a number that can be moved."""

_LEAST_SPAN = 0.02
"""Part of the colours' range that is left however high a threshold is."""

AT_REST = ("regions", "largest_region_ml", "lesion_recall", "false_positive_regions", "mutual_dice")
"""Columns that are known only when the threshold rests."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One method's map, made ready.

    Parameters
    ----------
    run : MethodRun
        The method's part of the comparison.
    prepared : SortedMap
        Filtered and sorted, see `tuning`.
    ranked : array of float32, shape (n,)
        The brain's filtered scores, ascending.
    levels : HealthyReference or None
        How it scores the healthy scans that were given.
    """

    run: MethodRun
    prepared: SortedMap
    ranked: NDArray[np.float32]
    levels: HealthyReference | None

    def at(self, rule: ThresholdRule) -> Threshold:
        """The threshold of this method under a rule of `LIVE`; the exact one, to rounding, follows at rest."""
        if rule.needs_healthy and self.levels is not None:
            return Threshold(self.levels.threshold(rule)[0], rule, "")
        value = float(rule.number or 0.0)
        if rule.kind == "percentile":
            place = value / 100.0 * (self.ranked.size - 1)
            low = int(place)
            high = min(low + 1, self.ranked.size - 1)
            value = float(self.ranked[low] + (place - low) * (self.ranked[high] - self.ranked[low]))
        return Threshold(value, ThresholdRule("value", value), "")


@dataclass(frozen=True, eq=False)
class ShownComparison:
    """A comparison with everything that showing it needs.

    Parameters
    ----------
    comparison : Comparison
        From `workflows.compare.compare.compare`.
    cells : tuple of Cell
        One a run.
    scale, colours : ColourScale, tuple of array of float32
        What colours mean, and the values of every cell that are coloured, shape (i, j, k); see `evaluation.montage.colour_scale`.
    rows : tuple of dict
        The table's rows.
    window : tuple of float
        Darkest and brightest intensity of the scan that are told apart.
    truth : array of bool, shape (k, j, i), or None
        The ground truth as it is drawn.
    """

    comparison: Comparison
    cells: tuple[Cell, ...]
    scale: ColourScale
    colours: tuple[NDArray[np.float32], ...]
    rows: tuple[dict[str, Any], ...]
    window: tuple[float, float]
    truth: NDArray[np.bool_] | None

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest score of all brains."""
        return min(float(cell.ranked[0]) for cell in self.cells), max(float(cell.ranked[-1]) for cell in self.cells)

    def colour_limits(self, thresholds: Sequence[float]) -> tuple[float, float]:
        """Where the colours of all cells begin and end under other thresholds, one a method; see `montage.colour_scale`."""
        if not self.bar:
            start = min(thresholds)
        else:
            pairs = zip(self.cells, thresholds, strict=True)
            start = 100.0 * min(cell.ranked.searchsorted(value, side="right") / cell.ranked.size for cell, value in pairs)
        low, high = self.scale.low, self.scale.high
        return min(start, high - _LEAST_SPAN * abs(high - low)), high

    @property
    def bar(self) -> str:
        """What stands above the colour bars; nothing where colours are the scores."""
        return "" if self.colours[0] is self.cells[0].run.map.score else "percentile"

    @property
    def one_unit(self) -> bool:
        """Whether all scores have one unit, so that one score can be set for all and colours can mean the score."""
        return len({cell.run.map.unit for cell in self.cells}) == 1


def make_ready(comparison: Comparison, scale: str, progress: Progress) -> ShownComparison:
    """Filter and sort every map of a comparison, and find its colours; in the background."""
    cells = []
    for number, run in enumerate(comparison.runs):
        progress.update(number / len(comparison.runs), f"Sorting the scores of {run.title}")
        prepared = prepare(run.map, comparison.truth, comparison.post, (), Progress())
        score, brain = prepared.filtered
        # Of those the ones that the threshold at rest is set by; a comparison has one clean-up.
        near = run.healthy[0].like(run.map.grid.voxel_volume_mm3) if run.healthy else None
        cells.append(Cell(run, prepared, np.sort(score[brain]), near))
    progress.update(1.0, "Colours")
    window = contrast_limits(comparison.volume.data, comparison.volume.mask)
    truth = None if comparison.truth is None else np.ascontiguousarray(comparison.truth.T)
    return ShownComparison(comparison, tuple(cells), *_colours(comparison, scale), rows_of(comparison), window, truth)


def recoloured(ready: ShownComparison, scale: str) -> ShownComparison:
    """The same under another colour scale: "auto" (the score where all have one unit) or "percentile"."""
    found, values = _colours(ready.comparison, scale)
    return replace(ready, scale=found, colours=values)


def _colours(comparison: Comparison, scale: str) -> tuple[ColourScale, tuple[NDArray[np.float32], ...]]:
    # It brings matplotlib: in the job's thread.
    from ...evaluation.montage import colour_scale

    thresholds = [run.result.threshold.value for run in comparison.runs]
    return colour_scale([run.map for run in comparison.runs], scale, thresholds)


def settle(comparison: Comparison, rule: ThresholdRule, progress: Progress) -> Comparison:
    """`Comparison.with_threshold`, one method at a time, so that it can be given up between them."""
    runs: list[MethodRun] = []
    for number, run in enumerate(comparison.runs):
        progress.update(number / len(comparison.runs), f"Finding the regions of {run.title}")
        part = replace(comparison, runs=(run,)).with_threshold(rule)
        runs += part.runs
    progress.check()
    return replace(part, runs=tuple(runs))


def rows_of(comparison: Comparison) -> tuple[dict[str, Any], ...]:
    """The rows of the table at rest."""
    return tuple(row.as_dict() for row in comparison.table())


def live_figures(rows: Sequence[dict[str, Any]], cells: Sequence[Cell], thresholds: Sequence[Threshold]) -> list[dict[str, Any]]:
    """The rows while the threshold moves: what sorted scores tell at once; what needs regions is None until it rests."""
    moved = []
    for row, cell, threshold in zip(rows, cells, thresholds, strict=True):
        live = cell.prepared.live.at(threshold.value)
        ml = cell.run.map.grid.voxel_volume_mm3 / 1000.0
        known = {"threshold": threshold.value, "flagged_ml": live.flagged * ml, "dice": live.dice}
        moved.append({**row, **dict.fromkeys(AT_REST), **known})
    return moved
