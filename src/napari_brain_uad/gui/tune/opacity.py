"""How much of what lies below a heatmap is seen through it."""

from __future__ import annotations

from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget
from superqt import QLabeledSlider


class OpacitySlider(QLabeledSlider):
    """The opacity of one layer, in per cent; moves with it when it is changed elsewhere."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._layer: Layer | None = None
        self.setRange(0, 100)
        self.setAccessibleName("Opacity of the heatmap")
        self.setToolTip("Opacity of the heatmap: less shows more of the anatomy")
        self.valueChanged.connect(self._moved)

    def follow(self, layer: Layer | None) -> None:
        """Stand for another layer, or none."""
        if self._layer is not None:
            self._layer.events.opacity.disconnect(self._show)
        self._layer = layer
        self.setEnabled(layer is not None)
        if layer is not None:
            layer.events.opacity.connect(self._show)
            self._show()

    def _moved(self, per_cent: int) -> None:
        if self._layer is not None:
            self._layer.opacity = per_cent / 100

    def _show(self, _event: object = None) -> None:
        if self._layer is not None:
            self.blockSignals(True)
            self.setValue(round(100 * self._layer.opacity))
            self.blockSignals(False)
