"""The views of a report figure: one plane through a scan, what is drawn over it, and the heatmap's colours.

Radiological convention: the patient's right is on the left of the page, in sagittal views anterior is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from ..core.extremes import FAR, apart, robust_range
from ..core.volume import Grid, Volume
from ..postprocessing.filters import bounding_box
from ..postprocessing.pipeline import PostResult
from .colours import FALSE_ALARM_COLOUR, HIT_COLOUR, heat_table

TRUTH_COLOUR = "#FFFFFF"
FLAGGED_COLOUR = "#CC79A7"
"""Of regions when there is no ground truth to call them hits or false alarms; Okabe and Ito's reddish purple."""

_HALO = [Stroke(linewidth=3.0, foreground="black"), Normal()]
_MARGIN_MM = 6.0

_FINEST = 1600
"""More than the pixels of a view on the page, along each side."""


@dataclass(frozen=True)
class Plane:
    """One plane of a scan as it lies on the page.

    Parameters
    ----------
    name : str
        "Axial", ...
    axes : tuple of int
        The array axes that run from right to left on the page, and upwards; the third one is cut.
    letters : str
        What lies left, right, below and above.
    grid : Grid
    centre : tuple of int
        The voxel through which the plane goes.
    box : tuple of slice
        The part of the volume that is shown.
    """

    name: str
    axes: tuple[int, int]
    letters: str
    grid: Grid
    centre: tuple[int, int, int]
    box: tuple[slice, slice, slice]

    @property
    def cut(self) -> int:
        """The array axis that is cut."""
        return 3 - sum(self.axes)

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height on the page."""
        across, up = ((self.box[axis].stop - self.box[axis].start) * self.grid.spacing[axis] for axis in self.axes)
        return across, up

    @property
    def title(self) -> str:
        """Name and position, like "Axial, z = 34 mm"."""
        return f"{self.name}, {'xyz'[self.cut]} = {self.grid.to_world(self.centre)[self.cut]:z.0f} mm"

    def slice(self, data: NDArray[Any]) -> NDArray[Any]:
        """The plane of an array: rows upwards, columns from left to right on the page."""
        index: list[slice | int] = list(self.box)
        index[self.cut] = self.centre[self.cut]
        # Of the two axes left the one across comes first; both right and anterior grow towards the left of the page.
        return data[tuple(index)].T[:, ::-1]

    def show(self, axes: Axes, flat: NDArray[Any], **style: Any) -> None:
        """Draw what `slice` gave, in mm."""
        width, height = self.size_mm
        axes.imshow(flat, extent=(0.0, width, 0.0, height), origin="lower", **style)


def planes(grid: Grid, centre: tuple[int, int, int], brain: NDArray[np.bool_]) -> tuple[Plane, Plane, Plane]:
    """Axial, coronal and sagittal plane through a voxel, cropped to the brain and a margin."""
    i, j, k = (
        slice(max(side.start - round(_MARGIN_MM / mm), 0), min(side.stop + round(_MARGIN_MM / mm), length))
        for side, mm, length in zip(bounding_box(brain), grid.spacing, grid.shape, strict=True)
    )
    return (
        Plane("Axial", (0, 1), "RLPA", grid, centre, (i, j, k)),
        Plane("Coronal", (0, 2), "RLIS", grid, centre, (i, j, k)),
        Plane("Sagittal", (1, 2), "APIS", grid, centre, (i, j, k)),
    )


def heat_colours() -> ListedColormap:
    """The window's colours of a heatmap, see `colours.heat_table`."""
    return ListedColormap(heat_table(), name="brain_uad_heat")


def grey_window(volume: Volume, brain: NDArray[np.bool_]) -> tuple[float, float]:
    """Intensities drawn black and white: all but the 0.5 % tails of the brain's lie between."""
    inside = volume.data[brain]
    low, high = (float(value) for value in np.percentile(inside.clip(*robust_range(inside)), (0.5, 99.5)))
    return apart(low, high)


def on_black(flat: NDArray[np.float32], background: float, window: tuple[float, float]) -> NDArray[np.float32]:
    """Intensities of a plane, to be drawn in grey: the background is black, and no value lies far beyond the window."""
    # The constant background of a skull-stripped scan is black whatever its value: in z-scored scans 0 would be mid-grey.
    # Far beyond the window all is black or white anyway, and a single huge value makes matplotlib's interpolation fail.
    reach = FAR * (window[1] - window[0])
    return np.where(flat == background, np.float32(window[0]), flat).clip(window[0] - reach, window[1] + reach)


