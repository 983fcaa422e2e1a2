"""A figure for a paper: chosen axial slices x methods, the ground truth outlined, one colour scale for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.checks import raise_errors
from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..core.text import choose_from
from ..core.volume import Grid, Volume
from ..io.figure_text import figure_text
from .agreement import percentiles
from .colours import heat_limits, score_limits
from .figure_views import TRUTH_COLOUR, Plane, annotate, draw_outline, draw_scan, draw_score, grey_window, heat_colours, planes

DPI = 300
"""What journals ask for."""

SCALES = ("auto", "common", "percentile")
_LOWEST_PERCENTILE, _HIGHEST_START = 90.0, 99.9
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 7.1, 0.28, 0.62, 0.3, 0.46, 0.03
"""Inches; the width of a page of two columns."""

_NARROWEST = 0.85


@dataclass(frozen=True, eq=False)
class Shown:
    """One method's column: its title, the values drawn, and the brain they are drawn in."""

    title: str
    values: NDArray[np.float32]
    brain: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ColourScale:
    """What colours mean in all columns.

    Parameters
    ----------
    low, high : float
        Where the colours begin and end.
    label : str
        Of the colour bar.
    words : str
        For the caption.
    """

    low: float
    high: float
    label: str
    words: str


def choose_slices(weight: NDArray[np.bool_], count: int = 3) -> tuple[int, ...]:
    """Axial slices spread over a mask: it is cut into `count` slabs of equal volume, and each slab's middle is taken.

    Parameters
    ----------
    weight : array of bool, shape (i, j, k)
        The truth, or what was flagged, or the brain.

    Returns
    -------
    tuple of int
        Rising, each once; fewer than `count` when the mask has fewer slices, none when it is empty.
    """
    area = np.count_nonzero(weight, axis=(0, 1))
    if not area.any():
        return ()
    middles = (np.arange(count) + 0.5) / count * area.sum()
    return tuple(sorted({int(k) for k in np.searchsorted(np.cumsum(area), middles)}))


def slices_at(grid: Grid, brain: NDArray[np.bool_], millimetres: Sequence[float]) -> tuple[int, ...]:
    """Axial slices whose centre lies closest to heights in world mm (at the middle of the brain, for tilted grids).

    Raises
    ------
    InputError
        If one lies outside the scan.
    """
    middle = [float(np.flatnonzero(brain.any(axis=(1, 2))).mean()), float(np.flatnonzero(brain.any(axis=(0, 2))).mean())]
    heights = np.array([grid.to_world((*middle, k))[2] for k in range(grid.shape[2])])
    found = []
    for z in millimetres:
        nearest = int(np.argmin(np.abs(heights - z)))
        if abs(heights[nearest] - z) > grid.spacing[2]:
            raise InputError(f"Slice z = {z:g} mm", why=f"the scan reaches from {heights.min():.0f} to {heights.max():.0f} mm")
        found.append(nearest)
    return tuple(found)


def colour_scale(
    maps: Sequence[AnomalyMap], scale: str = "auto", thresholds: Sequence[float] = ()
) -> tuple[ColourScale, tuple[NDArray[np.float32], ...]]:
    """One scale for several maps, and what is drawn of each.

    Parameters
    ----------
    scale : {"auto", "common", "percentile"}
        "common": the scores themselves, up to the highest end of the methods' own scales; they must have one unit.
        "percentile": each voxel's percentile in its own map's brain. "auto": common where there is one unit.
    thresholds : sequence of float
        One a map: colours begin at the lowest of them, below which no method flags anything. Without them at the 90th percentile.

    Raises
    ------
    InputError
        For another scale, or "common" scores of different units.
    """
    if scale not in SCALES:
        raise InputError(f"Colour scale '{scale}' is not known", fix=choose_from(scale, SCALES, "Scales"))
    units = {amap.unit for amap in maps}
    if scale == "common" and len(units) > 1:
        raise InputError("One colour scale", why=f"the scores have different units ({'; '.join(sorted(units))})", fix="Use percentile")
    if scale == "percentile" or len(units) > 1:
        flagged = [float((one.brain_scores() > value).mean()) for one, value in zip(maps, thresholds, strict=bool(thresholds))]
        low = 100.0 * (1.0 - max(flagged)) if flagged else _LOWEST_PERCENTILE
        low = min(low, _HIGHEST_START)
        words = f"Colours: percentile of the voxel among its method's scores in this brain, from {low:.3g}"
        return ColourScale(low, 100.0, "percentile of the brain's scores", words), tuple(percentiles(one.score, one.mask) for one in maps)
    ends = [score_limits(one) for one in maps]
    limits = min(low for low, _ in ends), max(high for _, high in ends)
    start = min(thresholds) if thresholds else min(float(np.percentile(one.brain_scores(), _LOWEST_PERCENTILE)) for one in maps)
    unit = units.pop()
    words = "Colours: the score, one scale for all methods"
    return ColourScale(*heat_limits(limits, float(start)), unit, words), tuple(one.score for one in maps)


