"""The cache: sealed entries on disk, found again by a key, shared by all processes of a user.

An entry is one file: a first line, the SHA-256 of everything after it, the length of a header in JSON, the header (the entry's key, what
is said about it, and how its arrays lie), and the arrays. It is written in one step and checked whole when it is read, so that
neither half an entry nor a damaged one is ever used. A cache that cannot be written costs nothing but time: it is said once, and work
goes on without.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from .atomic import atomic_path
from .folders import cache_home, make_private, probe

CACHE_BYTES = 10 * 1024**3
"""The entries used longest ago are removed beyond this size."""

_FIRST_LINE = b"napari-brain-uad entry 1\n"
_SUFFIX = ".entry"
_ALIGNED = 64
_LEFT_BEHIND = 3600.0
"""Seconds after which a temporary file is taken for one of a process that was killed."""
_TEMPORARY = re.compile(rf"\.[0-9a-f]{{16}}\{_SUFFIX}")
_EARLIER = re.compile(r"[0-9a-f]{64}\.npz")
"""Entries of earlier versions, which nothing reads any more."""

_SAID = "BRAIN_UAD_CACHE_SAID"
"""What was said about the cache last, for this process and those it starts: once is enough."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Entry:
    """What is kept under a key: JSON data, and arrays of numbers by name."""

    about: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class DamagedEntryError(ValueError):
    """A file is not the entry that was written there."""


def write_entry(path: Path, key: str, entry: Entry) -> None:
    """Write an entry, for this user alone; see `io.atomic.atomic_path` for the errors."""
    layout: dict[str, Any] = {}
    blocks: list[NDArray[np.uint8]] = []
    position = 0
    for name, array in entry.arrays.items():
        turned = array.flags.f_contiguous and not array.flags.c_contiguous
        block = np.ascontiguousarray(array.T if turned else array).reshape(-1).view(np.uint8)
        layout[name] = {"type": array.dtype.str, "shape": list(array.shape), "order": "F" if turned else "C", "at": position}
        blocks += [block, np.zeros(-block.size % _ALIGNED, np.uint8)]
        position += block.size + blocks[-1].size
    header = json.dumps({"key": key, "about": dict(entry.about), "arrays": layout}).encode()
    header += b" " * (-(len(_FIRST_LINE) + 32 + 8 + len(header)) % _ALIGNED)
    parts: list[bytes | memoryview] = [len(header).to_bytes(8, "little"), header, *(block.data for block in blocks)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    with atomic_path(path, private=True) as temporary, temporary.open("wb") as file:
        for part in (_FIRST_LINE, digest.digest(), *parts):
            file.write(part)


def read_entry(path: Path, key: str) -> Entry:
    """Read an entry whole.

    Raises
    ------
    DamagedEntryError
        If a single bit of it is not as it was written, or it is another key's.
    OSError
        If there is none, or it cannot be read.
    """
    content = np.fromfile(path, np.uint8)
    start = len(_FIRST_LINE) + 32
    head = content[:start].tobytes()
    if head[: len(_FIRST_LINE)] != _FIRST_LINE or head[len(_FIRST_LINE) :] != hashlib.sha256(content[start:].data).digest():
        raise DamagedEntryError(path.name)
    length = int.from_bytes(content[start : start + 8].tobytes(), "little")
    header = json.loads(content[start + 8 : start + 8 + length].tobytes())
    if header["key"] != key:
        raise DamagedEntryError(path.name)
    body = content[start + 8 + length :]
    return Entry(header["about"], {name: _array(body, **how) for name, how in header["arrays"].items()})


def _array(body: NDArray[np.uint8], *, type: str, shape: list[int], order: str, at: int) -> NDArray[Any]:
    kind = np.dtype(type)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    flat = body[at : at + size].view(kind)
    return flat.reshape(shape[::-1]).T if order == "F" else flat.reshape(shape)


class Store:
    """The entries of one kind.

    Parameters
    ----------
    kind : str
        The folder's name, below ``BRAIN_UAD_CACHE`` if that is set, else in the system's folder for caches.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind

    @property
    def folder(self) -> Path | None:
        """Where the entries lie; None when the system names no folder for caches."""
        told = os.environ.get("BRAIN_UAD_CACHE")
        base = Path(told) if told else cache_home()
        return None if base is None else base / self._kind

    def find(self, key: str) -> Entry | None:
        """The entry of a key, or None. A damaged one counts as none, which is said; keeping a new one replaces it."""
        folder = self.folder
        if folder is None:
            return None
        path = folder / f"{key}{_SUFFIX}"
        try:
            entry = read_entry(path, key)
        except OSError:
            return None
        except DamagedEntryError:
            _LOG.warning("An entry of the cache is damaged and not used: it is made anew")
            return None
        with suppress(OSError):  # it may have been removed meanwhile, or not be ours
            os.utime(path)
        return entry

    def keep(self, key: str, entry: Entry) -> None:
        """Keep an entry, if that can be done; it is said once when it cannot."""
        folder = self.folder
        if folder is None:
            _say("the system names no folder for it", "Set BRAIN_UAD_CACHE to a folder you may write to")
            return
        try:
            make_private(folder)
            write_entry(folder / f"{key}{_SUFFIX}", key, entry)
        except OSError as error:
            _unusable(folder, error)
        except InputError as error:
            _say(error.why, f"Free some space, or set BRAIN_UAD_CACHE to another folder than {folder.parent}")
        else:
            _prune(folder)

    def try_out(self) -> None:
        """Say it before the work begins, and before processes share it, when nothing can be kept."""
        folder = self.folder
        if folder is None:
            self.keep("", Entry({}))
            return
        try:
            make_private(folder)
            probe(folder)
        except OSError as error:
            _unusable(folder, error)


def _unusable(folder: Path, error: OSError) -> None:
    _say(f"{folder}: {error.strerror or error}", "Set BRAIN_UAD_CACHE to a folder you may write to")


def _say(why: str, fix: str) -> None:
    text = f"The cache cannot be used, work goes on without it ({why}). {fix}"
    if os.environ.get(_SAID) != text:
        os.environ[_SAID] = text
        _LOG.warning(text)


def _prune(folder: Path) -> None:
    """Remove the entries used longest ago until a folder of the cache is small enough; other processes may be doing the same."""
    entries = []
    for file in _files(folder):
        with suppress(OSError):
            known = file.stat()
            if _TEMPORARY.fullmatch(file.name):  # another process may be writing it
                if time.time() - known.st_mtime > _LEFT_BEHIND:
                    file.unlink()
            elif _EARLIER.fullmatch(file.name):
                file.unlink()
            elif file.suffix == _SUFFIX:
                entries.append((known.st_mtime, known.st_size, file))
    excess = sum(size for _, size, _ in entries) - CACHE_BYTES
    for _, size, file in sorted(entries):
        if excess <= 0:
            break
        with suppress(OSError):
            file.unlink()
        excess -= size


def _files(folder: Path) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if one.is_file()]
    except OSError:
        return []
