"""How an output was made, as plain JSON data: enough to make it again, and nothing about the patient."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTICE = "Research use only, not for diagnosis."

_PACKAGES = ("numpy", "scipy", "scikit-image", "nibabel", "connected-components-3d", "torch", "SimpleITK", "deepbet", "picsl-greedy")
_ABOVE = ("gui", "cli")
"""Nothing imports these two: they decide no result."""


def package_version() -> str:
    """This package's version; "unknown" when it runs without being installed."""
    return _version_of("napari-brain-uad") or "unknown"


def _version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Versions of what the result depends on; read from the installed metadata, nothing is imported."""
    found = {name: _version_of(name) for name in _PACKAGES}
    return {"napari-brain-uad": package_version(), "python": platform.python_version()} | {k: v for k, v in found.items() if v}


@cache
def code_sha256() -> str:
    """SHA-256 of this package's code and templates, but for what only shows results.

    With `versions` it is what a result depends on besides its input, its settings and its model.

    Without it, who works on a method or a step is shown yesterday's results out of the cache.
    """
    root = Path(__file__).resolve().parent.parent
    files = [*root.rglob("*.py"), *root.rglob("templates/*.nii.gz")]
    return _files_sha256(root, [file for file in files if file.relative_to(root).parts[0] not in _ABOVE])


@cache
def code_of_others_sha256(package: str) -> str:
    """SHA-256 of the code of another package that is loaded: that of a method which comes from there; empty for this one's own.

    Parameters
    ----------
    package : str
        Its top-level name.
    """
    file = getattr(sys.modules.get(package), "__file__", None)
    if package == __name__.partition(".")[0] or file is None:
        return ""
    place = Path(file).resolve()
    files = place.parent.rglob("*.py") if place.stem == "__init__" else [place]
    return _files_sha256(place.parent, files)


def _files_sha256(root: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def array_sha256(array: NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and values, the same on every machine."""
    import numpy as np  # here: the command line asks for nothing but the version, and shall answer at once

    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.str}{little.shape}".encode())
    digest.update(little.data)
    return digest.hexdigest()


def state_sha256(state: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over the names and arrays of a detector's state, in the order of the names; empty for an empty state."""
    if not state:
        return ""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(array_sha256(state[name]).encode())
    return digest.hexdigest()
