"""What all plots of the page share: colours of methods, fonts, tools, and how texts get into them.

Bokeh is imported by this file and those that draw, and they are imported when a page is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.models import ColumnDataSource, FixedTicker, Glyph, GlyphRenderer, HoverTool, Legend, LegendItem, PlainText, Range1d, Scatter
from bokeh.plotting import figure

from ...core.text import html_text, readable
from ...evaluation.colours import METHOD_COLOURS

DASHES = ("solid", "dashed", "dotted", "dotdash")
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star", "plus")
FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
_INK, _FAINT = "#1b1b1b", "#e6e6e6"
_LETTERS = 56
"""That many stand beside each other below a plot; longer titles are turned."""

_TOOLS = "pan,box_zoom,wheel_zoom,save,reset"


@dataclass(frozen=True)
class PlottedMethod:
    """A method in plots: its title, its number, by which the page hides it, and how it is drawn."""

    title: str
    number: int

    @property
    def colour(self) -> str:
        """Of Okabe and Ito's."""
        return METHOD_COLOURS[self.number % len(METHOD_COLOURS)]

    @property
    def dash(self) -> str:
        """Of lines, when there are more methods than colours."""
        return DASHES[self.number // len(METHOD_COLOURS) % len(DASHES)]

    @property
    def marker(self) -> str:
        """Of points, so that colours are not all that tells methods apart."""
        return MARKERS[self.number % len(MARKERS)]

    def tags(self, *layers: str) -> list[str]:
        """By which the page finds what it hides."""
        return [f"method-{self.number}", *layers]


def plot_text(text: str) -> str:
    r"""Text as Bokeh is to show it: one line, and no formula.

    What stands between ``$$``, ``\[`` or ``\(`` it sets by a script from the web.
    """
    return re.sub(r"\$(?=\$)|\\(?=[(\[])", lambda found: f"{found[0]} ", readable(text))


def new_plot(title: str, across: str, up: str, *, height: int = 340, **options: Any) -> figure:
    """An empty plot as wide as its place on the page."""
    plot = figure(height=height, sizing_mode="stretch_width", tools=_TOOLS, toolbar_location="above", **options)
    plot.title.text = plot_text(title)
    plot.title.text_font, plot.title.text_font_size, plot.title.text_color = FONT, "14px", _INK
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.toolbar.active_drag = plot.toolbar.active_scroll = None  # wheel and finger move the page until a tool is chosen
    plot.outline_line_color = None
    plot.min_border_right = 12
    for axis, label in ((plot.xaxis[0], across), (plot.yaxis[0], up)):
        axis.axis_label = plot_text(label)
        axis.axis_label_text_font, axis.axis_label_text_font_style, axis.axis_label_text_font_size = FONT, "normal", "13px"
        axis.major_label_text_font, axis.major_label_text_font_size = FONT, "12px"
        axis.axis_label_text_color = axis.major_label_text_color = _INK
        axis.axis_line_color = axis.major_tick_line_color = "#888888"
        axis.minor_tick_line_color = None
    plot.grid.grid_line_color = _FAINT
    return plot


def add_drawn(plot: figure, source: ColumnDataSource, glyph: Glyph, method: PlottedMethod, *layers: str, **looks: Glyph) -> GlyphRenderer:
    """Draw something of a method. Bokeh's short forms copy every glyph for each state that it may be in, which costs most of the time."""
    drawn = plot.add_glyph(source, glyph, **looks)
    drawn.tags = method.tags(*layers)
    return drawn


def add_points(plot: figure, source: ColumnDataSource, across: str, up: str, method: PlottedMethod, *layers: str) -> GlyphRenderer:
    """A point a scan; those that are not chosen fade once one is."""
    looks = [
        Scatter(
            x=across, y=up, size=12 if method.marker == "diamond" else 8, marker=method.marker, fill_color=method.colour, line_color="white"
        )
        for _ in range(2)
    ]
    looks[1].fill_alpha = looks[1].line_alpha = 0.15
    return add_drawn(plot, source, looks[0], method, *layers, nonselection_glyph=looks[1])


def add_legend(plot: figure, entries: Sequence[tuple[PlottedMethod, Sequence[Any]]]) -> None:
    """A legend below: a click on a method hides it."""
    items = [LegendItem(label={"value": plot_text(method.title)}, renderers=list(drawn)) for method, drawn in entries if drawn]
    legend = Legend(items=items, click_policy="hide", orientation="horizontal", ncols="auto", border_line_color=None, padding=2, spacing=18)
    legend.location = "top_left"
    legend.label_text_font, legend.label_text_font_size, legend.label_text_color = FONT, "12px", _INK
    plot.add_layout(legend, "below")


def add_hover(plot: figure, drawn: Sequence[Any], tips: Sequence[tuple[str, str]], **options: Any) -> None:
    """What is said of what lies under the mouse. Fields are shown as text: Bokeh puts them in as such unless told otherwise."""
    cells = ((f"<td style='color:#555'>{html_text(name)}</td>", f"<td style='padding-left:.8em'>{field}</td>") for name, field in tips)
    rows = "".join(f"<tr>{''.join(pair)}</tr>" for pair in cells)
    table = f"<table style='font:13px {html_text(FONT)};color:{_INK};margin:2px 0'>{rows}</table>"
    plot.add_tools(HoverTool(renderers=list(drawn), tooltips=table, visible=False, **options))


def methods_across(plot: figure, methods: Sequence[PlottedMethod]) -> None:
    """Titles of methods below, one a step from 0."""
    plot.xaxis[0].ticker = FixedTicker(ticks=list(range(len(methods))))
    plot.xaxis[0].major_label_overrides = {method.number: PlainText(text=readable(method.title)) for method in methods}
    plot.x_range = Range1d(-0.6, len(methods) - 0.4)
    plot.xgrid.grid_line_color = None
    if len(methods) * max(len(method.title) for method in methods) > _LETTERS:
        plot.xaxis[0].major_label_orientation = 0.6
