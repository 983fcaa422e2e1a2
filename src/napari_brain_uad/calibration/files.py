"""Healthy references on disk: arrays as safetensors, sealed by a JSON beside them, as models are (`io.checkpoint`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ModelError
from ..io.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .measure import CURVES, PROBABILITIES
from .places import CELLS, HealthyPlaces
from .reference import KINDS, HealthyReference, HealthyScan

_KIND = "healthy reference 1"
_PLACES, _KNOWN = "mean_in_mni", "known_in_mni"
_FIX = "Make the reference again (brain-uad calibrate)"


def save_reference(path: Path, reference: HealthyReference) -> None:
    """Write a reference; one that is there is replaced. Holds no name of a person, a scan or a file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    meta: dict[str, Any] = {
        "kind": _KIND,
        "title": reference.title,
        "sequence": reference.sequence,
        "weights_sha256": reference.weights_sha256,
        "model_sha256": reference.model_sha256,
        "post": dict(reference.post),
        "scans": [asdict(scan) for scan in reference.scans],
    }
    state: dict[str, Any] = {"levels": reference.levels, "quantiles": reference.quantiles, **reference.curves}
    if reference.places is not None:
        meta["people_in_mni"] = reference.places.people
        known = np.isfinite(reference.places.mean)
        state |= {_PLACES: reference.places.mean[known], _KNOWN: np.packbits(known)}
    save_checkpoint(path, method=reference.method, params=reference.params, state=state, meta=meta)


def load_reference(path: Path, *, model_sha256: str) -> HealthyReference:
    """Read a reference of the model with this SHA-256 (empty: of a method that learns nothing).

    Raises
    ------
    ModelError
        If it is missing, damaged, changed, no reference, or another model's.
    """
    kept = load_checkpoint(path)
    meta = kept.meta
    if meta.get("kind") != _KIND:
        raise ModelError(path.name, why="it is no healthy reference of this version", fix=_FIX)
    if meta.get("model_sha256") != model_sha256:
        why = "it was made for another model: the SHA-256 it names is not this model's"
        raise ModelError(f"The healthy reference {path.name} is refused", why=why, fix=_FIX)
    try:
        return _reference(kept, meta)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(path.name, why=f"it is not whole ({error})", fix=_FIX) from error


def _reference(kept: Checkpoint, meta: Mapping[str, Any]) -> HealthyReference:
    scans = tuple(HealthyScan(**scan) for scan in meta["scans"])
    levels, quantiles = kept.state["levels"], kept.state["quantiles"]
    curves = {name: kept.state[name] for name in CURVES}
    fits = all(values.shape == (len(scans), levels.size) for values in curves.values())
    if not (fits and levels.size > 1 and quantiles.shape == (len(scans), PROBABILITIES.size) and bool(np.all(np.diff(levels) > 0))):
        raise ValueError("its arrays do not fit each other")
    places = _places(kept, meta)
    if not scans or any(scan.kind not in KINDS or scan.voxel_mm3 <= 0 or scan.brain_ml <= 0 for scan in scans):
        raise ValueError("its scans are not described")
    return HealthyReference(
        title=str(meta["title"]),
        method=kept.method,
        sequence=str(meta["sequence"]),
        params=kept.params,
        weights_sha256=str(meta["weights_sha256"]),
        model_sha256=str(meta["model_sha256"]),
        post=dict(meta["post"]),
        scans=scans,
        levels=levels,
        curves=curves,
        quantiles=quantiles,
        sha256=kept.sha256,
        places=places,
    )


def _places(kept: Checkpoint, meta: Mapping[str, Any]) -> HealthyPlaces | None:
    if _PLACES not in kept.state:
        return None
    values, bits, cells = kept.state[_PLACES], kept.state[_KNOWN], int(np.prod(CELLS.shape))
    known = np.unpackbits(bits)[:cells].astype(bool)
    if bits.size != -(-cells // 8) or values.shape != (np.count_nonzero(known),) or not values.size:
        raise ValueError("its mean map does not fit MNI152")
    mean = np.full(cells, np.nan, np.float32)
    mean[known] = values
    return HealthyPlaces(mean.reshape(CELLS.shape), int(meta["people_in_mni"]))
