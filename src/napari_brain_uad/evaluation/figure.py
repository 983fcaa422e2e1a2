"""One page about one detection: three views through the strongest region, heatmap, outlines, figures."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.extremes import FAR_SCORES, robust_range
from ..core.provenance import NOTICE
from ..core.volume import Volume
from ..io.figure_text import figure_text
from ..postprocessing.pipeline import PostResult
from .colours import FALSE_ALARM_COLOUR, HIT_COLOUR, heat_limits, score_limits
from .figure_views import (
    FLAGGED_COLOUR,
    TRUTH_COLOUR,
    Plane,
    annotate,
    draw_heat,
    draw_outline,
    draw_regions,
    draw_scan,
    grey_window,
    heat_colours,
    planes,
)
from .metrics import Metric
from .report import Evaluation

_SHOWN = ("dice", "precision", "recall", "lesion_recall", "false_positive_regions", "false_positive_ml")
_WIDTH, _HEIGHT = 13.0, 8.2
_LEFT, _RIGHT, _GAP = 0.02, 0.655, 0.006
_ROWS = ((0.51, 0.35), (0.115, 0.365))


def detection_figure(
    volume: Volume,
    amap: AnomalyMap,
    result: PostResult,
    truth: NDArray[np.bool_] | None = None,
    evaluation: Evaluation | None = None,
    *,
    verdict: str = "",
) -> Figure:
    """Draw a detection on one page; nothing is shown on a screen and no global state of matplotlib is touched.

    Parameters
    ----------
    volume : Volume
        The scan.
    amap : AnomalyMap
        Its raw anomaly map.
    result : PostResult
        What post-processing found in it.
    truth : array of bool, shape (i, j, k), optional
        Ground truth: adds its outline, hits and false alarms.
    evaluation : Evaluation, optional
        Of this result against the truth: adds the precision-recall curve and the figures at the threshold, which are thus those of the
        run's other files.
    verdict : str
        What is said of the scan beside healthy brains, in one line.

    Returns
    -------
    matplotlib.figure.Figure
        With an Agg canvas: ``figure.savefig(path)``.
    """
    figure = Figure(figsize=(_WIDTH, _HEIGHT), facecolor="white")
    FigureCanvasAgg(figure)
    norm = Normalize(*heat_limits(score_limits(amap), result.threshold.value))
    window = grey_window(volume, amap.mask)
    shown = planes(amap.grid, _centre(result), amap.mask)
    for plane, columns in zip(shown, _place(figure, shown), strict=True):
        for row, axes in enumerate(columns):
            draw_scan(axes, plane, volume, window)
            if row == 1:
                draw_heat(axes, plane, result, norm)
            if truth is not None:
                draw_outline(axes, plane, plane.slice(truth), TRUTH_COLOUR, 0.8)
            if row == 0:
                draw_regions(axes, plane, result)
                axes.set_title(plane.title, fontsize=10)
            annotate(axes, plane, volume.source is None or volume.source.orientation_known)
    _draw_colour_bar(figure, norm, amap.unit, result.threshold.value)
    _draw_plot(figure, amap, result, evaluation)
    _write(figure, volume, amap, result, () if evaluation is None else evaluation.metrics)
    figure.text(_LEFT, 0.9, figure_text(verdict), fontsize=9.5, weight="bold", va="center", color="0.1")
    _legend(figure, result, truth is not None)
    return figure


def _centre(result: PostResult) -> tuple[int, int, int]:
    """Where the planes cut: the peak of the strongest region, else the highest score of the brain."""
    if result.regions:
        return result.regions[0].peak_index
    i, j, k = np.unravel_index(int(np.argmax(np.where(result.brain, result.score, -np.inf))), result.score.shape)
    return int(i), int(j), int(k)


def _place(figure: Figure, shown: tuple[Plane, ...]) -> list[tuple[Axes, Axes]]:
    """Two rows of axes, all views in one scale, as large as the page allows."""
    width_inch, height_inch = (_RIGHT - _LEFT - _GAP * (len(shown) - 1)) * _WIDTH, _ROWS[0][1] * _HEIGHT
    inch_per_mm = min(width_inch / sum(p.size_mm[0] for p in shown), height_inch / max(p.size_mm[1] for p in shown))
    across = sum(plane.size_mm[0] for plane in shown)
    left, placed = _LEFT, []
    for plane in shown:
        width, height = (mm * inch_per_mm / page for mm, page in zip(plane.size_mm, (_WIDTH, _HEIGHT), strict=True))
        slot = width_inch / _WIDTH * plane.size_mm[0] / across
        start = left + (slot - width) / 2
        top, bottom = (figure.add_axes((start, base + (space - height) / 2, width, height)) for base, space in _ROWS)
        placed.append((top, bottom))
        left += slot + _GAP
    return placed


def _draw_colour_bar(figure: Figure, norm: Normalize, unit: str, threshold: float) -> None:
    base, space = _ROWS[1]
    axes = figure.add_axes((_RIGHT + 0.037, base + 0.01, 0.012, space - 0.02), facecolor="#404040")
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 0.0)
    axes.imshow(
        np.linspace(low, high, 256)[:, None], cmap=heat_colours(), norm=norm, extent=(0, 1, low, high), origin="lower", aspect="auto"
    )
    axes.axhline(threshold, color="black", linewidth=2.0)
    axes.annotate(f"\u25c2 {threshold:.3g}", (1.0, threshold), (1.15, threshold), fontsize=8, va="center", annotation_clip=False)
    axes.set_xticks([])
    axes.tick_params(labelsize=7.5)
    axes.set_ylabel(figure_text(unit), fontsize=7.5, labelpad=2)


def _draw_plot(figure: Figure, amap: AnomalyMap, result: PostResult, evaluation: Evaluation | None) -> None:
    """Precision-recall curve with the mask's place on it; where it is not defined, the histogram of the score."""
    axes = figure.add_axes((0.775, 0.565, 0.21, 0.3))
    axes.tick_params(labelsize=8)
    area = None if evaluation is None else evaluation["auprc"].value
    if evaluation is None or area is None:
        scores = result.score[result.brain]
        axes.hist(scores.clip(*robust_range(scores, FAR_SCORES)), bins=128, log=True, color="0.6")
        axes.set_ylim(bottom=0.8)
        axes.axvline(result.threshold.value, color=FLAGGED_COLOUR, linewidth=1.5)
        axes.set_title("Scores of the brain, and the threshold", fontsize=10)
        axes.set_xlabel(figure_text(amap.unit), fontsize=8, labelpad=1)
        axes.set_ylabel("voxels", fontsize=8, labelpad=1)
        return
    axes.plot(*evaluation.pr_curve[:2], color="0.25", linewidth=1.3, label="all thresholds")
    recall, precision = evaluation["recall"].value, evaluation["precision"].value
    if recall is not None and precision is not None:
        axes.plot(recall, precision, "o", color=HIT_COLOUR, markersize=8, label="this mask")
    axes.legend(fontsize=7.5, frameon=False, loc="best")
    axes.set(xlim=(0.0, 1.02), ylim=(0.0, 1.02))
    axes.set_title(f"Precision and recall, AUPRC {area:.3f}", fontsize=10)
    axes.set_xlabel("recall", fontsize=8, labelpad=1)
    axes.set_ylabel("precision", fontsize=8, labelpad=1)


