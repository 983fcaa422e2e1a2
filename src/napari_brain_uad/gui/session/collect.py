"""From a viewer to a session: what its layers hold, copied where the window may change it while it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Layer, Vectors
from napari.utils.colormaps import AVAILABLE_COLORMAPS, DirectLabelColormap

from ...core.anomaly_map import AnomalyMap
from ...core.errors import InputError
from ...core.text import readable
from ...core.volume import Volume
from ...postprocessing.edits import RegionEdits
from ...postprocessing.params import PostParams
from ..app.docks import open_titles
from ..layers.brain_layer import is_runs_own, needs_preparation
from ..layers.detection_layers import own_layer
from ..layers.layers import is_map, is_scan, map_of, read_volume_of, record, sequence_set
from ..layers.mask_layer import LiveMask
from ..layers.subjects import tokens
from .items import ARRAY, BOXES, DERIVED, MAP, MASK, REGIONS, SCAN, Item, WindowSession

if TYPE_CHECKING:
    from napari.components import ViewerModel

LOOKS: dict[type[Layer], tuple[str, ...]] = {
    Image: ("visible", "opacity", "blending", "gamma", "contrast_limits"),
    Labels: ("visible", "opacity", "blending", "contour"),
    Vectors: ("visible", "opacity", "blending"),
}
"""Attributes of layers that are kept."""

PLACE = ("scale", "translate", "rotate", "shear", "affine")
CAMERA = ("center", "zoom", "angles")
_KEPT = (Image, Labels, Vectors)


def collect(viewer: ViewerModel) -> WindowSession:
    """What a viewer holds now.

    Raises
    ------
    InputError
        If there is nothing to keep, or a comparison is on show, whose cells are copies.
    """
    if any(record(layer).get("kind") == "compared" for layer in viewer.layers):
        raise InputError("The session", why="methods are shown side by side", fix="Leave the comparison, then save it")
    items: list[Item] = []
    left_out: list[str] = []
    places: dict[Layer, int] = {}
    with _flat(viewer):
        for layer in viewer.layers:
            item = _item(layer)
            if isinstance(item, str):
                left_out.append(f"{readable(layer.name)}: {item}")
            else:
                places[layer] = len(items)
                items.append(item)
                if item.kind == MAP and item.amap is not None:
                    item.notes["threshold"] = _threshold(viewer, item.amap)
        point = [float(value) for value in viewer.dims.point]
    if not items:
        why = "; ".join(left_out) or "no layer is open"
        raise InputError("There is nothing to save", why=why, fix="Open a scan first")
    dims, active = viewer.dims, viewer.layers.selection.active
    view = {
        "point": point,
        "order": list(dims.order),
        "ndisplay": dims.ndisplay,
        "camera": {name: _plain(getattr(viewer.scene.camera, name)) for name in CAMERA},
        "active": places.get(active) if active is not None else None,
    }
    return WindowSession(tuple(items), view, open_titles(viewer), tuple(left_out))


def _threshold(viewer: ViewerModel, amap: AnomalyMap) -> float | None:
    """Where the threshold of a map stands, for where its rule cannot be worked out again."""
    regions = own_layer(viewer, amap, "regions")
    live = None if regions is None else regions.data
    return float(live.threshold.value) if isinstance(live, LiveMask) else None


@contextmanager
def _flat(viewer: ViewerModel) -> Iterator[None]:
    """In 3-D layers wear another look (`solid.SolidLook`); what is kept is the one they have in 2-D."""
    shown = viewer.dims.ndisplay
    viewer.dims.ndisplay = 2
    try:
        yield
    finally:
        viewer.dims.ndisplay = shown


def _item(layer: Layer) -> Item | str:
    """The item of a layer, or why it is not kept."""
    if not isinstance(layer, _KEPT):
        return f"layers of {type(layer).__name__.lower()} are not kept"
    noted = record(layer)
    item = Item(str(noted.get("kind", ARRAY)), layer.name, _look(layer), {**tokens(layer), "sequence": sequence_set(layer)})
    if item.kind == MAP and is_map(layer):
        item.amap, item.truth = map_of(layer), noted.get("truth")
        item.edits = noted.get("edits", RegionEdits())
        item.notes["post"] = noted.get("post", PostParams()).as_dict()
    elif item.kind in (REGIONS, BOXES):
        item.amap = noted["map"]
    elif item.kind == DERIVED:
        item.amap, item.data = noted["compared"], np.asarray(layer.data, np.float32).T
    elif item.kind == SCAN and isinstance(noted.get("volume"), Volume) and is_scan(layer):
        item.volume = read_volume_of(layer)
    elif item.kind == MASK and isinstance(noted.get("volume"), Volume):
        item.volume = replace(noted["volume"], data=np.asarray(layer.data, np.float32).T, name=layer.name)
        item.notes |= {"labels": isinstance(layer, Labels), "made": is_runs_own(layer), "with_preparation": needs_preparation(layer)}
    else:
        return _array(layer, item)
    return item


def _array(layer: Layer, item: Item) -> Item | str:
    """A layer of others: its values and where they lie."""
    if isinstance(layer, Vectors) or layer.multiscale or not isinstance(layer.data, np.ndarray):
        return "it was opened by another plugin, and is no image or labels that fit into memory"
    item.kind, item.data = ARRAY, layer.data.copy()
    _, meta, _ = layer.as_layer_data_tuple()
    item.place = {name: _plain(meta[name]) for name in PLACE if name in meta}
    item.notes |= {"labels": isinstance(layer, Labels), "rgb": bool(getattr(layer, "rgb", False))}
    return item


def _look(layer: Layer) -> dict[str, Any]:
    names = next(names for kind, names in LOOKS.items() if isinstance(layer, kind))
    look = {name: _plain(getattr(layer, name)) for name in names}
    if isinstance(layer, Image) and layer.colormap.name in AVAILABLE_COLORMAPS:
        look["colormap"] = layer.colormap.name
    if isinstance(layer, Labels) and not isinstance(layer.data, LiveMask) and isinstance(layer.colormap, DirectLabelColormap):
        # JSON has no key None, which stands for all other labels.
        look["colours"] = [[label, _plain(colour)] for label, colour in layer.colormap.color_dict.items()]
    return look


def _plain(value: Any) -> Any:
    """A value as JSON data."""
    if hasattr(value, "affine_matrix"):
        value = value.affine_matrix
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int | float | None) else str(value)
