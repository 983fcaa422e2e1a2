"""Scans, anomaly maps and masks as napari layers, and back. The only code that transposes.

A layer holds ``data.T``, indexed (k, j, i) = (superior, anterior, right), in millimetres along the axes of the world. napari
drops the rotation of an oblique grid in 2-D, so such a grid is shown axis-aligned about its true centre; the true affine is in
``layer.metadata["brain_uad"]["affine"]`` and is what the mm read-out and saving use.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Vectors
from napari.utils.colormaps import Colormap, DirectLabelColormap
from numpy.typing import ArrayLike, NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.checks import Finding, check_same_affine, check_same_shape, raise_errors
from ...core.errors import InputError
from ...core.extremes import apart, robust_range
from ...core.sequence import SEQUENCES, USER
from ...core.volume import Grid, Volume, canonical
from ...evaluation.colours import MISS_COLOUR, heat_limits, heat_table, score_limits
from .boxes import Box, box_segments
from .mask_layer import LiveMask, region_colormap
from .mask_values import inside, inside_layer, is_binary, whole_numbers
from .pictures import is_picture, is_picture_mask, slice_mask, slice_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

KEY = "brain_uad"
"""Where a layer's metadata say what it is: kind ("scan", "map", "mask", "regions", "boxes"), affine, and the object shown."""

CELL = "cell"
"""Key of the record of every layer of a comparison, which shows and hides them itself."""

MILLIMETRES = ("mm", "mm", "mm")
AXIS_LABELS = ("S", "A", "R")

TRUTH_COLOUR = MISS_COLOUR
BOX_COLOUR = "#FFFFFF"
_START = 95.0


def heat_colormap() -> Colormap:
    """The colours of a heatmap, see `evaluation.colours.heat_table`."""
    return Colormap(heat_table(), name="heat")


def placement(grid: Grid) -> dict[str, Any]:
    """Layer arguments that put (k, j, i) data of `grid` at its place in the world: scale, translate, units, axis labels."""
    spacing = np.array(grid.spacing)
    centre = (np.array(grid.shape) - 1) / 2
    corner = grid.to_world(centre) - spacing * centre
    return {
        "scale": tuple(float(v) for v in spacing[::-1]),
        "translate": tuple(float(v) for v in corner[::-1]),
        "units": MILLIMETRES,
        "axis_labels": AXIS_LABELS,
    }


def contrast_limits(
    data: NDArray[np.float32], mask: NDArray[np.bool_] | None = None, percentiles: tuple[float, float] = (0.1, 99.9)
) -> tuple[float, float]:
    """Grey-level window between two percentiles of the voxels that hold tissue, which clips 0.1 % at each end unless told otherwise.

    Without `mask` these are the voxels that differ from the most common border value, the background of a stripped scan.
    """
    if mask is not None and mask.any():
        values = data[mask]
    else:
        # Every other voxel along each axis is plenty for a percentile.
        thin = data[::2, ::2, ::2] if data.size > 1_000_000 else data
        values = thin[thin != data.flat[0]]
    if values.size == 0:
        values = data.ravel()
    low, high = (float(v) for v in np.percentile(values.clip(*robust_range(values)), percentiles))
    if high <= low:
        # One value on a background, as in a mask: both can be told from each other.
        low, high = sorted((float(data.flat[0]), high))
    return apart(low, high)


def layer_name(amap: AnomalyMap) -> str:
    """``"<scan> | <method>"``."""
    return f"{amap.name} | {amap.method}"


def volume_layer(volume: Volume) -> tuple[Any, dict[str, Any], str]:
    """Layer data tuple of a scan."""
    meta = {
        "name": volume.name,
        "colormap": "gray",
        "contrast_limits": contrast_limits(volume.data, volume.mask),
        "metadata": {KEY: {"kind": "scan", "affine": volume.grid.affine, "volume": volume}},
        **placement(volume.grid),
    }
    return volume.data.T, meta, "image"


