"""The figure of a stress test: what healthy scans show and how well lesions are found, against the strength of each alteration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..io.figure_text import figure_text
from .cohort_figures import _STYLES, _page
from .colours import METHOD_COLOURS
from .significance import Interval

Line = Sequence[tuple[float, Interval | None]]
"""Strengths, from none on, and figures."""

Curves = Mapping[str, Mapping[str, Line]]
"""By alteration and method."""

_ROW = 2.0
"""Inches."""


def stress_figure(healthy: Curves, ill: Curves) -> Figure:
    """Volume flagged in healthy scans (ml), and Dice in ill ones, where there are such: a panel an alteration, bars are 95 % intervals."""
    rows = [row for row in ((healthy, "healthy scans: flagged (ml)"), (ill, "ill scans: Dice")) if _tops(row[0])]
    figure = _page(1.2 + 1.75 * len(healthy), 0.75 + _ROW * max(len(rows), 1))
    across, inch = 1.0 / float(figure.get_figwidth()), 1.0 / float(figure.get_figheight())
    for place, (curves, label) in enumerate(reversed(rows)):
        top = 1.08 * max(_tops(curves)) or 1.0
        for panel, (title, by_method) in enumerate(curves.items()):
            axes = figure.add_axes(((0.75 + 1.75 * panel) * across, (0.85 + _ROW * place) * inch, 1.5 * across, 1.45 * inch))
            _panel(axes, by_method)
            axes.set_ylim(0.0, top)
            axes.set_title(figure_text(title) if place == len(rows) - 1 else "", fontsize=8)
            if panel:
                axes.set_yticklabels([])
            else:
                axes.set_ylabel(label, fontsize=7)
    if figure.axes:
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(
            handles, names, loc="lower center", ncols=min(len(names), 4), fontsize=6.5, frameon=False, bbox_to_anchor=(0.5, 0.25 * inch)
        )
    return figure


def _tops(curves: Curves) -> list[float]:
    """The highest that each line of some panels reaches; empty where there is nothing to draw."""
    known = [found for by_method in curves.values() for line in by_method.values() for _, found in line if found is not None]
    return [found.mean if found.high is None else found.high for found in known]


def _panel(axes: Axes, by_method: Mapping[str, Line]) -> None:
    strengths = [strength for strength, _ in next(iter(by_method.values()), [])]
    for number, (method, line) in enumerate(by_method.items()):
        colour, style = METHOD_COLOURS[number % len(METHOD_COLOURS)], _STYLES[number // len(METHOD_COLOURS) % len(_STYLES)]
        known = [(place, found) for place, (_, found) in enumerate(line) if found is not None]
        places, means = [place for place, _ in known], [found.mean for _, found in known]
        axes.plot(places, means, color=colour, linestyle=style, marker="o", markersize=3, linewidth=1.2, label=figure_text(method))
        for place, found in known:
            if found.low is not None and found.high is not None:
                axes.vlines(place, found.low, found.high, color=colour, linewidth=0.8, alpha=0.6)
    axes.set_xticks(range(len(strengths)), ["as is", *(f"{strength:g}" for strength in strengths[1:])])
    axes.tick_params(labelsize=6.5)
    axes.spines[["top", "right"]].set_visible(False)
