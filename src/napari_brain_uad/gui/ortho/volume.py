"""The 3-D corner of the ortho view: heatmaps and boxes."""

from __future__ import annotations

from collections.abc import Sequence

from napari.layers import Image, Layer, Vectors
from qtpy.QtWidgets import QWidget

from ..layers.layers import is_map, is_scan, record, show_boxes
from .canvas import OrthoCanvas

_FOLLOWED = ("contrast_limits", "gamma", "colormap", "opacity")


class VolumeCanvas(OrthoCanvas):
    """Heatmaps and boxes in 3-D; the scan where there is no heatmap. Data are shared with the viewer's layers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("3-D view", parent)
        self._copies: dict[Layer, Layer] = {}

    def show_layers(self, layers: Sequence[Layer]) -> None:
        """Show those of `layers` that are visible and belong here, as they look now."""
        seen = [layer for layer in layers if layer.visible]
        maps = [layer for layer in seen if is_map(layer)]
        wanted = maps or [layer for layer in seen if is_scan(layer)][-1:]
        wanted += [layer for layer in seen if record(layer).get("kind") == "boxes"]
        empty = not self._copies
        gone = [layer for layer in self._copies if layer not in wanted]
        if gone:
            # In one batch: the canvas tidies up once, not once a layer.
            with self.model.layers.batched_update():
                for layer in gone:
                    self.model.layers.remove(self._copies.pop(layer))
        for layer in wanted:
            if layer not in self._copies:
                self._add(layer)
            else:
                self._follow(layer, self._copies[layer])
        self.model.layers.selection.clear()
        self._redraw_cross()
        if empty and wanted:
            self.fit()

    def _add(self, layer: Layer) -> None:
        data, state, kind = layer.as_layer_data_tuple()
        if kind == "image":
            # A maximum that fades with depth: what lies in front is told from what lies behind.
            state["rendering"] = "attenuated_mip" if is_map(layer) else "mip"
        copy = Layer.create(data, state, kind)
        self._copies[layer] = copy
        self.model.dims.ndisplay = 3
        self.model.add_layer(copy)
        self._follow(layer, copy)

    def _follow(self, layer: Layer, copy: Layer) -> None:
        if isinstance(copy, Vectors):
            show_boxes(copy, record(layer).get("boxes", []), self.model)
        elif isinstance(copy, Image):
            if copy.data is not layer.data:
                copy.data = layer.data
            for name in _FOLLOWED:
                if getattr(copy, name) != getattr(layer, name):
                    setattr(copy, name, getattr(layer, name))

    def end(self) -> None:
        """Let go of everything."""
        if self._copies:
            self._copies.clear()
            self.model.layers.clear()
        super().end()