def labels_layer(volume: Volume) -> tuple[Any, dict[str, Any], str]:
    """Layer data tuple of a mask or of labels, read as a volume of whole numbers; `view.ViewOverlay` draws it as an outline."""
    labels = whole_numbers(volume.data).T
    meta: dict[str, Any] = {
        "name": volume.name,
        "opacity": 0.9,
        "metadata": {KEY: {"kind": "mask", "affine": volume.grid.affine, "volume": volume}},
        **placement(volume.grid),
    }
    if labels.max() <= 1 or is_binary(labels):
        meta["colormap"] = DirectLabelColormap(color_dict={None: "transparent", max(int(labels.max()), 1): TRUTH_COLOUR})
    return labels, meta, "labels"


def fraction_layer(volume: Volume) -> tuple[Any, dict[str, Any], str]:
    """Layer data tuple of a map of fractions or probabilities: an image from 0 to 1, which may be a mask but no scan."""
    data, meta, kind = volume_layer(volume)
    meta["contrast_limits"] = (0.0, 1.0)
    meta["metadata"][KEY]["kind"] = "mask"
    return data, meta, kind


def add_labels(viewer: ViewerModel, mask: NDArray[np.bool_], like: Volume, *, name: str) -> Labels:
    """Show a mask on the grid of `like`, outlined."""
    data, meta, _ = labels_layer(replace(like, data=mask.astype(np.float32), name=name, mask=None, findings=()))
    layer = Labels(data, **meta)
    viewer.add_layer(layer)
    return layer


def map_layer(amap: AnomalyMap, threshold: float | None = None) -> tuple[Any, dict[str, Any], str]:
    """Layer data tuple of a heatmap; `view.ViewOverlay` gives it its colour bar.

    It is seen above `threshold`; without one, which the Tune dock will find, above the 95th percentile of the brain's scores.
    """
    limits = score_limits(amap)
    start = float(np.percentile(amap.brain_scores(), _START)) if threshold is None else threshold
    meta = {
        "name": layer_name(amap),
        "colormap": heat_colormap(),
        "contrast_limits": heat_limits(limits, start),
        "blending": "translucent",
        "metadata": {KEY: {"kind": "map", "affine": amap.grid.affine, "map": amap, "limits": limits}},
        **placement(amap.grid),
    }
    return amap.score.T, meta, "image"


def add_map(viewer: ViewerModel, amap: AnomalyMap, *, threshold: float | None = None, bare: bool = False, **noted: Any) -> Image:
    """Show a heatmap with its colour bar; the heatmaps of earlier runs on this scan are hidden, not removed.

    With `bare` neither is the layer made the active one nor has it a colour bar until `add_colour_bar`: half the work for one step. What is
    `noted` goes into its record before it is added: the Tune dock reads it as soon as the layer is there.
    """
    for layer in viewer.layers:
        known = record(layer)
        if CELL in known:
            continue
        compared = known.get("compared")
        shown = known.get("map", None if compared is amap else compared)
        if shown is not None and shown.name == amap.name:
            layer.visible = False
    data, meta, _ = map_layer(amap, threshold)
    meta["metadata"][KEY] |= noted
    layer = Image(data, **meta)
    if bare:
        record(layer)["bare"] = True
        _add_inactive(viewer, layer)
    else:
        viewer.add_layer(layer)
    return layer


def picture_layer(amap: AnomalyMap, data: NDArray[np.float32], name: str, *, visible: bool) -> Image:
    """The layer of something that a method compared to make `amap`, on its grid; neither a scan nor a map."""
    meta = {KEY: {"kind": "derived", "affine": amap.grid.affine, "compared": amap}}
    limits = contrast_limits(data, amap.mask)
    return Image(data.T, name=name, colormap="gray", contrast_limits=limits, visible=visible, metadata=meta, **placement(amap.grid))


def add_colour_bar(layer: Image) -> None:
    """Let a heatmap that was added bare have the colour bar, see `colour_bars.ColourBars`."""
    record(layer).pop("bare", None)
    # Heard by the viewer's colour bars, of which one is seen.
    layer.events.visible()


def add_regions(viewer: ViewerModel, amap: AnomalyMap, live: LiveMask) -> Labels:
    """Add the mask of `amap` as a Labels layer; the active layer stays so."""
    layer = Labels(
        live,
        name=f"{layer_name(amap)} | regions",
        colormap=region_colormap(live.has_truth),
        opacity=0.9,
        metadata={KEY: {"kind": "regions", "affine": amap.grid.affine, "map": amap}},
        **placement(amap.grid),
    )
    # Painting into computed labels has no meaning. Outlined: what lies in a region, anatomy and score, counts.
    layer.editable = False
    layer.contour = 1
    _add_inactive(viewer, layer)
    return layer


