"""The grid of a comparison: one cell a method over the same scan, and the viewer put back exactly as it was afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from ...core.threshold import Threshold
from ..app.steps import young_garbage_only
from ..layers.crosshair import marked_voxel, point_at
from ..layers.layers import CELL, KEY, heat_colormap, placement
from ..layers.mask_layer import LiveMask, turned
from ..layers.repaint import repaint
from ..layers.view import LETTERS, SMALL_LETTERS, attach
from ..layers.viewer_state import ViewerState, release_grids
from .comparing import ShownComparison
from .layers import NAME, NARROW_NAME, PLATE, CellLabels, agreement_image, bounds, difference_image, dress, outlines
from .looking import look_at, point_by_click
from .quick_grid import make_plain, make_quick
from .stillness import cells_made, drawn_ahead, insert_quietly, still_canvas, unpainted

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...workflows.compare.compare import Comparison

COMPARED = "compared"
"""The kind of a comparison's layers: no scans to detect in, no maps to tune."""

DERIVED = "derived"
"""The kind of an image made from several maps: no scan, no score of a method."""

_STRIDE = 3
_SPACING = 4
_WIDE_CELLS = 4  # so many have two columns
_NAME_HEIGHT = 28
"""In pixels; the upper letter stands below a cell's name, which may be long."""

_CHOSEN_PLATE = (0.18, 0.44, 0.71, 0.95)
_LINKED = ("contrast_limits", "opacity", "gamma", "colormap")


