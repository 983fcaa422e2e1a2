"""Anomaly maps kept on disk, found again by what they were made from: shared by the window, the command line and scripts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from ...core.detector import Detector
from ...core.progress import Progress
from ...core.provenance import array_sha256, code_of_others_sha256, code_sha256, state_sha256, versions
from ...core.volume import Volume
from ...detectors.registry import method_class
from ...io.entries import Store
from ..execution.devices import resolve_device
from .measure import Measured
from .pictures import pictures_of
from .score import ScoringRequest, load_detector, model_for, score_with, with_model
from .scored_map import ScoredMap, as_entry, from_entry

_STORE = Store("maps")


def scored_here(volume: Volume, request: ScoringRequest, progress: Progress | None = None) -> ScoredMap:
    """As `score_volume.scored_volume`, in this process."""
    spec = request.spec
    used = model_for(spec.method, spec.model or None, volume.sequence)
    place = resolve_device(request.device, method_class(spec.method).INFO.devices).name
    detector = load_detector(spec.method, params=spec.params(), model=None if used is None else used.path, device=place)
    progress = progress or Progress()
    how: dict[str, Any] = {"seed": request.seed, "use_cache": request.use_cache}
    first = progress.part(0.0, 0.5) if request.reconstruct else progress
    scored = scored_map(detector, volume, device=request.device, progress=first, **how)
    if request.reconstruct:
        key, rest = map_key(detector, volume, device=request.device, seed=request.seed), progress.part(0.5, 1.0)
        scored = replace(scored, pictures=pictures_of(detector, volume, key, progress=rest, **how))
    return replace(scored, map=with_model(scored.map, used))


def scored_map(
    detector: Detector,
    volume: Volume,
    *,
    device: str = "auto",
    seed: int = 0,
    use_cache: bool = True,
    progress: Progress | None = None,
) -> ScoredMap:
    """The raw map of a prepared volume, from the cache when it is there.

    Parameters
    ----------
    detector : Detector
        Loaded, see `workflows.detect.score.load_detector`.
    volume : Volume
        Ready for the method, with its brain mask.
    use_cache : bool
        Look for the map, and keep it.

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        As `detect`.
    """
    key = map_key(detector, volume, device=device, seed=seed) if use_cache else ""
    kept = _STORE.find(key) if use_cache else None
    if kept is not None:
        (progress or Progress()).update(1.0, f"{detector.INFO.name}: scored before, taken from the cache")
        return replace(from_entry(kept, volume), cached=True)
    with Measured() as measured:
        amap = score_with(detector, volume, device=device, seed=seed, progress=progress)
    scored = ScoredMap(amap, measured.seconds, measured.peak_bytes, False)
    if use_cache:
        _STORE.keep(key, as_entry(scored))
    return scored


def map_key(detector: Detector, volume: Volume, *, device: str = "auto", seed: int = 0) -> str:
    """SHA-256 over everything a map depends on: voxels, grid, brain, method, settings, weights, seed, device, versions and code."""
    used = resolve_device(device, detector.INFO.devices)
    parts = [
        array_sha256(volume.data),
        "" if volume.mask is None else array_sha256(volume.mask),
        volume.grid.as_dict(),
        volume.sequence,
        detector.INFO.id,
        detector.params.as_dict(),
        state_sha256(detector.state()),
        seed,
        [used.name, used.words],
        versions(),
        code_sha256(),
        [code_of_others_sha256(kind.__module__.partition(".")[0]) for kind in type(detector).__mro__[:-1]],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def try_out() -> None:
    """Say it, before the work begins, when nothing can be kept."""
    _STORE.try_out()