def add_boxes(viewer: ViewerModel, amap: AnomalyMap) -> Vectors:
    """Add an empty layer for the boxes of `amap`'s regions, which `show_boxes` fills; the active layer stays so."""
    layer = Vectors(
        np.zeros((0, 2, 3), np.float32),
        ndim=3,
        name=f"{layer_name(amap)} | boxes",
        edge_color=BOX_COLOUR,
        edge_width=0.5,
        vector_style="line",
        metadata={KEY: {"kind": "boxes", "affine": amap.grid.affine, "map": amap}},
        **placement(amap.grid),
    )
    _add_inactive(viewer, layer)
    return layer


def _add_inactive(viewer: ViewerModel, layer: Layer) -> None:
    """Add a layer without making it the active one; to make the one before active again would fill napari's controls twice."""
    layers = viewer.layers
    usual, layers._activate_on_insert = layers._activate_on_insert, False
    try:
        viewer.add_layer(layer)
    finally:
        layers._activate_on_insert = usual


def show_boxes(layer: Vectors, boxes: list[Box], viewer: ViewerModel) -> None:
    """Draw `boxes` for the way the viewer looks now: a rectangle on every slice they cover, or in 3-D their edges."""
    dims = viewer.dims
    across = None if dims.ndisplay == 3 else (dims.order[-3] if dims.ndim == 3 else 0)
    record(layer)["boxes"] = boxes
    # The layer list would repaint all its rows, and the viewer measure all layers again; boxes lie inside the scan.
    with viewer.layers.events.blocker_all():
        layer.data = box_segments(boxes, across)


def record(layer: Layer) -> dict[str, Any]:
    """What this plugin noted about a layer; empty for other layers."""
    noted = layer.metadata.get(KEY)
    return noted if isinstance(noted, dict) else {}


def is_map(layer: Layer) -> bool:
    """Whether a layer shows an anomaly map."""
    return isinstance(layer, Image) and "map" in record(layer)


def is_scan(layer: Layer) -> bool:
    """Whether a layer holds one 3-D grey-level image that is not an anomaly map."""
    return isinstance(layer, Image) and not is_map(layer) and layer.ndim == 3 and not layer.rgb and not layer.multiscale


def map_of(layer: Layer) -> AnomalyMap:
    """The anomaly map that a heatmap shows.

    Raises
    ------
    InputError
        If the layer shows none.
    """
    found = record(layer).get("map")
    if not isinstance(found, AnomalyMap):
        raise InputError(f"Layer '{layer.name}' is not an anomaly map", fix="Run Detect anomalies first, or open a map it saved")
    return found


def set_sequence(layer: Layer, sequence: str | None) -> None:
    """Say which sequence a layer's scan is; None leaves it as it was read."""
    layer.metadata[KEY] = {**record(layer), "sequence": sequence}


def sequence_set(layer: Layer) -> str | None:
    """What `set_sequence` said."""
    said = record(layer).get("sequence")
    return said if said in SEQUENCES else None


def volume_of(layer: Layer) -> Volume:
    """The scan in an Image layer, as `read_volume_of` gives it, with the sequence that the user set."""
    volume, said = read_volume_of(layer), sequence_set(layer)
    return volume if said is None else volume.with_sequence(said, USER)


def outline_of(layer: Layer) -> Volume:
    """The same, to know all but the values by: zeros stand in for those that would first have to be loaded or computed."""
    volume, said = read_volume_of(layer, values=False), sequence_set(layer)
    return volume if said is None else volume.with_sequence(said, USER)


