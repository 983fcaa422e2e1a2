"""Hearing of every change of a viewer's layers that can be seen, at one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer

if TYPE_CHECKING:
    from napari.components import ViewerModel

_LOOKS = ("opacity", "blending", "contrast_limits", "gamma", "colormap", "contour", "labels_update")
"""Events of a layer after which it looks different at the same place."""

_PLACES = ("visible", "data", "scale", "translate", "affine")
"""Events of a layer after which others may have to be asked where they are and what they hold."""


class LayerWatch:
    """Tells when the layers of a viewer come to look different.

    Parameters
    ----------
    viewer : ViewerModel
        Whose layers.
    changed : callable
        Called with True when layers came, went, moved or were hidden, with False when they look different or hold other values; often
        many times for what is one change to the user, so it should only take note.

    Notes
    -----
    napari says that a layer was cut anew, not why. At another point of the viewer it was a new slice, which is no change; at the same
    one the layer holds something else: a threshold moved, labels were painted, data were changed in place and refreshed.
    """

    def __init__(self, viewer: ViewerModel, changed: Callable[[bool], None]) -> None:
        self._viewer = viewer
        self._changed = changed
        self._cuts: dict[Layer, tuple[Any, ...]] = {}
        for emitter in self._lists():
            emitter.connect(self._list_changed)
        for layer in viewer.layers:
            self._watch(layer)

    def detach(self) -> None:
        """Let go of the viewer and of every layer."""
        for emitter in self._lists():
            emitter.disconnect(self._list_changed)
        for layer in list(self._cuts):
            self._unwatch(layer)

    def _lists(self) -> tuple[Any, ...]:
        events = self._viewer.layers.events
        return events.inserted, events.removed, events.reordered

    def _cut(self) -> tuple[Any, ...]:
        dims = self._viewer.dims
        return (dims.point, dims.order, dims.ndisplay)

    def _emitters(self, layer: Layer) -> list[Any]:
        found = (getattr(layer.events, name, None) for name in (*_LOOKS, *_PLACES, "set_data"))
        return [emitter for emitter in found if emitter is not None]

    def _watch(self, layer: Layer) -> None:
        self._cuts[layer] = self._cut()
        for emitter in self._emitters(layer):
            emitter.connect(self._layer_changed)

    def _unwatch(self, layer: Layer) -> None:
        del self._cuts[layer]
        for emitter in self._emitters(layer):
            emitter.disconnect(self._layer_changed)

    def _list_changed(self, event: Any) -> None:
        if event.type == "inserted":
            self._watch(event.value)
        elif event.type == "removed" and event.value in self._cuts:
            self._unwatch(event.value)
        self._changed(True)

    def _layer_changed(self, event: Any) -> None:
        if event.type == "set_data":
            cut = self._cut()
            before, self._cuts[event.source] = self._cuts[event.source], cut
            if cut != before:
                return
        self._changed(event.type in _PLACES)


def visible_here(viewer: ViewerModel) -> list[Layer]:
    """The layers that make up one picture, the lowest first.

    All of them, unless the viewer shows them side by side: then those in the cell of the active layer, or of the first cell that holds
    an image.
    """
    grid = viewer.canvas.grid
    if not grid.enabled or not viewer.layers:
        return list(viewer.layers)
    active = viewer.layers.selection.active
    cells = [[viewer.layers[index] for index in sorted(indices)] for _, indices in grid.iter_viewboxes(viewer.layers) if indices]
    for cell in cells:
        if active in cell:
            return cell
    return next((cell for cell in cells if any(isinstance(layer, Image) for layer in cell)), list(viewer.layers))
