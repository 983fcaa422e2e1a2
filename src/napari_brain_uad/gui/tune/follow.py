"""Which map the Tune dock shows: that of the subject at hand, or it says whose it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QLabel

from ..layers.layers import is_map, is_scan
from ..layers.subjects import layers_of, scan_of, show_subject
from ..layers.view_actions import show_map
from ..widgets.layer_box import LayerBox

if TYPE_CHECKING:
    from napari.components import ViewerModel


class SubjectFollower(QObject):
    """Chooses the newest map of the subject whose layer becomes the active one; what is tuned may be another's only if words say so.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers.
    maps : LayerBox
        The maps that can be tuned; a map chosen there by hand is shown.
    words : QLabel
        Says whose map is tuned where that could be mistaken; hidden otherwise.
    parent : QObject
        Owns it.
    scan_came : callable
        Told when a scan was opened.
    """

    def __init__(self, viewer: ViewerModel, maps: LayerBox, words: QLabel, parent: QObject, scan_came: Callable[[], None]) -> None:
        super().__init__(parent)
        self._viewer, self._maps, self._words = viewer, maps, words
        self._missing: Layer | None = None
        # Layers come and go in the middle of napari's own events: look when they are over.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._say)
        self._came = QTimer(self)
        self._came.setSingleShot(True)
        self._came.timeout.connect(scan_came)
        words.hide()
        for emitter in self._emitters():
            emitter.connect(self._active_changed)
        viewer.layers.events.removed.connect(self._later)
        viewer.layers.events.inserted.connect(self._inserted)
        maps.layer_changed.connect(self._later)
        maps.activated.connect(self._show_chosen)
        self._soon.start()

    def disconnect_viewer(self) -> None:
        """Stop following the viewer; for a dock that ends."""
        self._soon.stop()
        self._came.stop()
        for emitter in self._emitters():
            emitter.disconnect(self._active_changed)
        self._viewer.layers.events.removed.disconnect(self._later)
        self._viewer.layers.events.inserted.disconnect(self._inserted)

    def _emitters(self) -> tuple[Any, ...]:
        return (self._viewer.layers.selection.events.active,)

    def _active_changed(self, _event: object = None) -> None:
        scan = scan_of(self._viewer, self._viewer.layers.selection.active)
        if scan is None:
            return
        ours = layers_of(self._viewer, scan)
        maps = [layer for layer in ours if layer in self._maps.layers()]
        self._missing = None if maps else scan
        active = self._viewer.layers.selection.active
        if active in maps:
            self._maps.choose(active)
        elif maps and self._maps.layer not in maps:
            self._maps.choose(next((layer for layer in reversed(maps) if layer.visible), maps[-1]))
        self._later()

    def _inserted(self, event: Any) -> None:
        if is_scan(event.value):
            self._came.start()

    def _later(self, _event: object = None) -> None:
        self._soon.start()

    def _say(self) -> None:
        shown = self._maps.layer
        text = ""
        if shown is not None and is_map(shown):
            scan = scan_of(self._viewer, shown)
            if scan is None:
                text = f"Shows {shown.name}, whose scan is not open any more."
            elif self._missing is not None and self._missing is not scan and self._missing in self._viewer.layers:
                text = f"Shows {scan.name}: {self._missing.name} has no anomaly map yet."
        self._words.setText(text)
        self._words.setVisible(bool(text))

    def _show_chosen(self) -> None:
        layer = self._maps.layer
        scan = scan_of(self._viewer, layer)
        if layer is not None and scan is not None and not self._viewer.canvas.grid.enabled:
            show_subject(self._viewer, scan)
            show_map(self._viewer, layer)
            self._viewer.layers.selection.active = layer
