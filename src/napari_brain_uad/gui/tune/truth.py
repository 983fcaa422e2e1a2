"""What a map is measured against in the Tune dock: which layer, and what that holds now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from ...core.errors import InputError
from ...io.labels import TRUTH
from ..layers.brain_layer import holds
from ..layers.layers import fits, map_of, mask_of, record
from ..layers.subjects import likely_mask, tokens_of_scan
from ..layers.tuning import Tuning
from ..widgets.layer_box import LayerBox
from ..widgets.scan_inputs import says_truth

if TYPE_CHECKING:
    from napari.components import ViewerModel

PAUSE_MS = 250
"""A stroke of the brush tells of many changes: they are read when it rests."""

_EVENTS = ("paint", "data", "labels_update", "set_data")
"""What a layer tells when it may hold something else; a slice that is shown comes as `set_data`, too."""


class TruthReader(QObject):
    """Reads the ground truth that is chosen, and hears of it when it is painted.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers.
    box : LayerBox
        Where it is chosen.
    parent : QObject
        Owns it.
    touched : callable
        Told when the layer may hold something else.

    Attributes
    ----------
    error : InputError or None
        Why the chosen layer cannot be the truth of what is tuned.
    """

    def __init__(self, viewer: ViewerModel, box: LayerBox, parent: QObject, touched: Callable[[], None]) -> None:
        super().__init__(parent)
        self._viewer, self._box = viewer, box
        self.error: InputError | None = None
        self._layer: Layer | None = None
        self._tuning: Tuning | None = None
        self._seen: NDArray[np.bool_] | None = None
        self._checked: object = None
        """The values that were found to be a truth's: painting in them makes no scan of them, and each stroke is to be quick."""
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(PAUSE_MS)
        self._soon.timeout.connect(touched)

    def likely(self, heat: Layer) -> Layer | None:
        """The truth the detection was made with, else as in Detect: one that its name says to be one and that is no other scan's."""
        grid, given = map_of(heat).grid, record(heat).get("truth")
        fitting = [layer for layer in self._box.layers() if fits(layer, grid)]
        of = tokens_of_scan(self._viewer, heat)
        if given is not None:
            alike = [layer for layer in fitting if holds(layer, grid, given)]
            if alike:
                return likely_mask(alike, of) or alike[0]
        return likely_mask([layer for layer in fitting if says_truth(layer.name)], of)

    def read(self, tuning: Tuning) -> bool:
        """Have what is tuned measured against what the chosen layer holds now; whether that is something else than before."""
        layer, self.error = self._box.layer, None
        self._follow(layer)
        found: NDArray[np.bool_] | None = None
        if layer is not None:
            try:
                found = mask_of(layer, tuning.amap.grid, TRUTH, check=layer.data is not self._checked)
                self._checked = layer.data
            except InputError as error:
                self.error = error
        before = self._seen if tuning is self._tuning else None
        if found is before or (found is not None and before is not None and np.array_equal(found, before)):
            return False
        # As it lies in memory, it compares many times faster with what is read next.
        self._tuning, self._seen = tuning, found
        tuning.truth = None if found is None else np.ascontiguousarray(found)
        return True

    def stop(self) -> None:
        """Hear of no layer any more; for a dock that ends."""
        self._soon.stop()
        self._follow(None)

    def _follow(self, layer: Layer | None) -> None:
        if layer is self._layer:
            return
        for emitter in self._emitters():
            emitter.disconnect(self._touched)
        self._layer, self._checked = layer, None
        for emitter in self._emitters():
            emitter.connect(self._touched)

    def _emitters(self) -> list[Any]:
        found = [] if self._layer is None else [getattr(self._layer.events, name, None) for name in _EVENTS]
        return [emitter for emitter in found if emitter is not None]

    def _touched(self, _event: object = None) -> None:
        self._soon.start()
