"""What the cells of a comparison show, computed for the slice that is looked at: outlines, crosshair, agreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap
from numpy.typing import NDArray

from ...evaluation.colours import HIT_COLOUR
from ..layers.crosshair import crosshair_lines, outline
from ..layers.mask_layer import FLAGGED_COLOUR, LiveMask, Refilled

MASK, TRUTH, BOTH, CROSS = 1, 2, 3, 4
"""Labels of a cell. In 3-D masks are filled, and what lies in both has a label of its own."""

TRUTH_OUTLINE = "#FFFFFF"
"""White, as in the montage."""

PLATE = (0.0, 0.0, 0.0, 0.55)
"""Behind a cell's name: white on it reads on black and on white alike."""

NAME, NARROW_NAME = 9, 7
"""Size of a cell's name, in points; the small one beside the colour bar of a narrow cell."""

_CROSS_COLOUR = (0.45, 0.9, 0.45, 0.75)
_FAINT = 0.15
_PAINTING = {"polygon", "brush_stroke"}


class CellLabels(Refilled):
    """Labels of one cell: outlines of mask and ground truth, and the crosshair over them.

    Parameters
    ----------
    live : LiveMask
        The method's mask, without the truth.
    truth : array of bool, shape (k, j, i), optional
        Ground truth.
    marked : callable
        Gives the voxel (k, j, i) of the crosshair; asked whenever a slice is drawn, so that a move of it costs no second drawing.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, live: LiveMask, truth: NDArray[np.bool_] | None, marked: Callable[[], tuple[int, ...]]) -> None:
        self.live, self.truth, self._marked = live, truth, marked
        self.show_mask = self.show_truth = True

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (k, j, i)."""
        return self.live.shape

    @property
    def ndim(self) -> int:
        """Always 3."""
        return self.live.ndim

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self.live.size

    def _labels(self, key: Any) -> NDArray[np.uint8]:
        mask = np.asarray(self.live[key], dtype=np.bool_)
        truth = None if self.truth is None or not self.show_truth else self.truth[key]
        labels: NDArray[np.uint8] = np.zeros(mask.shape, np.uint8)
        if mask.ndim != 2:
            if self.show_mask:
                labels += mask.view(np.uint8)
            return labels if truth is None else labels + TRUTH * np.asarray(truth, np.uint8)
        if self.show_mask:
            labels[outline(mask)] = MASK
        if truth is not None:
            labels[outline(truth)] = TRUTH
        axes = [axis for axis, part in enumerate(key) if isinstance(part, slice)] if isinstance(key, tuple) else []
        if len(axes) == 2:
            at = self._marked()
            for line in crosshair_lines((mask.shape[0], mask.shape[1]), (at[axes[0]], at[axes[1]])):
                labels[line] = CROSS
        return labels

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[...], dtype=dtype)


class LiveAgreement:
    """How many methods flag a voxel, counted for the slice that is asked for.

    Parameters
    ----------
    masks : sequence of LiveMask
        One a method, without the truth.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, masks: Sequence[LiveMask]) -> None:
        self._masks = tuple(masks)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (k, j, i)."""
        return self._masks[0].shape

    @property
    def ndim(self) -> int:
        """Always 3."""
        return self._masks[0].ndim

    @property
    def size(self) -> int:
        """Number of voxels."""
        return self._masks[0].size

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        return np.asarray(sum(mask[key] for mask in self._masks), dtype=np.uint8)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[...], dtype=dtype)


def label_colours() -> DirectLabelColormap:
    """Cyan for the mask, white for the truth, a faint green for the crosshair."""
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    colours |= {MASK: FLAGGED_COLOUR, TRUTH: TRUTH_OUTLINE, BOTH: HIT_COLOUR, CROSS: _CROSS_COLOUR}
    return DirectLabelColormap(color_dict=colours)


def outlines(cell: CellLabels, **more: Any) -> Labels:
    """A cell's labels, to be shown."""
    labels = Labels(cell, colormap=label_colours(), opacity=1.0, **more)
    # Painting into computed labels has no meaning; what napari draws for it would be made in every cell, and painted every time.
    labels.editable = False
    for name in _PAINTING & labels._overlays.keys():
        labels._overlays[name].visible = False
    return labels


def agreement_colours() -> Colormap:
    """Viridis, nothing where no method flags."""
    colours = np.array(ensure_colormap("viridis").map(np.linspace(0.15, 1.0, 256)), dtype=np.float32)
    colours[:, 3] = 0.9
    colours[0, 3] = 0.0
    return Colormap(colours, name="agreement")


def difference_colours() -> Colormap:
    """Purple where the second method scores higher, orange where the first does, transparent where they agree."""
    position = np.linspace(-1.0, 1.0, 257)
    colours = np.array(ensure_colormap("PuOr").map(0.5 - 0.45 * position), dtype=np.float32)
    colours[:, 3] = 0.9 * np.clip((np.abs(position) - _FAINT) / (1.0 - _FAINT), 0.0, 1.0) ** 0.7
    return Colormap(colours, name="difference")


def agreement_image(masks: Sequence[LiveMask], **more: Any) -> Image:
    """How many methods flag a voxel, to be shown."""
    limits = (0, len(masks))
    return Image(
        LiveAgreement(masks), name="agreement", colormap=agreement_colours(), contrast_limits=limits, blending="translucent", **more
    )


def difference_image(values: NDArray[np.float32], least: float, **more: Any) -> Image:
    """One method's map minus another's, shape (i, j, k), to be shown in colours up to the largest difference, or to `least`."""
    limit = max(float(np.abs(values).max()), least) or 1.0
    return Image(
        values.T, name="difference", colormap=difference_colours(), contrast_limits=(-limit, limit), blending="translucent", **more
    )


def bounds(mask: NDArray[np.bool_]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First and last voxel (k, j, i) of a mask along each axis."""
    found = [np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis))) for axis in (2, 1, 0)]
    return tuple(int(places[0]) for places in found), tuple(int(places[-1]) for places in found)


def dress(image: Image) -> None:
    """How name and colour bar look in the cell, once they are seen."""
    image.name_overlay.color = "white"
    image.name_overlay.font_size = NAME
    image.name_overlay.box_color = PLATE
    image.colorbar.size = (10, 80)
    image.colorbar.font_size = 8
    image.colorbar.tick_length = 3
