"""Prepared scans kept on disk, found again by what they were made from."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Finding
from ..core.provenance import array_sha256, package_version
from ..core.volume import Grid, Volume
from ..io.atomic import atomic_path
from .pipeline import Pipeline, as_data, parse_pipeline
from .prepared import Prepared
from .step import Reference
from .warp import DisplacementField, Warp

CACHE_BYTES = 10 * 1024**3
"""The oldest entries are removed beyond this size."""

_PACKAGES = ("SimpleITK", "deepbet", "torch", "numpy", "scipy", "scikit-image", "picsl-greedy")


def cache_dir(kind: str = "prepared") -> Path:
    """Folder of what is kept, of prepared scans by default: in ``BRAIN_UAD_CACHE`` if set, else in the system's folder for caches."""
    told = os.environ.get("BRAIN_UAD_CACHE")
    if told:
        return Path(told) / kind
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "napari-brain-uad" / kind


def cache_key(volume: Volume, pipeline: Pipeline, reference: Reference | None = None) -> str:
    """SHA-256 over everything the result depends on: voxels, grid, masks, settings, the reference and the packages' versions."""
    digest = hashlib.sha256()
    for scan in (volume,) if reference is None else (volume, reference.volume):
        digest.update(array_sha256(scan.data).encode())
        digest.update(b"" if scan.mask is None else array_sha256(scan.mask).encode())
        digest.update(json.dumps([scan.grid.as_dict(), scan.sequence]).encode())
    matrix = None if reference is None or reference.matrix is None else reference.matrix.tolist()
    warp = None if reference is None or reference.warp is None else reference.warp.sha256
    settings = [as_data(parse_pipeline(pipeline)), [entry.get("outcome") for entry in pipeline], matrix, warp, versions()]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what a prepared scan depends on; read from the installed metadata, nothing is imported."""
    found = {"napari-brain-uad": package_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def store(key: str, prepared: Prepared) -> None:
    """Keep a prepared scan; another process that reads at the same time sees all of it or nothing.

    Raises
    ------
    InputError
        If the cache's folder cannot be written.
    """
    path = _path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = prepared.volume
    about = {
        "grid": volume.grid.as_dict(),
        "matrix": prepared.matrix.tolist(),
        "record": list(prepared.record),
        "findings": [finding.as_dict() for finding in volume.findings],
    }
    if prepared.warp is not None:
        about["warp_grid"] = prepared.warp.forward.grid.as_dict()
    arrays: dict[str, NDArray[Any]] = {"data": volume.data, "about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    for name, mask in (("mask", volume.mask), ("native_mask", prepared.native_mask)):
        if mask is not None:
            arrays[name] = np.packbits(mask.ravel(order="F"))
    if prepared.warp is not None:
        arrays |= {"warp_forward": prepared.warp.forward.steps, "warp_inverse": prepared.warp.inverse.steps}
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]  # numpy's stub takes its own flag for an array
    prune(path.parent)


def find(key: str, native: Volume) -> Prepared | None:
    """The prepared scan kept under a key, or None; a damaged entry is removed and counts as none.

    Parameters
    ----------
    native : Volume
        The scan it was made from: name, source and sequence are not kept in the cache.
    """
    path = _path(key)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            arrays = dict(kept)
        os.utime(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile):
        path.unlink(missing_ok=True)
        return None
    about = json.loads(arrays["about"].tobytes())
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


def _path(key: str) -> Path:
    return cache_dir() / f"{key}.npz"


def prune(folder: Path) -> None:
    """Remove the entries used longest ago until a folder of the cache is small enough."""
    entries = sorted((entry.stat().st_mtime, entry.stat().st_size, entry) for entry in folder.glob("*.npz"))
    excess = sum(size for _, size, _ in entries) - CACHE_BYTES
    for _, size, entry in entries:
        if excess <= 0:
            break
        entry.unlink(missing_ok=True)
        excess -= size
