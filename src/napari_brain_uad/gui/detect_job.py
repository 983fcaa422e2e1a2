"""One run as the dock asks for it: through the same workflow as everywhere else, with the maps of earlier runs kept.

The workflows are imported where they are used, which is in the job's thread: they bring readers and image libraries that would
add a second to the opening of the dock.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.checks import check_not_constant
from ..core.errors import BrainUADError
from ..core.params import Params
from ..core.progress import Progress
from ..core.provenance import array_sha256
from ..core.volume import Volume
from ..postprocessing.params import PostParams

if TYPE_CHECKING:
    from ..workflows.detect import Detection

_KEPT_MAPS = 6
"""A map at 1 mm takes some 60 MB with its scan."""


@dataclass(frozen=True, eq=False)
class Request:
    """What the dock says when the button is pressed.

    Parameters
    ----------
    volume : Volume
        The scan, without a brain mask unless its file brought one.
    mask, truth : array of bool, optional
        On the scan's grid.
    mask_file, truth_file : Path, optional
        The files their layers came from, for the command line.
    method, params, model, device, seed
        As in `workflows.detect.detect`.
    """

    volume: Volume
    mask: NDArray[np.bool_] | None
    truth: NDArray[np.bool_] | None
    mask_file: Path | None
    truth_file: Path | None
    method: str
    params: Params
    model: Path | None
    device: str
    seed: int

    def key(self) -> str:
        """A hash of everything that decides the map. The voxels count, not the layer: a brain mask may be painted in place."""
        model = None if self.model is None else hashlib.sha256(self.model.read_bytes()).hexdigest()
        parts = {
            "scan": [array_sha256(self.volume.data), array_sha256(self.volume.grid.affine)],
            "mask": [None if mask is None else array_sha256(mask) for mask in (self.mask, self.volume.mask)],
            "run": [self.method, self.params.as_dict(), model, self.device, self.seed],
        }
        return json.dumps(parts, sort_keys=True)


class MapCache:
    """The latest maps, with the volumes (brain mask included) they were made from."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Volume, AnomalyMap]] = OrderedDict()

    def get(self, key: str) -> tuple[Volume, AnomalyMap] | None:
        """What was kept under `key`."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: str, volume: Volume, amap: AnomalyMap) -> None:
        """Keep a map; the one longest unused goes."""
        self._kept[key] = (volume, amap)
        while len(self._kept) > _KEPT_MAPS:
            self._kept.popitem(last=False)


def run_request(request: Request, cache: MapCache, progress: Progress) -> tuple[Detection, bool]:
    """Run, or take the cached map and do only the quick half.

    Returns
    -------
    detection, cached

    Raises
    ------
    BrainUADError
        As `workflows.detect.detect`.
    """
    from ..workflows.detect import detect, finish_detection

    progress.update(0.0, "Looking for an earlier run")
    # A model file that is missing is the workflow's to complain about.
    key = request.key() if request.model is None or request.model.is_file() else ""
    kept = cache.get(key)
    if kept is None:
        detection = detect(
            request.volume,
            request.method,
            params=request.params,
            mask=request.mask,
            truth=request.truth,
            model=request.model,
            device=request.device,
            seed=request.seed,
            progress=progress,
        )
        cache.put(key, detection.volume, detection.map)
    else:
        volume, amap = kept
        if amap.name != request.volume.name:
            volume, amap = replace(volume, name=request.volume.name), replace(amap, name=request.volume.name)
        detection = finish_detection(volume, amap, PostParams(), truth=request.truth, command="", progress=progress)
    return replace(detection, command=_command(request, detection.map)), kept is not None


def _command(request: Request, amap: AnomalyMap) -> str:

    from ..workflows.command import detect_command
    from ..workflows.models import name_of

    brain, file = request.mask, request.mask_file
    if brain is None and request.volume.mask is not None:
        # The scan brought its mask along (a sample): the command line has to be given the file.
        brain, file = request.volume.mask, beside(request.volume, "brainmask")
    return detect_command(
        amap,
        PostParams(),
        scan=request.volume,
        mask=as_file(brain, file, request.volume, "brain mask"),
        truth=as_file(request.truth, request.truth_file or beside(request.volume, "truth"), request.volume, "ground truth"),
        model=None if request.model is None else name_of(request.model),
        device=request.device,
    )


def beside(volume: Volume, what: str) -> Path | None:
    """Where a scan's "brainmask" or "truth" lies, if it lies beside it under the usual name."""
    path = None if volume.source is None else volume.source.path
    if path is None:
        return None
    file = path.with_name(f"{path.name.split('.')[0]}_{what}.nii.gz")
    return file if file.is_file() else None


def as_file(mask: NDArray[np.bool_] | None, file: Path | None, like: Volume, label: str) -> NDArray[np.bool_] | Path | None:
    """The file in place of the array, if it still holds the same mask: a layer may have been painted since it was opened."""
    from ..workflows.load import load_mask

    if mask is None or file is None:
        return mask
    try:
        return file if np.array_equal(load_mask(file, like, label=label), mask) else mask
    except BrainUADError:
        return mask


@dataclass(frozen=True)
class Facts:
    """What there is to know about a scan before a run.

    Parameters
    ----------
    line : str
        Like "FLAIR, 182x218x182, 1.0 mm, skull-stripped".
    checks : tuple of str
        What the checks found, each in one or two sentences.
    raw : bool
        Whether it shows the whole head and has no brain mask, so that a run prepares it first.
    """

    line: str
    checks: tuple[str, ...]
    raw: bool


def facts(volume: Volume) -> Facts:
    """Look at a scan."""
    from ..preprocessing.brain_mask import estimate_brain_mask

    constant = check_not_constant(volume.data)
    found = estimate_brain_mask(volume) if volume.mask is None and constant is None else None
    size = "x".join(str(n) for n in volume.grid.shape)
    parts = [volume.sequence or "sequence unknown", size, spacing_words(volume.grid.spacing)]
    if volume.mask is not None:
        parts.append("with brain mask")
    elif found is not None:
        parts.append("skull-stripped" if found.stripped else "not skull-stripped")
    if volume.source is not None and not volume.source.orientation_known:
        parts.append("left and right unknown")
    raw = found is not None and not found.stripped
    # What is found about the brain of a raw head does not matter: it is extracted.
    findings = (*volume.findings, *(found.findings if found and not raw else ()), *([constant] if constant else ()))
    checks = tuple(f"{f.message[:1].upper()}{f.message[1:]}. {f.fix}.".replace(" .", "") for f in findings if f.level != "info")
    return Facts(", ".join(parts), checks, raw)


def spacing_words(spacing: tuple[float, float, float]) -> str:
    """Voxel size: one number when the three agree to 0.05 mm, else three."""
    if max(spacing) - min(spacing) < 0.05:
        return f"{spacing[0]:.1f} mm"
    return f"{'x'.join(f'{size:.2g}' for size in spacing)} mm"
