"""Anomaly maps kept on disk, found again by what they were made from: shared by the window, the command line and scripts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.anomaly_map import AnomalyMap
from ..core.detector import Detector
from ..core.memory import check_memory, told_as_error
from ..core.progress import Progress
from ..core.provenance import array_sha256, code_sha256, state_sha256, versions
from ..core.threshold import ThresholdRule
from ..core.volume import Volume
from ..detectors.registry import method_class
from ..io.entries import Entry, Store
from .devices import resolve_device
from .measure import Measured
from .place import goes_apart
from .score import ParamsInput, load_detector, model_for, score_with, with_model

_STORE = Store("maps")


@dataclass(frozen=True, eq=False)
class ScoredMap:
    """A raw map and what it took.

    Parameters
    ----------
    map : AnomalyMap
        On the grid of the volume that was scored.
    seconds : float
        Wall time of scoring, when it was scored.
    peak_bytes : int or None
        Memory on top of what was in use before; None where the system does not tell.
    cached : bool
        Whether it came from the cache: `seconds` and `peak_bytes` are then those of the run that made it.
    """

    map: AnomalyMap
    seconds: float
    peak_bytes: int | None
    cached: bool


@told_as_error()
def scored_volume(
    volume: Volume,
    method: str,
    *,
    params: ParamsInput = None,
    model: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    use_cache: bool = True,
    progress: Progress | None = None,
) -> ScoredMap:
    """The raw map of a prepared volume by a method's id, from the cache when it is there; its provenance names the model.

    Within `place.learned_methods_apart`, a method that computes with torch does so in a process of its own.

    Parameters
    ----------
    volume : Volume
        Ready for the method, with its brain mask.
    method, params, model, device, seed
        As in `detect`.
    use_cache : bool
        Look for the map, and keep it.

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        As `detect`.
    """
    info = method_class(method).INFO
    check_memory(volume.name, int(info.bytes_per_voxel * volume.data.size), f"scoring it with {info.name}")
    if goes_apart(method):
        from .scoring_process import ScoringJob, scored_apart

        if use_cache:
            try_out()  # nobody hears what the other process has to say about it
        job = ScoringJob.of(method, params, model, device=device, seed=seed, use_cache=use_cache)
        return scored_apart(job, volume, progress or Progress())
    used = model_for(method, model, volume.sequence)
    place = resolve_device(device, info.devices).name
    detector = load_detector(method, params=params, model=None if used is None else used.path, device=place)
    scored = scored_map(detector, volume, device=device, seed=seed, use_cache=use_cache, progress=progress)
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
        Loaded, see `workflows.score.load_detector`.
    volume : Volume
        Ready for the method, with its brain mask.
    use_cache : bool
        Look for the map, and keep it.

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        As `scored_volume`.
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
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def try_out() -> None:
    """Say it, before the work begins, when nothing can be kept."""
    _STORE.try_out()


def as_entry(scored: ScoredMap) -> Entry:
    """A map and what it took, fit to be written; see `from_entry`."""
    amap = scored.map
    about = {
        "unit": amap.unit,
        "method": amap.method,
        "default_threshold": str(amap.default_threshold),
        "provenance": dict(amap.provenance),
        "background": amap.background,
        "seconds": scored.seconds,
        "peak_bytes": scored.peak_bytes,
        "cached": scored.cached,
    }
    return Entry(about, {"score": amap.score, "mask": np.packbits(amap.mask.ravel(order="F"))})


def from_entry(entry: Entry, volume: Volume) -> ScoredMap:
    """The inverse of `as_entry`. Names and source are those of `volume`."""
    about, score, bits = entry.about, entry.arrays["score"], entry.arrays["mask"]
    mask = np.unpackbits(bits, count=score.size).astype(np.bool_).reshape(score.shape, order="F")
    amap = AnomalyMap(
        score=score,
        grid=volume.grid,
        mask=mask,
        unit=about["unit"],
        method=about["method"],
        name=volume.name,
        default_threshold=ThresholdRule.parse(about["default_threshold"]),
        source=volume.source,
        provenance=_of_this_file(about["provenance"], volume),
        background=about["background"],
    )
    return ScoredMap(amap, about["seconds"], about["peak_bytes"], about["cached"])


def _of_this_file(provenance: dict[str, object], volume: Volume) -> dict[str, object]:
    """The same voxels may have come from another file: name, file, what says its sequence and findings are this one's."""
    given = provenance.get("input")
    if not isinstance(given, dict):
        return provenance
    own = {
        "name": volume.name,
        "file_sha256": volume.source.sha256 if volume.source else "",
        "sequence_origin": volume.sequence_origin,
        "findings": [finding.as_dict() for finding in volume.findings],
    }
    return {**provenance, "input": {**given, **own}}
