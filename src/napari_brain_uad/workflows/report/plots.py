"""The plots of the page: spread over scans, curves, agreement of volumes, calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HSpan, MultiLine, Patches, Range1d
from bokeh.models import Line as LineGlyph
from bokeh.plotting import figure
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from ...core.text import readable
from ...evaluation.p_values import expected_p
from ...evaluation.report import thinned
from ..compare.compare_table import COLUMNS
from .contents import PageContents
from .plot_style import PlottedMethod, add_drawn, add_hover, add_legend, add_points, methods_across, new_plot

SPREAD = ("best_dice", "dice", "auprc", "auroc", "pro", "lesion_recall", "false_positive_regions", "flagged_ml")
_PARTS = ("best_dice", "dice", "auprc", "auroc", "pro", "lesion_recall")
"""Figures between 0 and 1."""

MOST_CURVES = 200
"""Scans whose curves are drawn a method: more would be a grey area, and make the page large."""

_POOLED_POINTS = 400
_SCAN_TIPS = [("scan", "@scan"), ("sequence", "@sequence"), ("method", "@method")]


@dataclass(frozen=True, eq=False)
class PlotData:
    """What the plots are drawn from: methods, and their scans as one source each, so that a scan chosen in one plot is chosen in all."""

    contents: PageContents
    methods: Sequence[PlottedMethod]
    sources: Mapping[str, ColumnDataSource]

    @classmethod
    def of(cls, contents: PageContents) -> PlotData:
        """Sources with a column a figure; NaN where it is undefined."""
        methods = [PlottedMethod(title, number) for number, title in enumerate(contents.methods)]
        rng = np.random.default_rng(0)
        return cls(contents, methods, {method.title: _source(contents, method, rng) for method in methods})

    def values(self, method: PlottedMethod, column: str) -> NDArray[np.float64]:
        """The figures of one method that are defined."""
        values = np.asarray(self.sources[method.title].data[column], np.float64)
        return values[np.isfinite(values)]


def _source(contents: PageContents, method: PlottedMethod, rng: np.random.Generator) -> ColumnDataSource:
    rows = [row for _, row in contents.lines(method.title)]

    def column(name: str) -> NDArray[np.float64]:
        return np.array([np.nan if row.get(name) is None else row[name] for row in rows], np.float64)

    true, flagged = column("true_ml"), column("flagged_ml")
    return ColumnDataSource(
        {
            "scan": [readable(row["scan"]) for row in rows],
            "sequence": [row["sequence"] or "unknown" for row in rows],
            "method": [method.title] * len(rows),
            "across": method.number + rng.uniform(-0.09, 0.09, len(rows)),
            **{name: column(name) for name in SPREAD},
            "true_ml": true,
            "mean_ml": (true + flagged) / 2,
            "difference_ml": flagged - true,
        }
    )


def spread_plots(data: PlotData) -> dict[str, figure]:
    """One plot a figure: violin, quartiles, mean and every scan as a point."""
    plots = {}
    for name in SPREAD:
        if any(data.values(method, name).size for method in data.methods):
            plots[f"spread-{name}"] = _spread(data, name)
    return plots


def _spread(data: PlotData, name: str) -> figure:
    column = COLUMNS[name]
    plot = new_plot(column.title, "", column.title, height=300)
    drawn = []
    for method in data.methods:
        values = data.values(method, name)
        if values.size:
            look = {"fill_color": method.colour, "line_color": method.colour, "line_width": 2.5}
            shape = Patches(xs="xs", ys="ys", fill_alpha="filled", line_alpha="lined", **look)
            add_drawn(plot, _shape(values, method), shape, method)
        drawn.append(add_points(plot, data.sources[method.title], "across", name, method, "scans"))
    methods_across(plot, data.methods)
    if name in _PARTS:
        plot.y_range = Range1d(-0.02, 1.02)
    else:
        plot.y_range.start = 0
    add_hover(plot, drawn, [*_SCAN_TIPS, (column.title, f"@{name}{{0.[000]}}")])
    plot.add_tools("tap")
    return plot


def _shape(values: NDArray[np.float64], method: PlottedMethod) -> ColumnDataSource:
    """Density between the extremes, 0.8 wide (Gaussian kernel, Scott's bandwidth, as matplotlib's violins); quartiles; mean."""
    at, low, high = method.number, float(values.min()), float(values.max())
    shapes = []
    if values.size > 2 and high > low:
        up = np.linspace(low, high, 60)
        density = gaussian_kde(values)(up)
        half = 0.4 * density / density.max()
        shapes.append((np.concatenate([at - half, (at + half)[::-1]]), np.concatenate([up, up[::-1]]), 0.22, 0.0))
    first, third = np.percentile(values, (25, 75))
    shapes.append((at + 0.03 * np.array([-1, 1, 1, -1]), np.array([first, first, third, third]), 0.45, 0.0))
    shapes.append((at + np.array([-0.25, 0.25]), np.full(2, values.mean()), 0.0, 1.0))
    xs, ys, filled, lined = zip(*shapes, strict=True)
    return ColumnDataSource({"xs": list(xs), "ys": list(ys), "filled": list(filled), "lined": list(lined)})


def curve_plots(data: PlotData) -> dict[str, figure]:
    """Precision-recall and ROC: a thick line for all voxels together, a thin one for every scan; empty without a ground truth."""
    if not data.contents.pooled and not data.contents.curves:
        return {}
    pr = new_plot("Precision-recall", "recall", "precision", height=430)
    roc = new_plot("ROC", "false-positive rate", "recall", height=430)
    roc.line([0, 1], [0, 1], color="#bbbbbb", line_dash="dotted")
    for plot, kind, area in ((pr, "pr", "auprc"), (roc, "roc", "auroc")):
        entries = []
        for method in data.methods:
            drawn = [*_scan_curves(plot, data, method, kind, area), *_pooled_curve(plot, data, method, kind)]
            entries.append((method, drawn))
        add_legend(plot, entries)
        plot.x_range, plot.y_range = Range1d(-0.01, 1.01), Range1d(-0.01, 1.01)
    return {"curves-pr": pr, "curves-roc": roc}


def _pooled_curve(plot: figure, data: PlotData, method: PlottedMethod, kind: str) -> list[Any]:
    found = data.contents.pooled.get(method.title)
    curve = None if found is None else found.pr_curve if kind == "pr" else found.roc_curve
    if curve is None or not curve.size:
        return []
    x, y, score = thinned(curve, _POOLED_POINTS).astype(np.float32)
    source = ColumnDataSource({"x": x, "y": y, "score": score, "method": [method.title] * x.size})
    look = {"line_color": method.colour, "line_dash": method.dash, "line_width": 2.6}
    line = add_drawn(plot, source, LineGlyph(x="x", y="y", **look), method, "pooled")
    across, up = ("recall", "precision") if kind == "pr" else ("false-positive rate", "recall")
    tips = [("method", "@method"), ("all scans", "pooled"), (across, "@x{0.000}"), (up, "@y{0.000}"), ("at score", "@score{0.[0000]}")]
    add_hover(plot, [line], tips, line_policy="nearest")
    return [line]


def _scan_curves(plot: figure, data: PlotData, method: PlottedMethod, kind: str, area: str) -> list[Any]:
    lines = [(row, data.contents.curves[number]) for number, row in data.contents.lines(method.title) if number in data.contents.curves]
    if not lines:
        return []
    step = -(-len(lines) // MOST_CURVES)
    chosen = sorted(lines, key=lambda line: line[0][area] or 0.0)[::step] if step > 1 else lines
    columns = {
        "x": [getattr(curves, kind)[0] for _, curves in chosen],
        "y": [getattr(curves, kind)[1] for _, curves in chosen],
        "scan": [readable(row["scan"]) for row, _ in chosen],
        "method": [method.title] * len(chosen),
        "area": [row[area] for row, _ in chosen],
    }
    faint, strong = (
        MultiLine(xs="x", ys="y", line_color=method.colour, line_alpha=alpha, line_width=width) for alpha, width in ((0.4, 1), (1, 2))
    )
    drawn = add_drawn(plot, ColumnDataSource(columns), faint, method, "each-scan", hover_glyph=strong)
    add_hover(plot, [drawn], [("scan", "@scan"), ("method", "@method"), (COLUMNS[area].title, "@area{0.000}")], line_policy="nearest")
    return [drawn]


def agreement_plot(data: PlotData, found: Mapping[str, Mapping[str, Any]]) -> dict[str, figure]:
    """Bland and Altman's plot: flagged minus true volume over their mean, with bias and limits of agreement of every method."""
    having = [method for method in data.methods if found.get(method.title)]
    if not having:
        return {}
    plot = new_plot("Flagged against true volume", "mean of flagged and true volume (ml)", "flagged - true (ml)", height=430)
    plot.hspan(y=[0.0], line_color="#bbbbbb", line_dash="dotted")
    entries, points = [], []
    for method in having:
        own = found[method.title]
        points.append(add_points(plot, data.sources[method.title], "mean_ml", "difference_ml", method, "scans"))
        levels = [[own["bias"]], [own[name] for name in ("low", "high") if own[name] is not None]]
        looks: tuple[dict[str, Any], ...] = ({"line_width": 2.2}, {"line_width": 1.3, "line_dash": "dashed"})
        spans = [
            add_drawn(plot, ColumnDataSource({"y": at}), HSpan(y="y", line_color=method.colour, **look), method)
            for at, look in zip(levels, looks, strict=True)
        ]
        entries.append((method, [points[-1], *spans]))
    tips = [("true", "@true_ml{0.00} ml"), ("flagged", "@flagged_ml{0.00} ml"), ("difference", "@difference_ml{+0.00} ml")]
    add_hover(plot, points, [*_SCAN_TIPS, *tips])
    add_legend(plot, entries)
    plot.add_tools("tap")
    reach = [(own["bias"] if own[name] is None else own[name]) for own in found.values() for name in ("low", "high")]
    differences = np.concatenate([data.values(method, "difference_ml") for method in having])
    low, high = min(*reach, float(differences.min()), 0.0), max(*reach, float(differences.max()), 0.0)
    room = 0.06 * (high - low) or 1.0
    plot.y_range = Range1d(low - room, high + room)
    return {"agreement": plot}


