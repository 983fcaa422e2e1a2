"""What a method compares, as pictures: the scan as it sees it and what it expects there, kept like the maps are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.detector import Detector
from ...core.errors import InputError
from ...core.progress import Progress
from ...core.volume import Volume
from ...detectors.base.detector import BaseDetector
from ...detectors.registry import method_class, method_ids
from ...io.entries import Entry, Store

Pictures = Mapping[str, NDArray[np.float32]]
"""Arrays on one scan's grid, by what they show."""

_STORE = Store("pictures")


def makes_pictures(method: str) -> bool:
    """Whether a method reconstructs what it sees, by its class alone."""
    return getattr(method_class(method), "reconstruct", BaseDetector.reconstruct) is not BaseDetector.reconstruct


def check_pictures(method: str, wanted: bool) -> None:
    """Raise `InputError` where pictures are wanted of a method that reconstructs nothing, before anything is computed."""
    if wanted and not makes_pictures(method):
        able = ", ".join(one for one in method_ids() if makes_pictures(one))
        raise InputError(f"{method} reconstructs nothing", fix=f"Leave the reconstruction out, or choose one of {able}")


def pictures_of(detector: Detector, volume: Volume, key: str, *, seed: int, use_cache: bool, progress: Progress) -> Pictures:
    """A detector's pictures of a prepared volume, from the cache when they are there.

    Parameters
    ----------
    key : str
        Of the map that the detector makes of the volume, see `map_cache.map_key`.

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        As `BaseDetector.reconstruct`.
    """
    own = hashlib.sha256(f"pictures {key}".encode()).hexdigest()
    kept = _STORE.find(own) if use_cache else None
    if kept is not None:
        return kept.arrays
    progress.update(0.0, f"{detector.INFO.name}: reconstructing")
    made: Pictures = detector.reconstruct(volume, seed=seed, progress=progress)  # type: ignore[attr-defined]  # see check_pictures
    if use_cache:
        _STORE.keep(own, Entry({}, dict(made)))
    return made


def brought_back(pictures: Pictures, amap: AnomalyMap, bring_back: Callable[[AnomalyMap], AnomalyMap]) -> Pictures:
    """Pictures of a prepared scan on the scan's own grid: the way that its map `amap` goes."""
    return {name: bring_back(replace(amap, score=picture, background=0.0)).score for name, picture in pictures.items()}