class CompareScene:
    """The layers of a comparison in a viewer.

    Parameters
    ----------
    viewer : ViewerModel
        Shows them.
    ready : ShownComparison
        What is compared.
    broken : callable
        Called whenever somebody else removed a layer of the comparison.

    Notes
    -----
    Layers are inserted below those of the user, which are hidden meanwhile: napari counts cells from the bottom of the list.
    """

    def __init__(self, viewer: ViewerModel, ready: ShownComparison, broken: Callable[[], None]) -> None:
        self._viewer, self.ready, self._broken = viewer, ready, broken
        self._state: ViewerState | None = None
        self._young = ExitStack()
        self._layers: list[Layer] = []
        self._extra: dict[str, list[Layer]] = {}
        self.heats: list[Image] = []
        self._labels: list[Labels] = []
        self.masks: list[LiveMask] = []
        self._scans: list[Image] = []
        self._truth = ready.truth
        self._place = placement(ready.comparison.volume.grid)
        self._truth_seen = True
        self._box = bounds(ready.cells[0].run.map.mask)

    @property
    def shown(self) -> bool:
        """Whether the comparison is in the viewer."""
        return self._state is not None

    @property
    def _columns(self) -> int:
        return math.ceil(math.sqrt(len(self.ready.cells)))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers of the comparison, from the bottom."""
        return tuple(self._layers)

    def entering(self) -> Iterator[float]:
        """Hide what is there and show the grid, in steps of 20 to 90 ms; yields how much is done.

        napari makes a layer's controls and textures when it is added, and its programs for the GPU when it is first painted. So layers are
        added hidden, one a step, and then seen one by one.
        """
        viewer = self._viewer
        before, count = tuple(viewer.layers), len(self.ready.cells)
        self._state = ViewerState(viewer)
        viewer.layers.events.removed.connect(self._removed)
        viewer.mouse_drag_callbacks.append(point_by_click)
        # Until the comparison is left: napari has all garbage collected then.
        self._young.enter_context(young_garbage_only())
        with unpainted(viewer):
            with still_canvas(viewer):
                for number in range(count):
                    for layer in self._made(number):
                        yield 0.5 * len(self._layers) / (count * _STRIDE)
                        self._layers.append(layer)
                        insert_quietly(viewer, len(self._layers) - 1, layer)
                        yield 0.5 * len(self._layers) / (count * _STRIDE)
                    # The letters and bars of a view were hung on it as on any map; they follow below.
                    self.heats[number].colorbar.visible = False
                for layer in before:
                    layer.visible = False
                    yield 0.5
                self._lay_out()
                yield 0.5
                cells_made(viewer)
                yield 0.5
            yield 0.5
            yield from (0.5 for _ in drawn_ahead(viewer))
            attach(viewer).resize_letters(SMALL_LETTERS, below=_NAME_HEIGHT)
            yield 0.5
            self.fit()
            yield 0.5
            for number, seen in self._to_see():
                seen.visible = True
                yield 0.5 + 0.5 * number / count
                yield from (0.5 + 0.5 * number / count for _ in drawn_ahead(viewer))
            viewer.canvas.grid.shape = (-1, -1)
            yield 1.0
            self._fit_names()
            yield 1.0
            viewer.layers.link_layers(self.heats, _LINKED)
            viewer.layers.link_layers(self._scans, _LINKED)
            self.choose(0)
            yield 1.0
            yield from (1.0 for _ in drawn_ahead(viewer, every=True))
            yield 1.0  # what is painted now is a step of its own
        yield 1.0

    def _made(self, number: int) -> Iterator[Layer]:
        """The layers of one method's cell, not yet seen, made one by one."""
        run, shown = self.ready.cells[number].run, self.ready.cells[number].prepared.shown
        mask = LiveMask(shown, run.result.threshold)
        mask.settle(turned(run.result.mask))
        self.masks.append(mask)
        self.heats.append(self._heat(number, run.title))
        for layer in self._cell(self.heats[-1], mask):
            layer.visible = False
            yield layer

    def _to_see(self) -> Iterator[tuple[int, Any]]:
        """What is seen one after the other: the number of the cell, and a layer, its name or its colour bar."""
        for number, heat in enumerate(self.heats):
            for seen in (*self._layers[_STRIDE * number : _STRIDE * (number + 1)], heat.name_overlay):
                yield number, seen
            if number == self._columns - 1:  # at the top right: the colours mean the same in all cells
                yield number, heat.colorbar

    def _lay_out(self) -> None:
        """Lay out the cells; there have to be some with something to see, or napari lays out one for all."""
        columns = self._columns
        make_quick(self._viewer)
        grid = self._viewer.canvas.grid
        # As many as there will be: napari would lay them out again for every cell in which something is seen.
        grid.stride, grid.shape, grid.spacing = _STRIDE, (math.ceil(len(self.heats) / columns), columns), _SPACING
        grid.enabled = True
        self._layers[0].visible = True

    def fit(self) -> None:
        """Look at the brain, as large as the cells allow: the background around it would cost half of them."""
        self._viewer.reset_view()
        if self.shown and self._viewer.dims.ndisplay == 2:
            look_at(self._viewer, self.heats[0], self._box)

    def leave(self) -> None:
        """Take the layers out and put everything back as it was."""
        for _ in self.leaving():
            pass

    def leaving(self) -> Iterator[float]:
        """`leave` in steps; given up in the middle, it does the rest at once."""
        state, self._state = self._state, None
        if state is None:
            return
        viewer = self._viewer
        viewer.layers.events.removed.disconnect(self._removed)
        viewer.mouse_drag_callbacks.remove(point_by_click)
        for group in (self.heats, self._scans):
            if left := [layer for layer in group if layer in viewer.layers]:
                viewer.layers.unlink_layers(left)
        attach(viewer).resize_letters(LETTERS)
        # The canvas waits until `restoring` has ended its own batch.
        viewer.layers.events.begin_batch()
        rest = state.restoring(viewer, remove=self._layers)
        with unpainted(viewer):
            try:
                for number, layer in enumerate(reversed(self._layers)):
                    if layer in viewer.layers:
                        viewer.layers.remove(layer)
                    yield number / len(self._layers)
                yield from (1.0 for _ in rest)  # in one of these steps napari has the comparison's garbage collected
                yield from (1.0 for _ in drawn_ahead(viewer, every=True))
                yield 1.0
            finally:
                list(rest)
                make_plain(viewer)
                release_grids(viewer)
                self._layers.clear()
                self.forget()
        yield 1.0

    def forget(self) -> None:
        """Let go of what is held outside the viewer; its window may be gone."""
        self._young.close()

    # Thresholds

    def set_thresholds(self, thresholds: Sequence[Threshold]) -> None:
        """Flag by these, one a method, from now on."""
        for mask, threshold in zip(self.masks, thresholds, strict=True):
            mask.set_threshold(threshold)
        self._repaint()

    def settle(self, comparison: Comparison) -> None:
        """Show the finished masks."""
        for mask, run in zip(self.masks, comparison.runs, strict=True):
            mask.set_threshold(run.result.threshold)
            mask.settle(turned(run.result.mask))
        # They are linked: one tells all.
        self.heats[0].contrast_limits = self.ready.colour_limits([run.result.threshold.value for run in comparison.runs])
        self._repaint()

    def _repaint(self) -> None:
        """Draw the masks again. The layer list, which repaints all its rows on any event of a layer, hears nothing."""
        for labels in self._labels:
            repaint(self._viewer, labels, labels.data)
        with self._viewer.layers.events.blocker_all():
            for layer in self._extra.get("agreement", []):
                layer.refresh(thumbnail=False, extent=False, highlight=False)

    # What is seen

    def recolour(self, ready: ShownComparison) -> None:
        """Colour by another scale."""
        self.ready = ready
        limits = (ready.scale.low, ready.scale.high)
        for heat, values in zip(self.heats, ready.colours, strict=True):
            heat.data = values.T
            heat.contrast_limits_range = limits
            heat.contrast_limits = limits
            heat.metadata[KEY]["bar"] = ready.bar
        attach(self._viewer).dress()

    def show_heat(self, seen: bool) -> None:
        """Heatmaps on or off."""
        with self._viewer.layers.batched_update():
            for heat in self.heats:
                heat.visible = seen

    def show_truth(self, seen: bool) -> None:
        """Outline of the ground truth on or off."""
        self._truth_seen = seen
        self._set_labels("show_truth", seen)

    def show_masks(self, seen: bool) -> None:
        """Outlines of the masks on or off."""
        self._set_labels("show_mask", seen)

    def _set_labels(self, name: str, seen: bool) -> None:
        # The cells of the methods come first; the others never outline a mask.
        for layer in self._labels[: len(self.masks)] if name == "show_mask" else self._labels:
            setattr(layer.data, name, seen)
        self._repaint()

    def choose(self, run: int) -> None:
        """Mark a method's cell, and make its heatmap the active layer."""
        for number, heat in enumerate(self.heats):
            heat.name_overlay.box_color = _CHOSEN_PLATE if number == run else PLATE
        if 0 <= run < len(self.heats) and self.heats[run] in self._viewer.layers:
            self._viewer.layers.selection.active = self.heats[run]

    def go_to(self, mm: Sequence[float]) -> None:
        """Move every cell, and the crosshair, to a place (world mm, RAS+)."""
        index = self.ready.comparison.volume.grid.to_index(np.asarray(mm, dtype=float))
        point_at(self._viewer, self.heats[0].data_to_world(index[::-1]))

    # Cells beside the methods

    def show_agreement(self, seen: bool) -> None:
        """A cell with how many methods flag a voxel."""
        noted = self._noted(kind=DERIVED, volume=self.ready.comparison.volume)
        self._show_extra("agreement", lambda: agreement_image(self.masks, metadata=noted, **self._place), seen)

    def show_difference(self, values: NDArray[np.float32] | None, least: float = 0.0) -> None:
        """A cell with one method's map minus another's, shape (i, j, k); none to take it away.

        Colours reach from minus the largest difference to it, or to `least` where all are smaller.
        """
        noted = self._noted(kind=DERIVED, volume=self.ready.comparison.volume)
        self._show_extra("difference", None, False)
        if values is not None:
            self._show_extra("difference", lambda: difference_image(values, least, metadata=noted, **self._place), True)

    def _show_extra(self, name: str, make: Callable[[], Image] | None, seen: bool) -> None:
        there = self._extra.get(name)
        if not self.shown or seen == (there is not None):
            return
        viewer = self._viewer
        active = viewer.layers.selection.active
        if there is not None:
            del self._extra[name]
            with self._quietly(), viewer.layers.batched_update():
                for layer in there:
                    self._layers.remove(layer)
                    self._labels = [one for one in self._labels if one is not layer]
                    self._scans = [one for one in self._scans if one is not layer]
                    viewer.layers.remove(layer)
        elif make is not None:
            image = make()
            dress(image)
            image.name_overlay.visible = image.colorbar.visible = True
            made = list(self._cell(image, self.masks[0]))
            made[-1].data.show_mask, made[-1].data.show_truth = False, self._truth_seen
            self._extra[name] = made
            with young_garbage_only(), viewer.layers.batched_update():
                for number, layer in enumerate(made):
                    viewer.layers.insert(len(self._layers) + number, layer)
            self._layers += made
            viewer.layers.link_layers(self._scans, _LINKED)
        viewer.layers.selection.active = active
        self._fit_names()
        self.fit()

    def _fit_names(self) -> None:
        """Write names as large as the width of a cell allows."""
        narrow = len(self._layers) > _STRIDE * _WIDE_CELLS
        for heat in (*self.heats, *(cell[1] for cell in self._extra.values())):
            heat.name_overlay.font_size = NARROW_NAME if narrow else NAME

    # Layers

    def _cell(self, image: Image, mask: LiveMask) -> Iterator[Layer]:
        volume = self.ready.comparison.volume
        scan = Image(
            volume.data.T,
            name=volume.name,
            colormap="gray",
            contrast_limits=self.ready.window,
            metadata=self._noted(volume=volume),
            **self._place,
        )
        self._scans.append(scan)
        yield scan
        yield image
        labels = outlines(
            CellLabels(mask, self._truth, lambda: marked_voxel(self._viewer, self.heats[0])),
            name=f"{image.name} | outlines",
            metadata=self._noted(kind="regions", map=self.ready.cells[0].run.map),
            **self._place,
        )
        self._labels.append(labels)
        yield labels

    def _heat(self, number: int, title: str) -> Image:
        scale, run = self.ready.scale, self.ready.cells[number].run
        heat = Image(
            self.ready.colours[number].T,
            name=title,
            colormap=heat_colormap(),
            contrast_limits=(scale.low, scale.high),
            blending="translucent",
            metadata=self._noted(map=run.map, bar=self.ready.bar),
            **self._place,
        )
        dress(heat)
        return heat

    def _noted(self, **more: Any) -> dict[str, Any]:
        return {KEY: {"kind": COMPARED, CELL: True, "affine": self.ready.comparison.volume.grid.affine, **more}}

    # What others do

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Remove layers oneself."""
        self._viewer.layers.events.removed.disconnect(self._removed)
        yield
        self._viewer.layers.events.removed.connect(self._removed)

    def _removed(self, event: Any) -> None:
        if event.value in self._layers:
            self._broken()
