"""One colour bar for one picture: that of the topmost heatmap seen, with what it measures beside it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any
from weakref import ref

from napari.components.overlays import TextOverlay
from napari.layers import Image

from ...detectors.registry import method_class, method_ids
from .layers import is_map, map_of, record

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...core.anomaly_map import AnomalyMap

WORDS = "brain_uad_colour_bar"
_LINE = 20
"""Letters in a line: the words stand over the scan."""


class ColourBars:
    """Keeps the colour bars of a viewer's heatmaps; side by side, each cell has its own, and what they count is said once.

    Parameters
    ----------
    viewer : ViewerModel
        Known weakly; `detach` lets go of it.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = ref(viewer)
        viewer.canvas.overlays[WORDS] = TextOverlay(
            text="", visible=False, color="white", font_size=7, box=True, box_color=(0, 0, 0, 0.55), position="top_right"
        )
        # The bar below the words, at the edge: beside them it would stand over the brain.
        tiling = viewer.canvas.overlay_tiling
        self._before, tiling.top_right = tiling.top_right, "vertical"
        for emitter in self._emitters(viewer):
            emitter.connect(self.update)
        for layer in viewer.layers:
            layer.events.visible.connect(self.update)
        viewer.layers.events.inserted.connect(self._added)

    @staticmethod
    def _emitters(viewer: ViewerModel) -> tuple[Any, ...]:
        events = viewer.layers.events
        return events.removed, events.reordered, viewer.canvas.grid.events.enabled

    def detach(self) -> None:
        """Take the words off the viewer, and every callback."""
        viewer = self._viewer()
        if viewer is None:
            return
        for emitter in self._emitters(viewer):
            emitter.disconnect(self.update)
        viewer.layers.events.inserted.disconnect(self._added)
        for layer in viewer.layers:
            layer.events.visible.disconnect(self.update)
        viewer.canvas.overlay_tiling.top_right = self._before
        del viewer.canvas.overlays[WORDS]

    def _added(self, event: Any) -> None:
        event.value.events.visible.connect(self.update)
        self.update()

    def update(self, _event: object = None) -> None:
        """Show the bar of the topmost heatmap that is seen, and hide the others."""
        viewer = self._viewer()
        if viewer is None:
            return
        overlay = viewer.canvas.overlays[WORDS]
        # In a grid the top right corner belongs to the bar of one cell.
        overlay.position = "bottom_right" if viewer.canvas.grid.enabled else "top_right"
        if viewer.canvas.grid.enabled:
            overlay.text = next((words for layer in viewer.layers if (words := record(layer).get("bar"))), "")
            overlay.visible = bool(overlay.text)
            return
        heats = [layer for layer in viewer.layers if isinstance(layer, Image) and is_map(layer) and record(layer).get("kind") == "map"]
        seen = [layer for layer in heats if layer.visible and not record(layer).get("bare")]
        shown = seen[-1] if seen else None
        for layer in heats:
            if layer.colorbar.visible is not (layer is shown):
                layer.colorbar.visible = layer is shown
        if shown is not None:
            overlay.text = bar_words(map_of(shown))
        overlay.visible = shown is not None


def bar_words(amap: AnomalyMap) -> str:
    """What a heatmap's colours mean: the method, and what its score measures, in short lines."""
    name = method_class(amap.method).INFO.name if amap.method in method_ids() else amap.method
    return "\n".join((*textwrap.wrap(name, _LINE), *textwrap.wrap(amap.unit, _LINE)))
