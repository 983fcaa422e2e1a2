"""Prepared scans as layers, and anomaly maps of them back in the scan's own space."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari.layers import Image, Labels, Layer

from ...core.anomaly_map import AnomalyMap
from ...core.errors import InputError
from ...core.progress import Progress
from ...core.volume import Volume
from ...postprocessing.params import PostParams
from ..layers.detection_layers import add_detection
from ..layers.layers import KEY, add_labels, is_map, map_of, record, volume_layer
from ..layers.mask_layer import LiveMask
from ..layers.subjects import join, layers_of, scan_scored, scans, token_of
from ..layers.view import attach

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...preprocessing.prepared import Prepared
    from ...workflows.detect.detect import Detection
    from ...workflows.scans.prepare_session import SequenceRun

PREPARED, NATIVE, FROM = "prepared", "native", "prepared_from"
"""Keys of a prepared scan's record: its `Prepared` (the way back to the scan), the scan as loaded, and the token of that scan's layer."""

BACK = "back"
"""Key of a heatmap's record: the map that was brought back of it."""


def add_prepared(viewer: ViewerModel, run: SequenceRun, preset: str, scan: Layer) -> Image:
    """Show a prepared scan and its brain, in place of an earlier preparation of the same scan by the same preset.

    Parameters
    ----------
    run : SequenceRun
        What was prepared.
    preset : str
        Names the layer: ``"<scan> | <preset>"``.
    scan : Layer
        The layer of the scan that was prepared.

    Returns
    -------
    Image
        The prepared scan; its record holds `PREPARED`, `NATIVE` and `FROM`.
    """
    native, prepared = run.native, run.prepared
    name = f"{native.name} | {preset}"
    # By their records: two patients' scans may have one name.
    token = token_of(scan)
    for layer in [layer for layer in viewer.layers if record(layer).get(FROM) == token and record(layer).get("preparation") == preset]:
        viewer.layers.remove(layer)
    scan.visible = False
    made: list[Layer] = []
    if prepared.native_mask is not None and native.mask is None:
        made.append(_noted(add_labels(viewer, prepared.native_mask, native, name=f"{native.name} | brain mask"), preset, token))
        join(made[-1], scan)
    volume = own_space(prepared, name)
    data, meta, _ = volume_layer(volume)
    # Before it is added: whoever lists the layers then asks what it is.
    meta["metadata"][KEY] |= {PREPARED: prepared, NATIVE: native, FROM: token, "preparation": preset}
    shown = Image(data, **meta)
    if volume.mask is not None:
        made.append(_noted(add_labels(viewer, volume.mask, volume, name=f"{name} | brain mask"), preset, token))
        join(made[-1], shown)
    for layer in made:
        layer.visible = False
    viewer.add_layer(shown)
    attach(viewer)
    return shown


def own_space(prepared: Prepared, name: str) -> Volume:
    """A prepared scan as a scan of its own: its file's place does not hold for it, its file's hash and left and right do."""
    volume = prepared.volume
    source = None if volume.source is None else replace(volume.source, grid=volume.grid, path=None)
    return replace(volume, name=name, source=source)


def prepared_of(layer: Layer) -> Prepared | None:
    """How a layer's scan was prepared, if it was."""
    return record(layer).get(PREPARED)


def maps_to_bring_back(viewer: ViewerModel) -> list[Layer]:
    """Heatmaps that were made of prepared scans which are still open, and not brought back yet."""
    maps = [layer for layer in viewer.layers if is_map(layer) and record(layer)["kind"] == "map"]
    shown = {id(map_of(layer)) for layer in maps}
    return [layer for layer in maps if id(record(layer).get(BACK)) not in shown and prepared_scan(viewer, layer) is not None]


def show_back(viewer: ViewerModel, heat: Layer, detection: Detection) -> None:
    """Show a map that was brought back, with its scan, in place of what is shown of the prepared scan."""
    scan = prepared_scan(viewer, heat)
    ours = [] if scan is None else layers_of(viewer, scan)
    native = None if scan is None else next((layer for layer in scans(viewer) if token_of(layer) == record(scan)[FROM]), None)
    for layer in ours:
        layer.visible = False
    if native is not None:
        native.visible = True
    record(heat)[BACK] = detection.map
    add_detection(viewer, detection, scan=native)


def brought_back(viewer: ViewerModel, heat: Layer) -> BackJob:
    """What is needed to bring a heatmap back, collected in the main thread; `BackJob.run` then works in any.

    Raises
    ------
    InputError
        If the prepared scan that it was made from is not open any more.
    """
    amap = map_of(heat)
    scan = prepared_scan(viewer, heat)
    if scan is None:
        raise InputError(f"The prepared scan of '{heat.name}' is not open any more", fix="Prepare it again, then detect")
    post = record(heat).get("post") or PostParams()
    origin = ""
    for layer in viewer.layers:
        if isinstance(layer, Labels) and record(layer).get("map") is amap and isinstance(layer.data, LiveMask):
            threshold = layer.data.threshold
            if threshold.per_slice is None:
                post = replace(post, threshold=repr(float(threshold.value)))
                origin = f"{threshold.origin}, found on the prepared scan"
    return BackJob(record(scan)[PREPARED], record(scan)[NATIVE], amap, post, origin)


class BackJob:
    """A map on its way back."""

    def __init__(self, prepared: Prepared, native: Volume, amap: AnomalyMap, post: PostParams, origin: str) -> None:
        self._prepared, self._native, self._amap, self._post, self._origin = prepared, native, amap, post, origin

    def run(self, progress: Progress) -> Detection:
        """Resample the map to the scan's own grid and find its regions there, with the threshold that was found on the prepared scan."""
        from ...workflows.detect.detect import finish_detection

        progress.update(0.0, "Bringing the map back")
        amap = replace(self._prepared.map_to_native(self._amap), name=self._native.name, scan=self._native.data)
        volume = self._native.with_mask(amap.mask)
        found = finish_detection(volume, amap, self._post, truth=None, command="", progress=progress.part(0.4, 1.0))
        if not self._origin:
            return found
        threshold = replace(found.result.threshold, origin=self._origin)
        return replace(found, result=replace(found.result, threshold=threshold))


def prepared_scan(viewer: ViewerModel, heat: Layer) -> Layer | None:
    """The open prepared scan that a heatmap was made from; None for one of another scan."""
    scan = scan_scored(viewer, heat)
    made = None if scan is None else prepared_of(scan)
    return None if made is None or made.volume.grid.compare(map_of(heat).grid, "map") else scan


def _noted(layer: Layer, preset: str, token: str) -> Layer:
    layer.metadata[KEY] |= {"preparation": preset, FROM: token}
    return layer
