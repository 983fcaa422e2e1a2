"""The result of a run as layers: at once, or a layer at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Vectors
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.volume import Volume
from .layers import add_boxes, add_colour_bar, add_labels, add_map, add_regions, fits, mask_of, record, show_boxes
from .mask_layer import LiveMask, finished_mask
from .view import attach, go_to

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...workflows.detect import Detection


def add_detection(viewer: ViewerModel, detection: Detection, *, jump: bool = True) -> tuple[Image, Labels, Vectors]:
    """Show the result of one run: heatmap, regions, boxes; with `jump` the view goes to the strongest region."""
    live = finished_mask(detection.map, detection.result, detection.truth)
    *_, heat, regions, boxes = adding_detection(viewer, detection, live)
    viewer.layers.selection.active = heat
    if jump and detection.result.regions:
        go_to(viewer, heat, detection.result.regions[0].peak_index)
    return heat, regions, boxes


def adding_detection(viewer: ViewerModel, detection: Detection, live: LiveMask) -> Iterator[Any]:
    """`add_detection` in steps of less than a tenth of a second, which napari needs for a layer; the active layer stays so.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers.
    detection : Detection
        What one run gave.
    live : LiveMask
        Its mask, from `finished_mask`.

    Yields
    ------
    Layer
        The one the step was about: a ground truth that is not on show yet, the heatmap, the heatmap with its colour bar, regions, boxes.
        The steps end early when the heatmap is removed between two of them.
    """
    attach(viewer)
    amap, result, truth = detection.map, detection.result, detection.truth
    if truth is not None and not _shows_truth(viewer, detection.volume, truth):
        yield add_labels(viewer, truth, detection.volume, name=f"{detection.volume.name} | ground truth")
    heat = add_map(viewer, amap, threshold=result.threshold.value, bare=True, truth=truth, post=detection.post)
    yield heat
    if heat in viewer.layers:
        add_colour_bar(heat)
        yield heat
    if heat in viewer.layers:
        # The Tune dock, if it is open, may have been faster.
        yield own_layer(viewer, amap, "regions", above=heat) or add_regions(viewer, amap, live)
    if heat in viewer.layers:
        boxes = own_layer(viewer, amap, "boxes", above=heat)
        if boxes is None:
            boxes = add_boxes(viewer, amap)
            show_boxes(boxes, [region.box for region in result.regions], viewer)
        yield boxes


def own_layer(viewer: ViewerModel, amap: AnomalyMap, kind: str, *, above: Layer | None = None) -> Layer | None:
    """The topmost layer of a kind ("regions", "boxes") that shows this map's result, if need be only one above another layer."""
    for layer in reversed(viewer.layers):
        if layer is above:
            return None
        if record(layer).get("kind") == kind and record(layer)["map"] is amap:
            return layer
    return None


def _shows_truth(viewer: ViewerModel, volume: Volume, truth: NDArray[np.bool_]) -> bool:
    """Whether a ground truth, which may have come from a file or a script, is in a layer."""
    candidates = (layer for layer in viewer.layers if isinstance(layer, Labels) and fits(layer, volume.grid))
    return any(np.array_equal(mask_of(layer, volume.grid, "ground truth"), truth) for layer in candidates)
