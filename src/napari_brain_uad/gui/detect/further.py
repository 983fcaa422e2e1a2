"""Which other open scans show the same person in another sequence, to be scored together with the chosen one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from ..layers.subjects import scans
from ..widgets.messages import wrapping_label

if TYPE_CHECKING:
    from napari.components import ViewerModel

_WHY = "Tick other sequences of the same person: each is scored with the method's model for it, and the mean is shown."
_NONE = "Open other sequences of the same person, and they can be scored together with this one."


class FurtherScans(QWidget):
    """A box to tick for every open scan but the chosen one.

    Parameters
    ----------
    viewer : ViewerModel
        Whose scans.

    Attributes
    ----------
    changed : Signal
        Emitted after a box was ticked or cleared, or a ticked scan was removed.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._chosen_scan: Layer | None = None
        self._boxes: dict[Layer, QCheckBox] = {}
        self._words = wrapping_label(_NONE)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._words)
        for emitter in (viewer.layers.events.inserted, viewer.layers.events.removed):
            emitter.connect(self._follow)
        self._follow()

    @property
    def layers(self) -> list[Layer]:
        """The scans that are ticked, without the chosen one, the lowest first."""
        return [layer for layer, box in self._boxes.items() if box.isChecked() and layer is not self._chosen_scan]

    def set_scan(self, layer: Layer | None) -> None:
        """The scan that the others are to be scored with; what was ticked for another is cleared."""
        if layer is self._chosen_scan:
            return
        self._chosen_scan = layer
        for box in self._boxes.values():
            box.setChecked(False)
        self._follow()

    def disconnect_viewer(self) -> None:
        """Stop following the viewer; for a dock that ends."""
        for emitter in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            emitter.disconnect(self._follow)
        for layer in self._boxes:
            layer.events.name.disconnect(self._renamed)

    def _follow(self, _event: object = None) -> None:
        open_now, layout = scans(self._viewer), self.layout()
        assert layout is not None
        for layer in [layer for layer in self._boxes if layer not in open_now]:
            box = self._boxes.pop(layer)
            layer.events.name.disconnect(self._renamed)
            ticked = box.isChecked()
            box.setParent(None)
            box.deleteLater()
            if ticked:
                self.changed.emit()
        for layer in [layer for layer in open_now if layer not in self._boxes]:
            box = self._boxes[layer] = QCheckBox(layer.name.replace("&", "&&"))
            box.toggled.connect(lambda _on: self.changed.emit())
            layer.events.name.connect(self._renamed)
            layout.addWidget(box)
        for layer, box in self._boxes.items():
            box.setVisible(layer is not self._chosen_scan)
        self._words.setText(_WHY if len(self._boxes) > (self._chosen_scan in self._boxes) else _NONE)

    def _renamed(self, event: Any) -> None:
        if event.source in self._boxes:
            self._boxes[event.source].setText(event.source.name.replace("&", "&&"))