def read_volume_of(layer: Layer, *, values: bool = True) -> Volume:
    """The scan in an Image layer, whoever opened it; without the `values` see `outline_of`.

    Returns
    -------
    Volume
        With the layer's present data and name; of a 2-D picture one slice. Another layer from elsewhere gets its affine from the layer's
        own transform, its axes taken as (superior, anterior, right), and a finding that says so.

    Raises
    ------
    InputError
        If the layer holds neither a 3-D image nor a grey picture.
    """
    if isinstance(layer, Image) and is_picture(layer):
        return slice_of(layer)
    if not isinstance(layer, Image) or not is_scan(layer):
        raise InputError(
            f"Layer '{layer.name}' is not a 3-D image",
            fix="Choose a layer that holds one 3-D grey-level scan, or a grey picture of a slice",
        )
    there = values or isinstance(layer.data, np.ndarray)
    data = np.asarray(layer.data, np.float32).T if there else np.broadcast_to(np.float32(0), layer.data.shape[::-1])
    known = record(layer).get("volume")
    if isinstance(known, Volume) and known.data.shape == data.shape:
        return replace(known, data=data, name=layer.name)
    finding = Finding(
        "orientation-assumed",
        "warning",
        f"layer '{layer.name}' does not say how it lies: its axes are taken as superior, anterior, right and its sizes as mm",
        "Open the file with this plugin so that left and right are known",
    )
    turned, grid = canonical(data, Grid(_shape(data), layer_affine(layer)))
    return Volume(np.ascontiguousarray(turned, dtype=np.float32) if there else turned, grid, name=layer.name, findings=(finding,))


def mask_of(layer: Layer, grid: Grid, label: str, scan: NDArray[np.float32] | None = None, *, check: bool = True) -> NDArray[np.bool_]:
    """A layer as a mask on `grid`, shape (i, j, k): the voxels inside it (see `io.labels.inside`), in any order in memory.

    Raises
    ------
    InputError
        If it does not lie on `grid`, or, with `check`, its values are a scan's (`scan` or another; as a truth a map's of scores, too).
    """
    data = layer.data
    raw = data.flagged() if isinstance(data, LiveMask) else inside_layer(layer, label, scan) if check else inside(np.asarray(data))
    noted = record(layer).get("affine")
    if raw.ndim == 2:
        mask = slice_mask(raw)
        raise_errors(f"Layer '{layer.name}'", (check_same_shape(grid.shape, mask.shape, label),))
        return mask
    mask = raw.T
    if noted is None:
        mask, own = canonical(mask, Grid(_shape(mask), layer_affine(layer)))
        # What we show of an oblique grid is its axis-aligned stand-in: compare with that.
        grid = Grid(grid.shape, _shown_affine(grid))
    else:
        own = Grid(_shape(mask), noted)
    for finding in grid.compare(own, label):
        raise InputError(f"Layer '{layer.name}'", why=finding.message, fix=finding.fix)
    return mask


def fits(layer: Layer, grid: Grid) -> bool:
    """Whether a layer has as many voxels as `grid` and lies at the same place: enough to offer it as a mask."""
    if layer.ndim == 2:
        return is_picture_mask(layer) and (*layer.data.shape[::-1], 1) == grid.shape
    if tuple(layer.data.shape[::-1]) != grid.shape:
        return False
    noted = record(layer).get("affine")
    own, wanted = (layer_affine(layer), _shown_affine(grid)) if noted is None else (noted, grid.affine)
    return check_same_affine(wanted, own, grid.shape, layer.name) is None


def layer_affine(layer: Layer) -> NDArray[np.float64]:
    """Affine from (i, j, k) voxels of a 3-D layer to napari's world read as (right, anterior, superior) mm."""
    points = [layer.data_to_world(point) for point in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0))]
    origin, *ends = (np.array(point, dtype=np.float64)[::-1] for point in points)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([end - origin for end in ends], axis=1)
    affine[:3, 3] = origin
    return affine


def voxel_at(layer: Layer, position: ArrayLike) -> tuple[int, int, int] | None:
    """The voxel (i, j, k) of a 3-D layer under a position in napari's world, or None outside."""
    inside = np.round(np.asarray(layer.world_to_data(np.asarray(position)))).astype(int)
    if (inside < 0).any() or (inside >= np.array(layer.data.shape)).any():
        return None
    k, j, i = (int(v) for v in inside)
    return i, j, k


def _shown_affine(grid: Grid) -> NDArray[np.float64]:
    place = placement(grid)
    affine = np.diag((*place["scale"][::-1], 1.0))
    affine[:3, 3] = place["translate"][::-1]
    return affine


def _shape(data: NDArray[Any]) -> tuple[int, int, int]:
    i, j, k = data.shape
    return int(i), int(j), int(k)
