"""The result of a run as layers: at once, or a layer at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Vectors
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.volume import Volume
from ...postprocessing.edits import REJECTED
from .brain_layer import add_brain, holds, insert_above
from .layers import (
    add_boxes,
    add_colour_bar,
    add_labels,
    add_map,
    add_regions,
    fits,
    layer_name,
    picture_layer,
    record,
    show_boxes,
)
from .mask_layer import LiveMask, finished_mask, region_colormap
from .repaint import repaint, show_heat
from .subjects import join, note_further, scan_of_map
from .view import attach, go_to
from .view_actions import show_map

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...workflows.detect.detect import Detection


def add_detection(
    viewer: ViewerModel, detection: Detection, *, jump: bool = True, scan: Layer | None = None
) -> tuple[Image, Labels, Vectors]:
    """Show the result of one run: heatmap, regions, boxes; with `jump` the view goes to the strongest region."""
    live = finished_mask(detection.map, detection.result, detection.truth)
    *_, heat, regions, boxes = adding_detection(viewer, detection, live, scan)
    viewer.layers.selection.active = heat
    if jump and detection.result.regions:
        go_to(viewer, heat, detection.result.regions[0].peak_index)
    return heat, regions, boxes


def adding_detection(
    viewer: ViewerModel, detection: Detection, live: LiveMask, scan: Layer | None = None, further: Sequence[Layer] = ()
) -> Iterator[Any]:
    """`add_detection` in steps of less than a tenth of a second, which napari needs for a layer; the active layer stays so.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers.
    detection : Detection
        What one run gave.
    live : LiveMask
        Its mask, from `finished_mask`.
    scan : Layer, optional
        The scan's layer, whose subject the others become part of; found by what the map says when it is not given.
    further : sequence of Layer
        Those of the further sequences that were scored with it.

    Yields
    ------
    Layer
        The one the step was about: brain mask and ground truth that are not on show yet, what the method compared, the heatmap, the
        heatmap with its colour bar, regions, boxes.
        The steps end early when the heatmap is removed between two of them.
    """
    attach(viewer)
    amap, result, truth = detection.map, detection.result, detection.truth
    scan = scan_of_map(viewer, amap) if scan is None else scan
    brain = add_brain(viewer, detection.volume, scan)
    if brain is not None:
        yield brain
    if truth is not None:
        shown = _showing_truth(viewer, detection.volume, truth)
        if shown is None:
            shown = add_labels(viewer, truth, detection.volume, name=f"{detection.volume.name} | ground truth")
            yield shown
        if scan is not None:
            join(shown, scan)
    yield from adding_pictures(viewer, detection, scan)
    noted = {"truth": truth, "post": detection.post} | ({} if detection.edits is None else {"edits": detection.edits})
    heat = add_map(viewer, amap, threshold=result.threshold.value, bare=True, **noted)
    if scan is not None:
        join(heat, scan)
    note_further(heat, further)
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
            show_boxes(boxes, [region.box for region in result.regions if region.review != REJECTED], viewer)
        yield boxes


def show_again(viewer: ViewerModel, heat: Layer, detection: Detection, live: LiveMask) -> None:
    """Have the layers of a map tell a detection of that same map: its threshold, regions and boxes; and show them, not other methods'.

    They may be hidden, under another threshold, or gone but for the heatmap.

    Parameters
    ----------
    heat : Layer
        The heatmap.
    live : LiveMask
        The detection's mask, from `finished_mask`.
    """
    amap, result = detection.map, detection.result
    record(heat)["post"] = detection.post
    if own_layer(viewer, amap, "regions") is None:
        add_regions(viewer, amap, live)
    if own_layer(viewer, amap, "boxes") is None:
        add_boxes(viewer, amap)
    show_map(viewer, heat)
    if isinstance(heat, Image) and record(heat).get("bare"):
        add_colour_bar(heat)
    boxes = [region.box for region in result.regions if region.review != REJECTED]
    # All of them: against another ground truth the same map was shown once more.
    for layer in [layer for layer in viewer.layers if record(layer).get("map") is amap]:
        if isinstance(layer, Labels) and isinstance(layer.data, LiveMask):
            layer.data.take(live)
            layer.colormap = region_colormap(live.has_truth)
            record(layer).pop("with_truth", None)  # the Tune dock may have other ideas
            repaint(viewer, layer, layer.data)
        elif isinstance(layer, Vectors):
            show_boxes(layer, boxes, viewer)
    show_heat(viewer, heat, result.threshold.value)


def adding_pictures(viewer: ViewerModel, detection: Detection, scan: Layer | None) -> Iterator[Layer]:
    """Add what the method compared, below the maps of the scan; all but the last are hidden until somebody wants to see them.

    Those of the same map that are on show are not added again.
    """
    shown = {layer.name for layer in viewer.layers if record(layer).get("compared") is detection.map}
    for number, (name, data) in enumerate(detection.pictures.items(), start=1):
        title = f"{layer_name(detection.map)} | {name}"
        if title not in shown:
            layer = picture_layer(detection.map, data, title, visible=number == len(detection.pictures))
            if scan is not None:
                join(layer, scan)
            insert_above(viewer, layer, scan)
            yield layer


def own_layer(viewer: ViewerModel, amap: AnomalyMap, kind: str, *, above: Layer | None = None) -> Layer | None:
    """The topmost layer of a kind ("regions", "boxes") that shows this map's result, if need be only one above another layer."""
    for layer in reversed(viewer.layers):
        if layer is above:
            return None
        if record(layer).get("kind") == kind and record(layer)["map"] is amap:
            return layer
    return None


def _showing_truth(viewer: ViewerModel, volume: Volume, truth: NDArray[np.bool_]) -> Layer | None:
    """The layer that shows a ground truth, which may have come from a file or a script."""
    candidates = (layer for layer in viewer.layers if isinstance(layer, Labels) and fits(layer, volume.grid))
    return next((layer for layer in candidates if holds(layer, volume.grid, truth)), None)
