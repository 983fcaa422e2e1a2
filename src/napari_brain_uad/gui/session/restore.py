"""From a session back to a viewer's layers: results are computed from their maps in the background, layers are added in steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import DirectLabelColormap

from ...core.anomaly_map import AnomalyMap
from ...core.errors import BrainUADError
from ...core.progress import Progress
from ...core.threshold import ThresholdRule
from ...postprocessing.edits import REJECTED
from ...postprocessing.params import PostParams
from ...workflows.detect.age import age_of
from ..app.steps import young_garbage_only
from ..layers.brain_layer import note_run
from ..layers.detection_layers import own_layer
from ..layers.layers import (
    add_boxes,
    add_colour_bar,
    add_map,
    add_regions,
    fraction_layer,
    labels_layer,
    picture_layer,
    record,
    set_sequence,
    show_boxes,
    volume_layer,
)
from ..layers.mask_layer import LiveMask, finished_mask
from ..layers.mask_values import inside
from ..layers.subjects import belongs, scans, set_tokens, told_to_belong
from ..layers.view import attach
from ..widgets.age_box import note_age
from .collect import CAMERA, LOOKS, PLACE
from .items import ARRAY, BOXES, DERIVED, MAP, MASK, REGIONS, SCAN, Item, WindowSession

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...postprocessing.pipeline import PostResult


@dataclass(frozen=True, eq=False)
class Result:
    """What a map gives with its settings: what its regions and boxes are drawn from."""

    post: PostParams
    result: PostResult
    live: LiveMask


@dataclass(frozen=True, eq=False)
class Ready:
    """A session with the results of its maps, by the number of their item; `said` is what the user has to know."""

    session: WindowSession
    results: Mapping[int, Result]
    said: tuple[str, ...]


def computed(session: WindowSession, progress: Progress) -> Ready:
    """Work out the regions of every map of a session again. Touches no layer: for a job.

    Raises
    ------
    Cancelled
        If `progress` was.
    """
    results: dict[int, Result] = {}
    said = list(session.left_out)
    for number, item in enumerate(session.items):
        progress.update(number / max(len(session.items), 1), f"Finding the regions of {item.name}")
        if item.kind == MAP and item.amap is not None:
            try:
                results[number] = _result(_with_scan(item.amap, item, session.items), item)
            except BrainUADError as error:
                said.append(f"{item.name}: its regions are not shown, {error}")
    return Ready(session, results, tuple(said))


def _with_scan(amap: AnomalyMap, item: Item, items: Sequence[Item]) -> AnomalyMap:
    """The map with its scan, where the session has that: of its subject, or, for a map from its own file, of its name."""
    from ...workflows.detect.edges import with_scan

    scans = [(other, other.volume) for other in items if other.kind == SCAN and other.volume is not None]
    own = [volume for other, volume in scans if told_to_belong(item.notes, other.notes)]
    named = [volume for other, volume in scans if other.name == amap.name]
    return next((seen for volume in own or named if (seen := with_scan(amap, volume)).scan is not None), amap)


def _result(amap: AnomalyMap, item: Item) -> Result:
    """The result with the settings that were kept; with the threshold's value, when its rule lacks what it needs here."""
    from ...postprocessing.region_edits import edited  # these bring scipy
    from ...workflows.detect.detect import judged

    post = _post(item.notes.get("post"))
    try:
        found = judged(amap, post, truth=item.truth)
    except BrainUADError:
        value = item.notes.get("threshold")
        if not isinstance(value, int | float):
            raise
        post = post.with_rule(ThresholdRule("value", float(value)))
        found = judged(amap, post, truth=item.truth)
    result = edited(found.result, item.edits, amap.grid, truth=item.truth)
    return Result(post, result, finished_mask(amap, result, item.truth))


def _post(said: Any) -> PostParams:
    try:
        # Sessions of before there was an outline, or an edge by the scan, keep the masks they had.
        return PostParams.from_dict({"outline": 1.0, "edge_contrast": 0.0, **said}) if isinstance(said, dict) else PostParams()
    except BrainUADError:
        return PostParams()


def restoring(viewer: ViewerModel, ready: Ready) -> Iterator[float]:
    """Add the layers of a session above those that are there, which are hidden; in steps that yield how much is done."""
    attach(viewer)
    items, names = ready.session.items, _Renamed()
    with young_garbage_only():
        for layer in viewer.layers:
            layer.visible = False
        made: dict[int, Layer] = {}
        for number, item in enumerate(items):
            layer = _MAKERS[item.kind](viewer, item, number, ready)
            if layer is not None:
                made[number] = layer
                _dress(layer, item, names.of)
            yield 0.9 * (number + 1) / len(items)
        for place, layer in enumerate(made.values(), start=len(viewer.layers) - len(made)):
            if viewer.layers.index(layer) != place:
                viewer.layers.move(viewer.layers.index(layer), place)
        # Adding a map hides the others of its scan, and made its own layer the active one.
        for number, layer in made.items():
            with suppress(ValueError, TypeError):
                layer.visible = items[number].look.get("visible") is not False
        yield 0.95
        _note_ages(viewer, items, made)
        _look(viewer, ready.session.view, made)
    yield 1.0


def _note_ages(viewer: ViewerModel, items: Sequence[Item], made: Mapping[int, Layer]) -> None:
    """Have the docks know the ages that maps were judged with: the next run of theirs judges alike.

    Only scans of this session get one, by what their layers say: another person's scan may be open under the same name.
    """
    ours = [scan for scan in scans(viewer) if scan in made.values()]
    for number, heat in made.items():
        amap = items[number].amap if items[number].kind == MAP else None
        age = None if amap is None else age_of(amap)
        if age is not None:
            for scan in (one for one in ours if belongs(heat, one)):
                note_age(viewer, scan, age)


