"""The picture that shows whether a preparation went right: brain outline, result, checkerboard against the template."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..core.extremes import robust_range
from ..core.provenance import NOTICE
from ..core.volume import Grid, Volume
from ..io.figure_text import figure_text
from .geometry import resample_array, resample_mask
from .prepared import Prepared
from .template import MNI_GRID, template

_PLANES = (("axial", 2, (0, 1)), ("coronal", 1, (0, 2)), ("sagittal", 0, (1, 2)))
"""Name, the axis that is cut through, and the axes drawn to the right and up."""

_SQUARE_MM = 24.0
_LINE = 120
"""Letters that fit into a line above the picture."""

_BRAIN, _TEMPLATE = "#ff5a36", "#37d5ff"


def preparation_figure(prepared: Prepared, native: Volume) -> Figure:
    """Draw a preparation, three planes in each row.

    Parameters
    ----------
    prepared : Prepared
        What the pipeline gave.
    native : Volume
        The scan as loaded.

    Returns
    -------
    matplotlib.figure.Figure
        The scan with the outline of its brain; the result with the outline of the template's brain; and, when the scan was
        registered, squares of result and template in turn. Left is left, as in the arrays: see the letters.
    """
    registered = any(step["step"] == "register_mni" for step in prepared.record)
    rows = 3 if registered else 2
    figure = Figure(figsize=(9.0, 3.0 * rows + 1.0), layout="constrained", facecolor="black")
    axes = figure.subplots(rows, 3)
    _row(axes[0], native.data, native.grid, prepared.native_mask, prepared.native_mask, "scan, outline of the brain", _BRAIN)
    volume = prepared.volume
    against = template_on(volume.grid) if registered else None
    outline, colour = (volume.mask, _BRAIN) if against is None else (against[1], _TEMPLATE)
    told = "prepared, outline of the template" if registered else "prepared, outline of the brain"
    _row(axes[1], volume.data, volume.grid, outline, volume.mask, told, colour)
    if against is not None:
        board = checkerboard(scaled(volume.data, volume.mask), scaled(against[0], against[1]), volume.grid)
        _row(axes[2], board, volume.grid, None, volume.mask, "squares of scan and template in turn", _BRAIN)
    facts = "\n".join(figure_text(line) for line in (volume.name, *_facts(prepared).split("\n")))
    figure.suptitle(facts, color="white", fontsize=10)
    figure.supxlabel(NOTICE, color="#bbbbbb", fontsize=8)
    return figure


def _facts(prepared: Prepared) -> str:
    said = {step["step"]: step["said"] for step in prepared.record}
    lines = [said[name] for name in ("brain_extraction", "register_mni") if name in said]
    return "\n".join(part for line in lines for part in wrap(line, _LINE))


def template_on(grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The template and its brain, where a grid in MNI lies."""
    shown = template()
    assert shown.mask is not None
    return resample_array(shown.data, MNI_GRID, grid), resample_mask(shown.mask, MNI_GRID, grid)


def scaled(data: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Intensities of the brain from 0 to 1, 0 around it."""
    inside = data[mask] if mask is not None and mask.any() else data
    low, high = np.percentile(inside, (1, 99))
    scaled = np.clip((data - low) / max(high - low, 1e-12), 0.0, 1.0)
    return np.asarray(scaled if mask is None else np.where(mask, scaled, 0.0), dtype=np.float32)


def checkerboard(first: NDArray[np.float32], second: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """Squares (in space, cubes) of one image and the other in turn."""
    squares = [np.arange(n) * size // _SQUARE_MM for n, size in zip(grid.shape, grid.spacing, strict=True)]
    parity = (squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :]) % 2
    return np.where(parity == 0, first, second)


def _row(
    axes: Any,
    data: NDArray[np.float32],
    grid: Grid,
    outline: NDArray[np.bool_] | None,
    brain: NDArray[np.bool_] | None,
    title: str,
    colour: str,
) -> None:
    seen = brain if brain is not None and brain.any() else np.ones(data.shape, bool)
    centre = np.argwhere(seen).mean(axis=0).round().astype(int)
    data = data.clip(*robust_range(data))
    low, high = np.percentile(data[seen], (0.5, 99.5))
    letters = grid.axcodes
    for ax, (name, through, (across, up)) in zip(axes, _PLANES, strict=True):
        cut = tuple(int(centre[axis]) if axis == through else slice(None) for axis in range(3))
        aspect = grid.spacing[up] / grid.spacing[across]
        ax.imshow(data[cut].T, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), origin="lower", aspect=aspect, interpolation="nearest")
        if outline is not None and outline[cut].any() and not outline[cut].all():
            ax.contour(outline[cut].T.astype(float), levels=[0.5], colors=[colour], linewidths=0.8)
        opposite = {"R": "L", "A": "P", "S": "I", "L": "R", "P": "A", "I": "S"}
        ax.text(0.02, 0.5, opposite[letters[across]], color="yellow", transform=ax.transAxes, va="center", fontsize=9)
        ax.text(0.98, 0.5, letters[across], color="yellow", transform=ax.transAxes, va="center", ha="right", fontsize=9)
        ax.set_axis_off()
        if name == "axial":
            ax.set_title(title, color="white", fontsize=9, loc="left")
