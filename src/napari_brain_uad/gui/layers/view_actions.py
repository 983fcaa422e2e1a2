"""What the keys do that need no dock: regions, heatmaps, ground truth and methods of whatever the viewer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from .crosshair import point_at
from .layer_watch import visible_here
from .layers import CELL, is_map, record
from .tuning import neighbour

if TYPE_CHECKING:
    from napari.components import ViewerModel


class ViewActions:
    """Actions on one viewer; they remember what they have hidden and which region they went to."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._hidden_maps: WeakSet[Layer] = WeakSet()
        self._hidden_truths: WeakSet[Layer] = WeakSet()
        self._region: int | None = None

    def step_region(self, step: int) -> None:
        """Go to the centre of the next (1) or previous (-1) box of the topmost visible boxes."""
        boxes = [layer for layer in visible_here(self._viewer) if record(layer).get("kind") == "boxes" and layer.visible]
        centres = [] if not boxes else _centres(boxes[-1])
        self._region = neighbour(list(range(len(centres))), self._region, step)
        if self._region is not None:
            point_at(self._viewer, centres[self._region])

    def toggle_heatmaps(self) -> None:
        """Hide every heatmap that is seen; show those again that were hidden so, or the newest one."""
        self._toggle([layer for layer in self._viewer.layers if is_map(layer)], self._hidden_maps)

    def toggle_truth(self) -> None:
        """Hide ground truths and other masks that no run of ours made; show them again."""
        truths = [layer for layer in self._viewer.layers if isinstance(layer, Labels) and record(layer).get("kind") in (None, "mask")]
        self._toggle(truths, self._hidden_truths)

    def _toggle(self, layers: list[Layer], hidden: WeakSet[Layer]) -> None:
        seen = [layer for layer in layers if layer.visible]
        back = [layer for layer in layers if layer in hidden] or layers[-1:]
        hidden.clear()
        for layer in seen or back:
            layer.visible = not seen
        if seen:
            hidden.update(seen)

    def next_method(self) -> None:
        """Show the next heatmap, with its regions and boxes, in place of the one that is seen; side by side, choose the next cell."""
        maps = [layer for layer in self._viewer.layers if is_map(layer)]
        if self._viewer.canvas.grid.enabled:
            maps = [layer for layer in maps if layer.visible]
            active = self._viewer.layers.selection.active
            if maps:
                self._viewer.layers.selection.active = maps[(maps.index(active) + 1) % len(maps) if active in maps else 0]
            return
        seen = [layer for layer in maps if layer.visible]
        if maps:
            show_map(self._viewer, maps[(maps.index(seen[-1]) + 1) % len(maps)] if seen else maps[-1])


def show_map(viewer: ViewerModel, layer: Layer) -> None:
    """Show a heatmap with its regions and boxes, and hide those of the other methods."""
    shown = record(layer).get("map")
    for other in viewer.layers:
        # A Labels or Vectors layer with a map holds its regions or boxes.
        noted = record(other)
        amap = noted.get("map")
        if CELL in noted:
            continue
        if noted.get("compared", shown) is not shown:
            other.visible = False
        elif amap is not None:
            other.visible = amap is shown and (other is layer or not isinstance(other, Image))


def _centres(layer: Layer) -> list[NDArray[np.float64]]:
    """Centres of the boxes of a layer in the world (S, A, R); of an even number of voxels, the upper one of the middle two."""
    voxels = [((k0 + k1) // 2, (j0 + j1) // 2, (i0 + i1) // 2) for i0, i1, j0, j1, k0, k1 in record(layer).get("boxes", ())]
    return [np.array(layer.data_to_world(voxel), dtype=float) for voxel in voxels]
