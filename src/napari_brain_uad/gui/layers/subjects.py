"""Subjects: a scan, its masks, and what methods made of it. Layers say in their record which scan they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from napari.layers import Image, Labels, Layer

from ...core.volume import Grid, Volume
from .layers import KEY, fits, is_map, is_scan, layer_affine, record
from .pictures import is_picture

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...core.anomaly_map import AnomalyMap

_TOKEN, _OF, _AWAY = "subject", "of", "put_away"
"""Keys of a record: a scan's own token, the tokens of the scans that another layer belongs to, and whether `show_only` hid it."""


def token_of(scan: Layer) -> str:
    """What the layers of a scan's subject name it by; names of layers may change and be alike."""
    token: str = _noted(scan).setdefault(_TOKEN, uuid4().hex)
    return token


def join(layer: Layer, scan: Layer) -> None:
    """Note that a layer belongs to a scan's subject; a mask may belong to several sequences."""
    of = _noted(layer).setdefault(_OF, [])
    if token_of(scan) not in of:
        of.append(token_of(scan))


def tokens(layer: Layer) -> dict[str, Any]:
    """What a layer's record says of subjects, as JSON data, for `set_tokens`."""
    noted = record(layer)
    return {_TOKEN: noted.get(_TOKEN), _OF: list(noted.get(_OF, ())), _AWAY: bool(noted.get(_AWAY))}


def set_tokens(layer: Layer, said: Mapping[str, Any], new: Callable[[str], str]) -> None:
    """Have a layer be part of the subjects that `tokens` told of, each token by the new name that `new` gives it."""
    noted, of = _noted(layer), said.get(_OF)
    if isinstance(said.get(_TOKEN), str):
        noted[_TOKEN] = new(said[_TOKEN])
    noted[_OF] = [new(token) for token in of if isinstance(token, str)] if isinstance(of, list) else []
    noted[_AWAY] = said.get(_AWAY) is True


def belongs_elsewhere(layer: Layer, scan: Layer) -> bool:
    """Whether a layer belongs to other scans and not to this one."""
    of = record(layer).get(_OF, ())
    return bool(of) and token_of(scan) not in of


def belongs(layer: Layer, scan: Layer) -> bool:
    """Whether a layer is noted as one of this scan's."""
    return token_of(scan) in record(layer).get(_OF, ())


def scans(viewer: ViewerModel) -> list[Layer]:
    """The scans that are open, the lowest first; the copies in the cells of a comparison are none."""
    return [layer for layer in viewer.layers if is_scan(layer) and record(layer).get("kind", "scan") == "scan"]


def scan_of_map(viewer: ViewerModel, amap: AnomalyMap) -> Layer | None:
    """The open scan that a map was made from: by its name, on its grid."""
    found = [scan for scan in scans(viewer) if scan.name == amap.name and not grid_of(scan).compare(amap.grid, "map")]
    return found[-1] if found else None


def layers_of(viewer: ViewerModel, scan: Layer) -> list[Layer]:
    """The layers of a scan's subject, the lowest first.

    These are the scan, what is noted as its own, regions and boxes of its maps, and what says nothing but lies on its grid, where no
    other scan lies on the same one.
    """
    own = [layer for layer in viewer.layers if layer is not scan and is_map(layer) and _owns_map(viewer, scan, layer)]
    maps = {id(record(layer)["map"]) for layer in own}
    alone = not any(other is not scan and fits(other, grid_of(scan)) for other in scans(viewer))
    return [layer for layer in viewer.layers if layer is scan or _is_part(layer, scan, maps, alone)]


def scan_of(viewer: ViewerModel, layer: Layer | None) -> Layer | None:
    """The scan whose subject a layer is part of, itself included; None for a layer of none, or of several."""
    if layer is None or record(layer).get("kind") in ("compared", "derived"):
        return None
    found = [scan for scan in scans(viewer) if layer is scan or layer in layers_of(viewer, scan)]
    return found[0] if len(found) == 1 else None