class _Renamed:
    """New names for the tokens of subjects: a session may be opened twice."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def of(self, token: str) -> str:
        return self._names.setdefault(token, uuid4().hex)


def _dress(layer: Layer, item: Item, new: Callable[[str], str]) -> None:
    """Give a layer its name, its attributes and its place among the subjects; what the viewer does not take is left."""
    layer.name = item.name
    names = next((names for kind, names in LOOKS.items() if isinstance(layer, kind)), ())
    for name in (*names, *(("colormap",) if isinstance(layer, Image) else ())):
        if name in item.look:
            with suppress(ValueError, TypeError, KeyError):
                setattr(layer, name, item.look[name])
    colours = item.look.get("colours")
    if isinstance(layer, Labels) and not isinstance(layer.data, LiveMask) and isinstance(colours, list):
        with suppress(ValueError, TypeError):
            layer.colormap = DirectLabelColormap(color_dict=dict(colours))
    set_tokens(layer, item.notes, new)
    if record(layer) and isinstance(item.notes.get("sequence"), str):
        set_sequence(layer, item.notes["sequence"])


def _look(viewer: ViewerModel, view: Mapping[str, Any], made: Mapping[int, Layer]) -> None:
    dims = viewer.dims
    with suppress(ValueError, TypeError, KeyError):
        dims.order = tuple(view["order"])
    with suppress(ValueError, TypeError, KeyError):
        dims.point = tuple(view["point"])
    with suppress(ValueError, TypeError, KeyError):
        dims.ndisplay = view["ndisplay"]
    camera = view.get("camera")
    for name in CAMERA:
        with suppress(ValueError, TypeError, KeyError):
            value = camera[name] if isinstance(camera, dict) else None
            if value is not None:
                setattr(viewer.scene.camera, name, tuple(value) if isinstance(value, list) else value)
    active = view.get("active")
    if isinstance(active, int) and active in made:
        viewer.layers.selection.active = made[active]


def _scan(viewer: ViewerModel, item: Item, _number: int, _ready: Ready) -> Layer | None:
    assert item.volume is not None
    data, meta, _ = volume_layer(item.volume)
    return viewer.add_layer(Image(data, **meta))


def _mask(viewer: ViewerModel, item: Item, _number: int, _ready: Ready) -> Layer | None:
    assert item.volume is not None
    if item.notes.get("labels") is False:
        data, meta, _ = fraction_layer(item.volume)
        return viewer.add_layer(Image(data, **meta))
    data, meta, _ = labels_layer(item.volume)
    layer = Labels(data, **meta)
    if item.notes.get("made") is True or item.notes.get("with_preparation") is True:
        made = inside(np.asarray(data)).T if item.notes.get("made") is True else None
        note_run(layer, made, prepared=item.notes.get("with_preparation") is True)
    return viewer.add_layer(layer)


def _map(viewer: ViewerModel, item: Item, number: int, ready: Ready) -> Layer | None:
    assert item.amap is not None
    found = ready.results.get(number)
    noted: dict[str, Any] = {"edits": item.edits, "truth": item.truth}
    if found is not None:
        noted["post"] = found.post
    layer = add_map(viewer, item.amap, threshold=None if found is None else found.result.threshold.value, bare=True, **noted)
    add_colour_bar(layer)
    return layer


def _regions(viewer: ViewerModel, item: Item, _number: int, ready: Ready) -> Layer | None:
    found = _of(item, ready)
    if found is None or item.amap is None:
        return None
    # The Tune dock, if it is open, may have been faster.
    return own_layer(viewer, item.amap, "regions") or add_regions(viewer, item.amap, found.live)


def _boxes(viewer: ViewerModel, item: Item, _number: int, ready: Ready) -> Layer | None:
    found = _of(item, ready)
    if found is None or item.amap is None:
        return None
    there = own_layer(viewer, item.amap, "boxes")
    if there is not None:
        return there
    layer = add_boxes(viewer, item.amap)
    show_boxes(layer, [region.box for region in found.result.regions if region.review != REJECTED], viewer)
    return layer


def _of(item: Item, ready: Ready) -> Result | None:
    numbers = (number for number, other in enumerate(ready.session.items) if other.kind == MAP and other.amap is item.amap)
    return None if item.amap is None else ready.results.get(next(numbers, -1))


def _derived(viewer: ViewerModel, item: Item, _number: int, _ready: Ready) -> Layer | None:
    if item.amap is None or item.data is None:
        return None
    return viewer.add_layer(picture_layer(item.amap, item.data, item.name, visible=False))


def _array(viewer: ViewerModel, item: Item, _number: int, _ready: Ready) -> Layer | None:
    place = {name: np.asarray(item.place[name], float) for name in PLACE if name in item.place}
    if item.notes.get("labels") is True:
        return viewer.add_layer(Labels(item.data, name=item.name, **place))
    return viewer.add_layer(Image(item.data, name=item.name, rgb=item.notes.get("rgb") is True, **place))


_MAKERS: Mapping[str, Callable[[ViewerModel, Item, int, Ready], Layer | None]] = {
    SCAN: _scan,
    MASK: _mask,
    MAP: _map,
    REGIONS: _regions,
    BOXES: _boxes,
    DERIVED: _derived,
    ARRAY: _array,
}
