"""One run as the dock asks for it: through the same workflow as everywhere else, with the maps of earlier runs kept.

The workflows are imported where they are used, which is in the job's thread: they bring readers and image libraries that would
add a second to the opening of the dock.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.anomaly_map import AnomalyMap
from ...core.numbers import number_text
from ...core.params import Params
from ...core.progress import Progress
from ...core.provenance import array_sha256
from ...core.text import counted
from ...core.volume import Volume
from ...postprocessing.edits import RegionEdits
from ...postprocessing.params import PostParams
from ..layers.layers import is_map, record
from ..layers.scan_facts import ScanRequest, found_without_mask

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...workflows.detect.detect import Detection
    from ...workflows.detect.pictures import Pictures

_KEPT_MAPS = 6
"""A map at 1 mm takes some 60 MB with its scan."""


@dataclass(frozen=True, eq=False)
class DetectRequest(ScanRequest):
    """What the dock says when the button is pressed.

    Parameters
    ----------
    method, params, model, device, seed, prepare_with, reconstruct, age
        As in `workflows.detect.detect.detect`.
    others : tuple of Volume
        Other sequences of the same person, scored together with this one (`workflows.detect.several`), each with the model for it.
    """

    method: str
    params: Params
    model: Path | None
    device: str
    seed: int
    prepare_with: str = "auto"
    reconstruct: bool = False
    others: tuple[Volume, ...] = ()
    age: float | None = None

    def key(self) -> str:
        """A hash of all that decides the map and its record. The voxels count, not the layer: a brain mask may be painted in place."""
        model = None if self.model is None else hashlib.sha256(self.model.read_bytes()).hexdigest()
        brain = self.volume.mask if self.mask is None else self.mask
        parts = {
            "scan": [array_sha256(self.volume.data), array_sha256(self.volume.grid.affine), self.volume.sequence],
            # The one that counts: a sample's own mask, and the layer that shows it, are the same.
            "mask": None if brain is None else array_sha256(brain),
            "others": [[array_sha256(one.data), array_sha256(one.grid.affine), one.sequence] for one in self.others],
            "run": [self.method, self.params.as_dict(), model, self.device, self.seed, self.prepare_with, self.age],
        }
        return json.dumps(parts, sort_keys=True)


_Kept = tuple["Volume", "AnomalyMap", "Pictures"]


class MapCache:
    """The latest maps, with the volumes (brain mask included) they were made from and what was compared: nothing is shown twice."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def get(self, key: str) -> _Kept | None:
        """What was kept under `key`."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: str, volume: Volume, amap: AnomalyMap, pictures: Pictures) -> None:
        """Keep a map; the one longest unused goes."""
        self._kept[key] = (volume, amap, pictures)
        while len(self._kept) > _KEPT_MAPS:
            self._kept.popitem(last=False)


Reviews = Sequence[tuple[AnomalyMap, RegionEdits]]
"""What a person did to the regions of maps that are in a viewer."""


def reviews_in(viewer: ViewerModel) -> Reviews:
    """The reviews of the maps that a viewer has."""
    return [(record(layer)["map"], record(layer)["edits"]) for layer in viewer.layers if is_map(layer) and record(layer).get("edits")]


def run_request(request: DetectRequest, cache: MapCache, progress: Progress, reviews: Reviews = ()) -> Detection:
    """Run, or take the map of an earlier run, this dock's or one kept on disk, and do only the quick half.

    The map of an earlier run of this dock keeps what a person did to its regions since.

    Raises
    ------
    BrainUADError
        As `workflows.detect.detect.detect`.
    """
    from ...workflows.detect.detect import finish_detection

    progress.update(0.0, "Looking for an earlier run")
    # A model file that is missing is the workflow's to complain about.
    key = request.key() if request.model is None or request.model.is_file() else ""
    kept = cache.get(key)
    if kept is None or (request.reconstruct and not kept[2]):
        detection = _several(request, progress) if request.others else _alone(request, progress)
        if kept is not None:  # only the pictures were missing: the map that is on show stays the same one
            detection = replace(detection, volume=kept[0], map=kept[1])
        cache.put(key, detection.volume, detection.map, detection.pictures)
    else:
        (volume, amap, pictures), edits = _named(key, kept, request, cache, reviews)
        detection = finish_detection(volume, amap, PostParams(), truth=request.truth, command="", edits=edits, progress=progress)
        detection = replace(detection, cached=True, pictures=pictures if request.reconstruct else {})
    return replace(detection, command=_command(request, detection.map))


def outcome_words(detection: Detection) -> str:
    """One or two sentences on what a run found."""
    result = detection.result
    count = len(result.regions)
    volume = sum(region.volume_ml for region in result.regions)
    above = f"above {number_text(result.threshold.value)} ({result.threshold.origin})"
    found = f"{counted(count, 'region')}, {volume:.1f} ml, {above}"
    how = "Took the map of an earlier run with the same inputs." if detection.cached else f"Done in {detection.seconds:.1f} s."
    said = next((f"{f.message[:1].upper()}{f.message[1:]}. " for f in detection.volume.findings if f.code == "prepared"), "")
    compared = f" {detection.verdict.details}." if detection.verdict.applies else ""
    return f"{said}{found}.{compared} {how}"


def _named(key: str, kept: _Kept, request: DetectRequest, cache: MapCache, reviews: Reviews) -> tuple[_Kept, RegionEdits | None]:
    """A kept map under the name that the scan has now, always the same one, and what a person did to its regions."""
    reviewed = {id(amap): edits for amap, edits in reviews}
    name = request.volume.name
    if kept[1].name == name or request.others:
        return kept, reviewed.get(id(kept[1]))
    known = cache.get(f"{key} {name}")
    if known is not None:
        return known, reviewed.get(id(known[1]))
    volume, amap, pictures = kept
    renamed = replace(volume, name=name), replace(amap, name=name), pictures
    cache.put(f"{key} {name}", *renamed)
    return renamed, reviewed.get(id(amap))


def _alone(request: DetectRequest, progress: Progress) -> Detection:
    from ...workflows.detect.detect import detect

    return detect(
        request.volume,
        request.method,
        params=request.params,
        mask=request.mask,
        truth=request.truth,
        model=request.model,
        device=request.device,
        seed=request.seed,
        prepare_with=request.prepare_with,
        use_cache=True,
        reconstruct=request.reconstruct,
        age=request.age,
        progress=progress,
    )


def _several(request: DetectRequest, progress: Progress) -> Detection:
    from ...detectors.registry import method_class
    from ...workflows.detect.several import detect_several
    from ...workflows.models.method_spec import MethodSpec

    # The form shows the settings of one sequence's model: only a method without a model has them for all.
    params = None if method_class(request.method).INFO.trainable else request.params
    return detect_several(
        [request.volume, *request.others],
        MethodSpec.of(request.method, params=params),
        mask=request.mask,
        truth=request.truth,
        device=request.device,
        seed=request.seed,
        prepare_with=request.prepare_with,
        use_cache=True,
        progress=progress,
    )


def _command(request: DetectRequest, amap: AnomalyMap) -> str:
    from ...workflows.detect.command import detect_command
    from ...workflows.scans.ready import AUTO, NEVER

    mask = request.brain
    prepares = request.prepare_with not in (AUTO, NEVER)
    if mask is not None and not isinstance(mask, Path) and not prepares and found_without_mask(request.volume, mask):
        mask = None
    return detect_command(
        amap,
        PostParams(),
        scan=replace(request.volume, mask=None),
        others=request.others,
        mask=mask,
        truth=request.lesions,
        model="" if request.model is None or request.others else str(request.model),
        prepare_with=request.prepare_with,
        device=request.device,
        reconstruct=request.reconstruct,
    )
