"""How layers look in 3-D: the brain as a mist, the regions in it as bodies; and in 2-D again as they were.

napari shows a volume's projection of what is brightest, and labels as bodies: a heatmap, a brain mask and a ground truth over a scan are
then one solid body, and each of them costs as much time a frame as the scan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from napari.layers import Image, Labels, Layer

from .layers import is_map, is_scan, record

if TYPE_CHECKING:
    from napari.components import ViewerModel

_SCAN = {"rendering": "attenuated_mip", "attenuation": 0.02, "opacity": 0.5, "blending": "translucent_no_depth"}
"""Bright tissue, dimmer with its depth; half seen through, and never in front of a region."""

_MAP = {"rendering": "mip", "blending": "additive"}
_STEP, _BODY_STEP = 3.0, 2.0
"""Of the rays, in voxels; vispy's own is 0.8."""

_BODY = {"rendering": "iso_categorical", "opacity": 1.0, "blending": "translucent"}


class SolidLook:
    """Dresses the layers of a viewer for 3-D, and undresses them.

    Parameters
    ----------
    viewer : ViewerModel
        Known weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = ref(viewer)
        self._before: WeakKeyDictionary[Layer, dict[str, tuple[Any, Any]]] = WeakKeyDictionary()

    def follow(self, _event: object = None) -> None:
        """The viewer shows 2 or 3 dimensions now, or has another layer."""
        viewer = self._viewer()
        if viewer is None:
            return
        if viewer.dims.ndisplay == 3:
            self._dress(viewer)
        else:
            self._undress()

    def connect(self, viewer: ViewerModel) -> None:
        """Follow the viewer: before napari draws a layer in its old look, and once more when it has made what draws it."""
        for emitter in (viewer.dims.events.ndisplay, viewer.layers.events.inserted):
            emitter.connect(self.follow)
            emitter.connect(self.hasten, position="last")
        self.follow()

    def disconnect(self, viewer: ViewerModel) -> None:
        """Follow the viewer no more."""
        for emitter in (viewer.dims.events.ndisplay, viewer.layers.events.inserted):
            emitter.disconnect(self.follow)
            emitter.disconnect(self.hasten)

    def hasten(self, _event: object = None) -> None:
        """Have rays take longer steps: without a GPU a frame of a whole brain takes seconds else, and a mist has no fine edges."""
        viewer = self._viewer()
        window = getattr(viewer, "window", None)
        if viewer is None or window is None or viewer.dims.ndisplay != 3:
            return
        visuals = window._qt_viewer.canvas.layer_to_visual
        for layer, changed in self._before.items():
            node: Any = visuals[layer].node if layer in visuals else None
            if changed and hasattr(node, "relative_step_size"):
                node.relative_step_size = _BODY_STEP if isinstance(layer, Labels) else _STEP

    def _dress(self, viewer: ViewerModel) -> None:
        maps_of_regions = {id(record(layer).get("map")) for layer in viewer.layers if _is_regions(layer) and layer.visible}
        for layer in tuple(viewer.layers):
            look = self._look(layer, maps_of_regions) if layer.ndim >= 3 else {}
            changed = self._before.setdefault(layer, {})
            for name, value in look.items():
                # What was set once may have been changed by hand; a map is hidden when its regions arrive.
                if name not in changed:
                    changed[name] = (getattr(layer, name), value)
                    setattr(layer, name, value)

    def _look(self, layer: Layer, maps_of_regions: set[int]) -> dict[str, Any]:
        if is_map(layer):
            # Its regions say where it is high, and can be told from each other.
            hidden = {"visible": False} if id(record(layer)["map"]) in maps_of_regions or record(layer).get("kind") == "compared" else {}
            return _MAP | hidden
        if isinstance(layer, Image) and is_scan(layer):
            return _SCAN if record(layer).get("kind", "scan") != "derived" else _MAP
        if _is_regions(layer):
            return _BODY
        if isinstance(layer, Labels) and record(layer):
            # A brain mask hides what is in it, and a ground truth the regions.
            return {"visible": False}
        return {}

    def _undress(self) -> None:
        for layer, changed in tuple(self._before.items()):
            for name, (before, ours) in changed.items():
                # What was changed by hand meanwhile stays.
                if getattr(layer, name) == ours:
                    setattr(layer, name, before)
        self._before.clear()


def _is_regions(layer: Layer) -> bool:
    return isinstance(layer, Labels) and record(layer).get("kind") == "regions"
