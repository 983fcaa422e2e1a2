"""Figures about a cohort: curves over all its voxels, and the spread of figures over its scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..core.provenance import NOTICE
from ..io.figure_text import figure_text
from .colours import METHOD_COLOURS
from .pooled import Pooled

_STYLES = ("-", "--", ":", "-.")


def curves_figure(pooled: Mapping[str, Pooled]) -> Figure:
    """Precision-recall and ROC curve of every method over all voxels of all scans, the areas in the legend."""
    figure = _page(7.1, 3.5)
    left, right = (figure.add_axes((x, 0.2, 0.4, 0.7)) for x in (0.075, 0.58))
    for number, (method, found) in enumerate(pooled.items()):
        line = _STYLES[number // len(METHOD_COLOURS) % len(_STYLES)]
        style: dict[str, Any] = {"color": METHOD_COLOURS[number % len(METHOD_COLOURS)], "linestyle": line, "linewidth": 1.2}
        left.plot(found.pr_curve[0], found.pr_curve[1], label=figure_text(f"{method} ({_said(found.auprc)})"), **style)
        right.plot(found.roc_curve[0], found.roc_curve[1], label=figure_text(f"{method} ({_said(found.auroc)})"), **style)
    right.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    _label(left, "Precision-recall, pooled (AUPRC)", "recall", "precision", "best")
    _label(right, "ROC, pooled (AUROC)", "false-positive rate in the brain", "recall", "lower right")
    return figure


def violin_figure(columns: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """How figures spread over scans: a panel a column, a violin a method with every scan as a point and the mean as a bar.

    Parameters
    ----------
    columns : mapping of str to mapping of str to sequence of float
        Column title to method to one figure a scan, between 0 and 1. A method with fewer than three scans gets its points only: a
        density of two points says nothing.
    """
    methods = list(dict.fromkeys(method for by_method in columns.values() for method in by_method))
    figure = _page(7.1, 2.1 + 0.07 * max((len(method) for method in methods), default=0))
    width = 0.94 / max(len(columns), 1)
    rng = np.random.default_rng(0)
    for panel, (title, by_method) in enumerate(columns.items()):
        axes = figure.add_axes((0.07 + panel * width, 0.34, width - 0.05, 0.57))
        for place, method in enumerate(methods):
            _violin(axes, place, np.asarray(by_method.get(method, ()), np.float64), METHOD_COLOURS[place % len(METHOD_COLOURS)], rng)
        axes.set_xticks(range(len(methods)), list(map(figure_text, methods)), rotation=35, ha="right", fontsize=6.5)
        axes.set(xlim=(-0.6, len(methods) - 0.4), ylim=(0.0, 1.0))
        axes.tick_params(axis="y", labelsize=6.5)
        axes.set_title(title, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _violin(axes: Axes, place: int, values: NDArray[np.float64], colour: str, rng: np.random.Generator) -> None:
    if values.size > 2 and np.ptp(values) > 0:
        parts = axes.violinplot(values, positions=[place], widths=0.8, showextrema=False)
        for body in parts["bodies"]:  # type: ignore[attr-defined]  # a list of polygons
            body.set(facecolor=colour, edgecolor="none", alpha=0.3)
    if values.size:
        axes.scatter(place + rng.uniform(-0.09, 0.09, values.size), values, s=7, color=colour, linewidths=0, zorder=3)
        axes.hlines(values.mean(), place - 0.25, place + 0.25, color=colour, linewidth=1.6, zorder=4)


def _page(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.01, 0.02, NOTICE, fontsize=6, weight="bold")
    return figure


def _label(axes: Axes, title: str, across: str, up: str, legend: Literal["best", "lower right"]) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    axes.set_title(title, fontsize=8)
    axes.set_xlabel(across, fontsize=7)
    axes.set_ylabel(up, fontsize=7)
    axes.tick_params(labelsize=6.5)
    axes.legend(fontsize=6, loc=legend, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _said(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