def _write(figure: Figure, volume: Volume, amap: AnomalyMap, result: PostResult, metrics: tuple[Metric, ...]) -> None:
    figure.text(_LEFT, 0.955, figure_text(f"{volume.name}  \u00b7  {amap.method}"), fontsize=14, weight="bold", va="center")
    threshold = result.threshold
    figure.text(_LEFT, 0.925, figure_text(f"Threshold {threshold.value:.4g}: {threshold.origin}"), fontsize=9.5, va="center", color="0.25")
    figure.text(_LEFT, 0.022, NOTICE, fontsize=10, weight="bold", va="center")
    total = sum(region.volume_ml for region in result.regions)
    lines = [f"{len(result.regions)} region{'s' * (len(result.regions) != 1)}, {total:.2f} ml flagged", ""]
    for metric in metrics:
        if metric.name in _SHOWN:
            lines += [f"{metric.title:<24}{metric.text}"] if metric.value is not None else [metric.title, f"  {metric.reason}"]
    lines += [""] * bool(metrics)
    if result.regions:
        lines.append("  #      ml   peak  centroid x, y, z (mm)")
    for region in result.regions[:6]:
        place = "".join(f"{mm:>5.0f}" for mm in region.centroid_mm)
        kind = {None: "", True: "  hit", False: "  false alarm"}[region.hit]
        lines.append(f"{region.number:>3}{region.volume_ml:>8.2f}{region.peak:>#7.3g}  {place}{kind}")
    if len(result.regions) > 6:
        lines.append(f"    and {len(result.regions) - 6} more")
    figure.text(0.748, 0.49, "\n".join(lines), fontsize=7.2, family="monospace", va="top", linespacing=1.3)


def _legend(figure: Figure, result: PostResult, has_truth: bool) -> None:
    entries = [(FLAGGED_COLOUR, "flagged region")]
    if has_truth:
        entries = [
            (HIT_COLOUR, "region that touches the ground truth"),
            (FALSE_ALARM_COLOUR, "false alarm"),
            (TRUTH_COLOUR, "ground truth"),
        ]
    handles = [Line2D([], [], color=colour, linewidth=2.0, label=text) for colour, text in entries]
    legend = figure.legend(
        handles=handles, loc="center left", bbox_to_anchor=(_LEFT - 0.006, 0.07), ncols=len(handles), fontsize=8.5, facecolor="0.35"
    )
    for text in legend.get_texts():
        text.set_color("white")
