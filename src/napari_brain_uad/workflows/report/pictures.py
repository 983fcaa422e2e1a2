"""Pictures of cases: each slice twice, the scan with the ground truth, and the heatmap with truth and result outlined."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ...core.volume import Grid
from ...evaluation.colours import FALSE_ALARM_COLOUR, HIT_COLOUR
from ...evaluation.figure_views import FLAGGED_COLOUR, TRUTH_COLOUR, Plane, annotate, draw_outline, heat_colours
from .slices import FALSE_ALARM, FLAGGED, HIT, CaseSlices

_KINDS = ((HIT, HIT_COLOUR), (FALSE_ALARM, FALSE_ALARM_COLOUR), (FLAGGED, FLAGGED_COLOUR))
_DPI = 130
_FINEST = 500
_WIDTH, _GAP, _HEAD = 1.75, 0.03, 0.2
"""Inches: of a slice, between two, and of the line above."""


def case_jpeg(slices: CaseSlices) -> tuple[bytes, tuple[int, int]]:
    """A picture, above the scan, below the result: the bytes of a JPEG file, some 60 to 100 kB, and its width and height in pixels."""
    shape = slices.grey.shape
    grid = Grid((shape[0], shape[1], shape[2]), slices.affine)
    whole = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    views = [Plane("Axial", (0, 1), "RLPA", grid, (0, 0, number), whole) for number in range(shape[2])]
    across, up = views[0].size_mm
    tall = _WIDTH * up / across
    width, height = len(views) * (_WIDTH + _GAP) - _GAP, _HEAD + 2 * tall + _GAP
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    for number, plane in enumerate(views):
        left = number * (_WIDTH + _GAP) / width
        told = f"z = {slices.heights[number]:z.0f} mm" + (f", {slices.reasons[number]}" if slices.reasons[number] else "")
        figure.text(left + 0.5 * _WIDTH / width, 1 - 0.5 * _HEAD / height, told, fontsize=6.5, ha="center", va="center")
        for row, bottom in enumerate((tall + _GAP, 0.0)):
            axes = figure.add_axes((left, bottom / height, _WIDTH / width, tall / height))
            _draw(axes, plane, slices, result=row == 1)
            annotate(axes, plane, slices.known, size=5.5, bar=number == 0 and row == 0)
    buffer = io.BytesIO()
    how = {"quality": 82, "subsampling": 0}  # thin coloured outlines need their own colour at each pixel
    figure.savefig(buffer, format="jpeg", dpi=_DPI, pil_kwargs=how)
    return buffer.getvalue(), canvas.get_width_height()


def outlines(shown: Iterable[CaseSlices]) -> tuple[tuple[str, str], ...]:
    """What outlines mean, each with its colour: those that some of the pictures may have."""
    known = {one.truth is not None for one in shown}
    with_truth = (
        ("ground truth", TRUTH_COLOUR),
        ("flagged region that touches it", HIT_COLOUR),
        ("flagged region that does not", FALSE_ALARM_COLOUR),
    )
    return (with_truth if True in known else ()) + ((("flagged region, no ground truth", FLAGGED_COLOUR),) if False in known else ())


def _draw(axes: Axes, plane: Plane, slices: CaseSlices, *, result: bool) -> None:
    plane.show(axes, plane.slice(slices.grey), cmap="gray", vmin=0, vmax=255, interpolation="bilinear")
    axes.set(xticks=[], yticks=[], facecolor="black")
    flagged = plane.slice(slices.flagged)
    if result:
        heat = plane.slice(slices.heat)
        plane.show(axes, np.ma.masked_where(heat == 0, heat), cmap=heat_colours(), vmin=0, vmax=255, interpolation="nearest")
        for kind, colour in _KINDS:
            draw_outline(axes, plane, flagged == kind, colour, 0.9, finest=_FINEST)
    if slices.truth is not None:
        draw_outline(axes, plane, plane.slice(slices.truth), TRUTH_COLOUR, 0.7, finest=_FINEST)
