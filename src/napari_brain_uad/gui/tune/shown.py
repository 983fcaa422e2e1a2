"""Mask and boxes of the map that is tuned, as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.layers import Labels, Layer, Vectors

from ...core.threshold import Threshold
from ...postprocessing.edits import REJECTED
from ..layers.detection_layers import own_layer
from ..layers.layers import add_boxes, add_regions, record, show_boxes
from ..layers.mask_layer import LiveMask, region_colormap
from ..layers.repaint import repaint
from ..layers.tuning import Settled, Tuning

if TYPE_CHECKING:
    from napari.viewer import Viewer


class ShownResult:
    """Keeps a map's layers at what is tuned; those that were removed come back with the next state at rest.

    Parameters
    ----------
    viewer : Viewer
        Whose layers.
    tuning : callable
        Gives what is tuned now.
    """

    def __init__(self, viewer: Viewer, tuning: Callable[[], Tuning | None]) -> None:
        self._viewer, self._tuning = viewer, tuning

    def move(self, threshold: Threshold) -> None:
        """Flag by a threshold that moves, where there is a mask."""
        live = self._live_mask()
        if live is not None:
            layer, mask = live
            mask.set_threshold(threshold)
            repaint(self._viewer, layer, mask)

    def show(self, settled: Settled) -> None:
        """Show the mask of a state at rest."""
        tuning = self._tuning()
        assert tuning is not None  # its caller has checked
        found = self._live_mask()
        if found is None:
            live = LiveMask(settled.prepared.shown, settled.result.threshold, settled.prepared.shown_truth)
            add_regions(self._viewer, tuning.amap, live)
            found = self._live_mask()
            assert found is not None  # it was just added
        layer, live = found
        with_truth = settled.prepared.shown_truth is not None
        live.set_score(settled.prepared.shown)
        live.set_truth(settled.prepared.shown_truth)
        live.set_threshold(settled.result.threshold)
        live.settle(settled.mask, settled.regions)
        if record(layer).get("with_truth") is not with_truth:
            record(layer)["with_truth"] = with_truth
            layer.colormap = region_colormap(with_truth)
        repaint(self._viewer, layer, live)

    def show_boxes(self, settled: Settled | None) -> None:
        """Draw the boxes of a state at rest, for the way the viewer looks now."""
        tuning = self._tuning()
        if tuning is None or settled is None:
            return
        layer = self._own_layer("boxes")
        if layer is None:
            layer = add_boxes(self._viewer, tuning.amap)
        if isinstance(layer, Vectors):
            shown = [region.box for region in settled.result.regions if region.review != REJECTED]
            show_boxes(layer, shown, self._viewer)

    def _live_mask(self) -> tuple[Labels, LiveMask] | None:
        """The layer that shows this map's mask, if it is (still) there."""
        layer = self._own_layer("regions")
        return (layer, layer.data) if isinstance(layer, Labels) and isinstance(layer.data, LiveMask) else None

    def _own_layer(self, kind: str) -> Layer | None:
        tuning = self._tuning()
        return None if tuning is None else own_layer(self._viewer, tuning.amap, kind)
