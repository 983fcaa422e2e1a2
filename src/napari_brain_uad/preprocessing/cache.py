"""Prepared scans kept on disk, found again by what they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Finding
from ..core.provenance import array_sha256, code_sha256, versions
from ..core.volume import Grid, Volume
from ..io.entries import Entry, Store
from .pipeline import Pipeline, as_data, parse_pipeline
from .prepared import Prepared
from .step import Reference
from .warp import DisplacementField, Warp

_STORE = Store("prepared")


def cache_key(volume: Volume, pipeline: Pipeline, reference: Reference | None = None) -> str:
    """SHA-256 over everything the result depends on: voxels, grid, masks, settings, the reference, versions and code."""
    digest = hashlib.sha256()
    for scan in (volume,) if reference is None else (volume, reference.volume):
        digest.update(array_sha256(scan.data).encode())
        digest.update(b"" if scan.mask is None else array_sha256(scan.mask).encode())
        digest.update(json.dumps([scan.grid.as_dict(), scan.sequence]).encode())
    matrix = None if reference is None or reference.matrix is None else reference.matrix.tolist()
    warp = None if reference is None or reference.warp is None else reference.warp.sha256
    settings = [as_data(parse_pipeline(pipeline)), [entry.get("outcome") for entry in pipeline], matrix, warp, versions(), code_sha256()]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


def try_out() -> None:
    """Say it, before the work begins, when nothing can be kept."""
    _STORE.try_out()


def store(key: str, prepared: Prepared) -> None:
    """Keep a prepared scan, if that can be done; see `io.entries.Store`."""
    volume = prepared.volume
    about = {
        "grid": volume.grid.as_dict(),
        "matrix": prepared.matrix.tolist(),
        "record": list(prepared.record),
        "findings": [finding.as_dict() for finding in volume.findings],
    }
    if prepared.warp is not None:
        about["warp_grid"] = prepared.warp.forward.grid.as_dict()
    arrays: dict[str, NDArray[Any]] = {"data": volume.data}
    for name, mask in (("mask", volume.mask), ("native_mask", prepared.native_mask)):
        if mask is not None:
            arrays[name] = np.packbits(mask.ravel(order="F"))
    if prepared.warp is not None:
        arrays |= {"warp_forward": prepared.warp.forward.steps, "warp_inverse": prepared.warp.inverse.steps}
    _STORE.keep(key, Entry(about, arrays))


def find(key: str, native: Volume) -> Prepared | None:
    """The prepared scan kept under a key, or None.

    Parameters
    ----------
    native : Volume
        The scan it was made from: name, source and sequence are not kept in the cache.
    """
    entry = _STORE.find(key)
    if entry is None:
        return None
    about, arrays = entry.about, entry.arrays
    grid = _grid(about["grid"])
    warp = None
    if "warp_grid" in about:
        fields = (DisplacementField(arrays[f"warp_{way}"], _grid(about["warp_grid"])) for way in ("forward", "inverse"))
        warp = Warp(*fields)
    mask, native_mask = (_unpacked(arrays.get(name), shape) for name, shape in (("mask", grid.shape), ("native_mask", native.grid.shape)))
    findings = tuple(Finding(**finding) for finding in about["findings"])
    volume = replace(native, data=arrays["data"], grid=grid, mask=mask, findings=findings)
    return Prepared(volume, native.grid, native.source, native_mask, np.array(about["matrix"]), tuple(about["record"]), warp)


def _grid(about: Mapping[str, Any]) -> Grid:
    return Grid(tuple(about["shape"]), np.array(about["affine"]))


def _unpacked(bits: NDArray[np.uint8] | None, shape: Sequence[int]) -> NDArray[np.bool_] | None:
    if bits is None:
        return None
    count = int(np.prod(shape))
    return np.unpackbits(bits, count=count).astype(np.bool_).reshape(tuple(shape), order="F")
