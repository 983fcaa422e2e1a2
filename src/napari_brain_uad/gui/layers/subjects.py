"""Subjects: a scan, its masks, and what methods made of it. Layers say in their record which scan they belong to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from napari.layers import Image, Labels, Layer

from ...core.volume import Grid, Volume
from .layers import KEY, fits, is_map, is_scan, layer_affine, record, volume_of
from .pictures import is_picture

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...core.anomaly_map import AnomalyMap

_TOKEN, _OF, _WITH, _AWAY = "subject", "of", "with", "put_away"
"""Keys of a record: a scan's own token; the tokens of the scans that another layer belongs to, and, of a map, of the further sequences that
were scored with its scan; and whether `show_only` hid it."""


def token_of(scan: Layer) -> str:
    """What the layers of a scan's subject name it by; names of layers may change and be alike."""
    token: str = _noted(scan).setdefault(_TOKEN, uuid4().hex)
    return token


def join(layer: Layer, scan: Layer) -> None:
    """Note that a layer belongs to a scan's subject; a mask may belong to several sequences."""
    of = _noted(layer).setdefault(_OF, [])
    if token_of(scan) not in of:
        of.append(token_of(scan))


def note_further(heat: Layer, further: Sequence[Layer]) -> None:
    """Note which other sequences a map was averaged from: it stays one of its first scan's layers alone."""
    if further:
        _noted(heat)[_WITH] = [token_of(scan) for scan in further]


def tokens(layer: Layer) -> dict[str, Any]:
    """What a layer's record says of subjects, as JSON data, for `set_tokens`."""
    noted = record(layer)
    return {_TOKEN: noted.get(_TOKEN), **{key: list(noted.get(key, ())) for key in (_OF, _WITH)}, _AWAY: bool(noted.get(_AWAY))}


def set_tokens(layer: Layer, said: Mapping[str, Any], new: Callable[[str], str]) -> None:
    """Have a layer be part of the subjects that `tokens` told of, each token by the new name that `new` gives it."""
    told: dict[str, Any] = {_TOKEN: new(said[_TOKEN])} if isinstance(said.get(_TOKEN), str) else {}
    for key in (_OF, _WITH):
        named = said.get(key)
        if isinstance(named, list) and named:
            told[key] = [new(token) for token in named if isinstance(token, str)]
    told |= {_AWAY: True} if said.get(_AWAY) is True else {}
    if told:  # a layer of others has no record, unless there is something to say
        _noted(layer).update(told)


def belongs_elsewhere(layer: Layer, scan: Layer) -> bool:
    """Whether a layer belongs to other scans and not to this one."""
    of = record(layer).get(_OF, ())
    return bool(of) and token_of(scan) not in of


def belongs(layer: Layer, scan: Layer) -> bool:
    """Whether a layer is noted as one of this scan's."""
    return token_of(scan) in record(layer).get(_OF, ())


def tokens_of_scan(viewer: ViewerModel, heat: Layer) -> tuple[str, ...]:
    """What the layers of the scan that a heatmap was made from name it by; as far as the heatmap knows, where the scan is not open."""
    scan = scan_scored(viewer, heat)
    return tuple(record(heat).get(_OF, ())) if scan is None else (token_of(scan),)


def likely_mask(masks: Sequence[Layer], of: Collection[str]) -> Layer | None:
    """Which of these masks is the one of a scan: the newest of its own, else the only one that is noted as no scan's.

    Parameters
    ----------
    masks : sequence of Layer
        What lies on the scan's grid, and says by its name what it is.
    of : collection of str
        The scan's tokens.
    """
    own = [layer for layer in masks if set(record(layer).get(_OF, ())).intersection(of)]
    free = [layer for layer in masks if not record(layer).get(_OF)]
    return own[-1] if own else (free[0] if len(free) == 1 else None)


def told_to_belong(layer: Mapping[str, Any], scan: Mapping[str, Any]) -> bool:
    """The same by what `tokens` told of both."""
    of = layer.get(_OF)
    return isinstance(of, list) and isinstance(scan.get(_TOKEN), str) and scan[_TOKEN] in of