def montage_figure(
    volume: Volume,
    maps: Sequence[AnomalyMap],
    titles: Sequence[str],
    *,
    truth: NDArray[np.bool_] | None = None,
    slices: Sequence[int] = (),
    scale: str = "auto",
    thresholds: Sequence[float] = (),
) -> Figure:
    """Draw the scan and every method's map on the same slices; no global state of matplotlib is touched.

    Parameters
    ----------
    volume : Volume
        The scan.
    maps, titles
        One map and one column title a method, all on the scan's grid.
    truth : array of bool, shape (i, j, k), optional
        Outlined in every cell.
    slices : sequence of int
        Axial slices; when empty, those that show most of the truth, else of the brain.
    scale, thresholds
        See `colour_scale`.

    Returns
    -------
    matplotlib.figure.Figure
        With an Agg canvas, 180 mm wide with up to six methods: ``figure.savefig(path, dpi=DPI)``.

    Raises
    ------
    InputError
        Without maps, for maps on another grid, a slice outside the scan, or a scale that does not fit.
    """
    if not maps:
        raise InputError("Montage", why="there is no map", fix="Compare at least one method")
    for amap in maps:
        raise_errors(amap.name, volume.grid.compare(amap.grid, "anomaly map"))
    chosen = tuple(slices) or (choose_slices(truth) if truth is not None else ()) or choose_slices(maps[0].mask)
    if not all(0 <= k < volume.grid.shape[2] for k in chosen):
        raise InputError(f"Slices {', '.join(map(str, chosen))}", why=f"the scan has slices 0 to {volume.grid.shape[2] - 1}")
    colours, values = colour_scale(maps, scale, thresholds)
    columns = [Shown(title, value, amap.mask) for title, value, amap in zip(titles, values, maps, strict=True)]
    rows = [planes(volume.grid, (0, 0, k), maps[0].mask)[0] for k in chosen]
    return _draw(volume, rows[::-1], columns, truth, colours)


def _draw(volume: Volume, rows: Sequence[Plane], columns: Sequence[Shown], truth: NDArray[np.bool_] | None, colours: ColourScale) -> Figure:
    """Rows from top to bottom, the scan first in each."""
    count = len(columns) + 1
    cell_width = max((_WIDTH - _LEFT - _RIGHT) / count - _GAP, _NARROWEST)
    cell_height = cell_width * rows[0].size_mm[1] / rows[0].size_mm[0]
    width = _LEFT + count * (cell_width + _GAP) + _RIGHT
    height = _TOP + len(rows) * (cell_height + _GAP) + _BOTTOM
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    norm, window = Normalize(colours.low, colours.high), grey_window(volume, columns[0].brain)
    known = volume.source is None or volume.source.orientation_known
    titles = [volume.sequence or "scan", *(shown.title for shown in columns)]
    size = min(7.0, 105.0 * cell_width / max(len(title) for title in titles))
    for row, plane in enumerate(rows):
        bottom = height - _TOP - row * (cell_height + _GAP) - cell_height
        for number, shown in enumerate((None, *columns)):
            left = _LEFT + number * (cell_width + _GAP)
            axes = figure.add_axes((left / width, bottom / height, cell_width / width, cell_height / height))
            draw_scan(axes, plane, volume, window)
            if shown is not None:
                draw_score(axes, plane, shown.values, shown.brain, norm)
            if truth is not None:
                draw_outline(axes, plane, plane.slice(truth), TRUTH_COLOUR, 0.5)
            annotate(axes, plane, known, size=5.5, bar=row == len(rows) - 1 and shown is None)
            if row == 0:
                axes.set_title(figure_text(titles[number]), fontsize=size, pad=3)
        height_mm = plane.title.split(", ")[1]
        figure.text(0.1 / width, (bottom + cell_height / 2) / height, height_mm, fontsize=6.5, rotation=90, ha="center", va="center")
    _colour_bar(figure, norm, colours.label, width, height)
    _caption(figure, colours, truth is not None, width, height)
    return figure


def _colour_bar(figure: Figure, norm: Normalize, label: str, width: float, height: float) -> None:
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 0.0)
    tall = min(height - _TOP - _BOTTOM, 2.4)
    base = _BOTTOM + (height - _TOP - _BOTTOM - tall) / 2
    axes = figure.add_axes(((width - _RIGHT + 0.05) / width, base / height, 0.1 / width, tall / height), facecolor="#404040")
    ramp = np.linspace(low, high, 256)[:, None]
    axes.imshow(ramp, cmap=heat_colours(), norm=norm, extent=(0, 1, low, high), origin="lower", aspect="auto")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.tick_params(labelsize=5.5, length=2, pad=1.5)
    # A letter is about half as wide as its font is high; the label runs along the page's height.
    axes.set_ylabel(figure_text(label), fontsize=min(5.5, 130.0 * (height - 0.2) / len(label)), labelpad=2)


def _caption(figure: Figure, colours: ColourScale, has_truth: bool, width: float, height: float) -> None:
    outline = " White outline: ground truth." if has_truth else ""
    figure.text(_LEFT / width, 0.27 / height, f"{colours.words}.{outline}", fontsize=6.5, va="center")
    figure.text(_LEFT / width, 0.11 / height, NOTICE, fontsize=6.5, weight="bold", va="center")