def calibration_plot(data: PlotData) -> dict[str, figure]:
    """Sorted p-values of healthy scans over what uniform ones would be; empty where no healthy scan has one."""
    healthy = {method.title: healthy_p(data.contents, method.title) for method in data.methods}
    counts = sorted({len(found) for found in healthy.values() if found})
    if not counts:
        return {}
    plot = new_plot("p-values of healthy scans", "nominal (uniform) p", "observed p of the scan", height=430)
    for count in counts:
        x, low, high = expected_p(count)
        plot.varea(x=x, y1=low, y2=high, fill_color="#999999", fill_alpha=0.18)
    plot.line([0, 1], [0, 1], color="#888888", line_dash="dotted")
    entries, drawn = [], []
    for method in data.methods:
        if healthy[method.title]:
            scans, p = zip(*sorted(healthy[method.title], key=lambda one: one[1]), strict=True)
            source = ColumnDataSource({"scan": scans, "method": [method.title] * len(p), "x": expected_p(len(p))[0], "y": np.array(p)})
            drawn.append(add_points(plot, source, "x", "y", method))
            line = add_drawn(plot, source, LineGlyph(x="x", y="y", line_color=method.colour, line_alpha=0.4), method)
            entries.append((method, [drawn[-1], line]))
    plot.x_range, plot.y_range = Range1d(-0.02, 1.02), Range1d(-0.02, 1.02)
    add_hover(plot, drawn, [("scan", "@scan"), ("method", "@method"), ("p", "@y{0.000}"), ("expected", "@x{0.000}")])
    add_legend(plot, entries)
    return {"calibration": plot}


def healthy_p(contents: PageContents, method: str) -> list[tuple[str, float]]:
    """Name and p-value of every scan without a lesion that has one."""
    return [
        (readable(row["scan"]), row["scan_p"]) for _, row in contents.lines(method) if row["ill"] is False and row["scan_p"] is not None
    ]