def show_only(viewer: ViewerModel, scan: Layer) -> None:
    """Show a scan's subject and hide all else; what was hidden so of this subject before is seen again."""
    if viewer.canvas.grid.enabled:
        return
    ours = layers_of(viewer, scan)
    with viewer.layers.batched_update():
        for layer in viewer.layers:
            if layer in ours:
                _back(layer)
            elif layer.visible:
                _noted(layer)[_AWAY] = True
                layer.visible = False
        scan.visible = True
    bring_into_view(viewer, scan)


def show_subject(viewer: ViewerModel, scan: Layer) -> None:
    """Show a scan that was chosen in a dock: over the others, with its layers, at slices where it is."""
    if viewer.canvas.grid.enabled:
        return
    if is_picture(scan):
        scan.visible = True
        viewer.layers.selection.active = scan
        return
    before = next((other for other in reversed(scans(viewer)) if other.visible), None)
    ours = layers_of(viewer, scan)
    for layer in ours:
        _back(layer)
    scan.visible = True
    places = [viewer.layers.index(layer) for layer in ours]
    if before is not None and viewer.layers.index(before) > places[0]:
        viewer.layers.move_multiple(places, len(viewer.layers))
    viewer.layers.selection.active = scan
    bring_into_view(viewer, scan, elsewhere=before is None or not fits(before, grid_of(scan)))


def bring_into_view(viewer: ViewerModel, scan: Layer, *, elsewhere: bool = False) -> None:
    """Move the slices into a scan if they lie outside of it; with `elsewhere` look at all of it, too."""
    dims, extent = viewer.dims, scan.extent.world
    point = np.array(dims.point[-3:], dtype=float)
    outside = bool(((point < extent[0]) | (point > extent[1])).any())
    if outside:
        dims.point = (*dims.point[: dims.ndim - 3], *extent.mean(axis=0))
    if outside or elsewhere:
        _look_at(viewer, extent)


def _look_at(viewer: ViewerModel, extent: Any) -> None:
    """Napari looks at all layers, hidden ones too: turn to the middle of one, and come closer."""
    viewer.reset_view()
    if viewer.dims.ndisplay != 2:
        return
    shown = [axis - (viewer.dims.ndim - 3) for axis in viewer.dims.displayed]
    whole = viewer.layers.extent.world[:, -3:]
    parts = [(whole[1][axis] - whole[0][axis]) / max(extent[1][axis] - extent[0][axis], 1e-6) for axis in shown]
    centre = list(viewer.scene.camera.center)
    centre[-2:] = [float(extent[:, axis].mean()) for axis in shown]
    viewer.scene.camera.center = tuple(centre)
    viewer.scene.camera.zoom *= max(min(parts), 1.0)


def grid_of(scan: Layer) -> Grid:
    """The grid of a scan, whoever opened it."""
    known = record(scan).get("volume")
    if isinstance(known, Volume) and known.data.shape == tuple(scan.data.shape[::-1]):
        return known.grid
    i, j, k = (int(size) for size in scan.data.shape[::-1])
    return Grid((i, j, k), layer_affine(scan))


def _owns_map(viewer: ViewerModel, scan: Layer, heat: Layer) -> bool:
    if record(heat).get("kind") != "map":
        return False
    return belongs(heat, scan) or (not record(heat).get(_OF) and scan_of_map(viewer, record(heat)["map"]) is scan)


def _is_part(layer: Layer, scan: Layer, maps: set[int], alone: bool) -> bool:
    noted = record(layer)
    if noted.get("map") is not None:
        return id(noted["map"]) in maps and noted.get("kind") not in ("compared", "derived")
    if noted.get(_OF):
        return belongs(layer, scan)
    other = isinstance(layer, Image | Labels) and not (is_scan(layer) and noted.get("kind", "scan") == "scan")
    return alone and other and layer.ndim == 3 and fits(layer, grid_of(scan))


def _back(layer: Layer) -> None:
    if record(layer).pop(_AWAY, False):
        layer.visible = True


def _noted(layer: Layer) -> dict[str, Any]:
    """A layer's record, to write in; one opened by others gets one."""
    if not isinstance(layer.metadata.get(KEY), dict):
        layer.metadata[KEY] = {}
    return record(layer)