def scans(viewer: ViewerModel) -> list[Layer]:
    """The scans that are open, the lowest first; the copies in the cells of a comparison are none."""
    return [layer for layer in viewer.layers if is_scan(layer) and record(layer).get("kind", "scan") == "scan"]


def scan_of_map(viewer: ViewerModel, amap: AnomalyMap) -> Layer | None:
    """The open scan that a map was made from, as far as the map itself says: the one of its name, else the one of its file.

    Both lie on its grid. One that came from another file than the map's record names is another scan, whatever its name.
    """
    able = _able(viewer, amap)
    named = [scan for scan in able if scan.name == amap.name]
    return named[-1] if named else _only(scan for scan in able if _is_input(scan, _input_of(amap)))


def scan_scored(viewer: ViewerModel, heat: Layer) -> Layer | None:
    """The open scan that a heatmap was made from, whatever both are called by now; None when it is not open.

    A scan that was closed and opened again is told by its file. Only for a map that nothing was noted of (its own file was opened) name
    and grid have to do, where they leave no choice.
    """
    amap, of = record(heat)["map"], record(heat).get(_OF, ())
    noted = [scan for scan in scans(viewer) if token_of(scan) in of]
    if noted:
        return _only(noted)
    if of:
        return _only(scan for scan in _able(viewer, amap) if _is_input(scan, _input_of(amap)))
    return scan_of_map(viewer, amap) or _only(_able(viewer, amap))


def scan_missed(viewer: ViewerModel, heat: Layer | None) -> Volume | None:
    """The open scan that a heatmap was made from, where its map has none itself, as one from its own file; else None."""
    if heat is None or record(heat)["map"].scan is not None:
        return None
    scan = scan_scored(viewer, heat)
    return None if scan is None else volume_of(scan)


def further_scored(viewer: ViewerModel, heat: Layer, inputs: Sequence[Mapping[str, Any]]) -> list[Layer | None]:
    """The further sequences that a heatmap was averaged from; None for one that is not open any more.

    Parameters
    ----------
    inputs : sequence of mapping
        What the map's record says of each.
    """
    known = [*record(heat).get(_WITH, ()), *([""] * len(inputs))]
    found = []
    for token, about in zip(known, inputs, strict=False):
        noted = (scan for scan in scans(viewer) if token_of(scan) == token)
        found.append(next(noted, None) or _only(scan for scan in scans(viewer) if _is_input(scan, about)))
    return found


def _able(viewer: ViewerModel, amap: AnomalyMap) -> list[Layer]:
    """The scans on a map's grid that came from no other file than the map."""
    file = _input_of(amap).get("file_sha256")
    there = (scan for scan in scans(viewer) if not file or _sha256(scan) in ("", file))
    return [scan for scan in there if not grid_of(scan).compare(amap.grid, "map")]


def _input_of(amap: AnomalyMap) -> Mapping[str, Any]:
    """What a map's record says of the scan; empty when it says nothing."""
    said = amap.provenance.get("input")
    return said if isinstance(said, Mapping) else {}


def _is_input(scan: Layer, about: Mapping[str, Any]) -> bool:
    """Whether a scan is what a map's record says: of its file, and where that gives several images, of its name."""
    if not _sha256(scan) or _sha256(scan) != about.get("file_sha256"):
        return False
    volume = record(scan)["volume"]
    # All volumes of a 4-D file have its hash, and so has what was prepared from it: their names tell them apart.
    several = volume.source.path is not None and volume.source.volume_index is not None
    return volume.name == about.get("name") or not (several or "preparation" in record(scan))


def _sha256(scan: Layer) -> str:
    """Of the file a scan came from; empty for none."""
    known = record(scan).get("volume")
    return known.source.sha256 if isinstance(known, Volume) and known.source is not None else ""


def _only(found: Iterable[Layer]) -> Layer | None:
    """The one that there is; None for none, and for several that nothing tells apart."""
    listed = list(found)
    return listed[0] if len(listed) == 1 else None


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