def draw_scan(axes: Axes, plane: Plane, volume: Volume, window: tuple[float, float]) -> None:
    """The scan in grey."""
    grey = on_black(plane.slice(volume.data), float(volume.data[0, 0, 0]), window)
    plane.show(axes, grey, cmap="gray", vmin=window[0], vmax=window[1], interpolation="bilinear")
    axes.set_facecolor("black")
    axes.set(xticks=[], yticks=[])


def draw_heat(axes: Axes, plane: Plane, result: PostResult, norm: Normalize) -> None:
    """The score inside the brain."""
    draw_score(axes, plane, result.score, result.brain, norm)


def draw_score(axes: Axes, plane: Plane, score: NDArray[np.float32], brain: NDArray[np.bool_], norm: Normalize) -> None:
    """A score inside a brain."""
    shown = np.ma.masked_where(~plane.slice(brain), plane.slice(score).clip(norm.vmin or 0.0, norm.vmax or 0.0))
    plane.show(axes, shown, cmap=heat_colours(), norm=norm, interpolation="nearest")


def draw_outline(axes: Axes, plane: Plane, flat: NDArray[np.bool_], colour: str, width: float, *, finest: int = _FINEST) -> None:
    """Outline of a mask that `Plane.slice` cut, along the edges of its voxels; `finest`: more than the pixels of the view."""
    if not flat.any():
        return
    # Every voxel repeated, and a frame of background: the contour then keeps to the edges of voxels and closes at the border. Of a
    # picture that is finer than the page, voxels are taken together instead.
    longest = max(flat.shape)
    repeat, step = max(1, min(6, finest // longest)), -(-longest // finest)
    if step > 1:
        flat = np.logical_or.reduceat(np.logical_or.reduceat(flat, range(0, flat.shape[0], step)), range(0, flat.shape[1], step), axis=1)
    # What lies outside of the mask's box has no contour, and takes most of the time.
    rows, columns, _ = bounding_box(flat[..., None])
    fine = np.pad(flat[rows, columns].repeat(repeat, axis=0).repeat(repeat, axis=1).astype(np.float64), 1)
    x, y = (
        ((np.arange(length) - 0.5) / repeat + side.start) * plane.grid.spacing[axis] * step
        for length, side, axis in zip(fine.shape[::-1], (columns, rows), plane.axes, strict=True)
    )
    contour = axes.contour(x, y, fine, levels=[0.5], colors=[colour], linewidths=width)
    contour.set_path_effects([Stroke(linewidth=width + 1.2, foreground="black", alpha=0.6), Normal()])


def draw_regions(axes: Axes, plane: Plane, result: PostResult) -> None:
    """Outlines of what was flagged, coloured by whether the region touches the ground truth."""
    labels = plane.slice(result.labels)
    for hit, colour in ((None, FLAGGED_COLOUR), (True, HIT_COLOUR), (False, FALSE_ALARM_COLOUR)):
        of_kind = np.zeros(len(result.regions) + 1, bool)
        of_kind[[region.number for region in result.regions if region.hit is hit]] = True
        draw_outline(axes, plane, of_kind[labels], colour, 1.4)


def annotate(axes: Axes, plane: Plane, known: bool, *, size: float = 11.0, bar: bool = True) -> None:
    """Letters on the four edges ("?" when the file does not say which side is which) and a bar of 50 mm (small images: 10)."""
    places = ((0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center"), (0.5, 0.02, "center", "bottom"), (0.5, 0.98, "center", "top"))
    for letter, (x, y, across, up) in zip(plane.letters, places, strict=True):
        _label(axes, x, y, letter if known else "?", ha=across, va=up, fontsize=size, weight="bold")
    width, height = plane.size_mm
    axes.set(xlim=(0.0, width), ylim=(0.0, height))
    if not bar:
        return
    length = 50.0 if width > 100.0 else 10.0
    start, level = 0.04 * width, 0.035 * height
    axes.plot([start, start + length], [level, level], color="white", linewidth=2.0, solid_capstyle="butt", path_effects=_HALO)
    _label(axes, start / width, 0.045, f"{length:.0f} mm", ha="left", va="bottom", fontsize=0.68 * size)


def _label(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    axes.text(x, y, text, transform=axes.transAxes, color="white", **style).set_path_effects(_HALO)
