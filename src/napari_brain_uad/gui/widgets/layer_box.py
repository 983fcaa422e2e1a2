"""A box to choose a layer with, which follows the viewer's layer list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from ..layers.layers import record
from ..layers.mask_values import is_binary
from ..layers.pictures import is_picture_mask
from .editors import ComboBox

if TYPE_CHECKING:
    from napari.components import ViewerModel


class LayerBox(ComboBox):
    """Lists the viewer's layers that `accepts` lets through, in the order they were added.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers.
    accepts : callable
        Says whether a layer may be chosen.
    none : str
        What to call choosing no layer; without it (empty) a layer is chosen whenever there is one, the newest first. While the box is
        disabled, as when its dock runs, a newer one is only listed: what the run gives is about the one that is chosen.
    parent : QWidget, optional
        As in Qt.

    Attributes
    ----------
    layer_changed : Signal
        Emitted after another layer (or none) was chosen, by hand or because a layer came or went; not on renaming.
    listed : Signal
        Emitted after a layer was added to the list.
    """

    layer_changed = Signal()
    listed = Signal()

    def __init__(self, viewer: ViewerModel, accepts: Callable[[Layer], bool], *, none: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._accepts = accepts
        self._listed: list[Layer | None] = []
        if none:
            self._listed.append(None)
            self.addItem(none)
        for layer in viewer.layers:
            self._add(layer)
        viewer.layers.events.inserted.connect(self._inserted)
        viewer.layers.events.removed.connect(self._removed)
        self.currentIndexChanged.connect(self._chosen)
        self._layer = self.layer

    @property
    def layer(self) -> Layer | None:
        """The chosen layer."""
        index = self.currentIndex()
        return self._listed[index] if 0 <= index < len(self._listed) else None

    def choose(self, layer: Layer | None) -> None:
        """Choose a listed layer.

        Raises
        ------
        ValueError
            If it is not listed.
        """
        self.setCurrentIndex(self._listed.index(layer))

    def layers(self) -> list[Layer]:
        """The layers that can be chosen."""
        return [layer for layer in self._listed if layer is not None]

    def disconnect_viewer(self) -> None:
        """Stop following the viewer; for a dock that ends."""
        self._viewer.layers.events.inserted.disconnect(self._inserted)
        self._viewer.layers.events.removed.disconnect(self._removed)
        for layer in self.layers():
            layer.events.name.disconnect(self._renamed)
        self.blockSignals(True)
        self.clear()
        self._listed.clear()

    def _inserted(self, event: Any) -> None:
        if self._add(event.value):
            if self._listed[0] is not None and self.isEnabled():
                self.choose(event.value)
            self.listed.emit()

    def _add(self, layer: Layer) -> bool:
        if not self._accepts(layer):
            return False
        # Before the item: adding the first item chooses it, and whoever listens asks for its layer.
        self._listed.append(layer)
        self.addItem(layer.name)
        layer.events.name.connect(self._renamed)
        return True

    def _removed(self, event: Any) -> None:
        if event.value in self._listed:
            if event.value is self.layer and self._listed[0] is None:
                self.setCurrentIndex(0)  # Qt would take the next one: another mask is no stand-in for this one
            index = self._listed.index(event.value)
            event.value.events.name.disconnect(self._renamed)
            del self._listed[index]
            self.removeItem(index)
            self._chosen()

    def _renamed(self, event: Any) -> None:
        if event.source in self._listed:
            self.setItemText(self._listed.index(event.source), event.source.name)

    def _chosen(self, _index: int = 0) -> None:
        # Qt reports index changes that leave the same layer chosen (an item above it went): those are no news.
        if self.layer is not self._layer:
            self._layer = self.layer
            self.layer_changed.emit()


def is_scan(layer: Layer) -> bool:
    """Whether a layer may be a scan: an image that is neither an anomaly map nor a mask, whoever opened it."""
    if not isinstance(layer, Image) or record(layer).get("kind", "scan") != "scan":
        return False
    if record(layer):
        return True
    return not is_picture_mask(layer) and (layer.ndim != 3 or not is_binary(_seen(layer)))


def _seen(layer: Image) -> NDArray[Any]:
    """The values of a 3-D image; of one that is loaded or computed when it is needed, three slices."""
    if isinstance(layer.data, np.ndarray) or layer.multiscale:
        return np.asarray(layer.data)
    count = layer.data.shape[0]
    return np.stack([np.asarray(layer.data[count * part // 4]) for part in (1, 2, 3)])


def is_mask(layer: Layer) -> bool:
    """Whether a layer may be a brain mask or a ground truth: labels or an image that no run of ours made; no picture with grey values."""
    if isinstance(layer, Image) and layer.ndim == 2:
        return is_picture_mask(layer)
    return isinstance(layer, Image | Labels) and record(layer).get("kind", "mask") in ("scan", "mask")
