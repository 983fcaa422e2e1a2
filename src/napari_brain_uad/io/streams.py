"""Reading a file's bytes to their end, checksum included, in bounded memory.

A gzip file carries the CRC-32 and the length of its contents at its very end; readers that stop at the last voxel never look at
them, and a damaged scan then loads with wrong voxels. Here every stream is read to its end, and what the header does not
announce is neither kept nor inflated further.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError

_CHUNK = 1 << 20
_GZIP = 31  # zlib's wbits for "a gzip header and trailer, CRC checked"
_MOST_INFLATION = 1032
"""DEFLATE cannot expand a byte to more than 1,032 (RFC 1951: 258 bytes from two bits)."""

COPY_AGAIN = "Copy or download the file again"
WHICH = "--volume N on the command line, behind --with FILE:N"
GET_LINKED = "Get what the link points to (datalad get, git annex get), or mend the link"


@dataclass(frozen=True)
class Extent:
    """What a header announces, in bytes from the start of the (decompressed) file.

    Parameters
    ----------
    total : int
        Bytes the file must have.
    start, stop : int
        The part that is wanted, half-open.
    slack : int
        Bytes there may be beyond `total`.
    """

    total: int
    start: int
    stop: int
    slack: int = 0


def is_file(path: Path) -> bool:
    """Whether there is such a file; False too where the system does not tell (no right to look, name too long)."""
    with suppress(OSError):
        return path.is_file()
    return False


def file_sha256(path: Path) -> str:
    """SHA-256 of a file; empty where it is none, or cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def leads_nowhere(path: Path) -> bool:
    """Whether a path is a link to something that is not there."""
    with suppress(OSError):
        return path.is_symlink() and not path.exists()
    return False


def check_there(*paths: Path | None, fix: str = "Choose an image file") -> None:
    """Refuse paths at which nothing is, before what reads them is imported and anything is read.

    Parameters
    ----------
    *paths : Path or None
        Files or folders; None for one that was not given.
    fix : str
        What to do when one is missing.

    Raises
    ------
    InputError
        If one is missing, a link that leads nowhere, or cannot be looked at.
    """
    for path in filter(None, paths):
        with _reading(path):
            if leads_nowhere(path):
                raise InputError(path.name, why=f"it is a link that leads nowhere ({path})", fix=GET_LINKED)
            if not path.exists():
                raise InputError(path.name or str(path), why=f"there is no such file ({path})", fix=fix)


def read_head(path: Path, size: int) -> bytes:
    """The first `size` decompressed bytes of a file (fewer when it is shorter).

    Raises
    ------
    InputError
        If the file is missing, empty, unreadable, or its suffix promises gzip and its contents are not.
    """
    head = b""
    for chunk in _chunks(path):
        head += chunk[: size - len(head)]
        if len(head) == size:
            break
    return head


def read_extent(path: Path, extent: Extent) -> tuple[NDArray[np.uint8], str]:
    """Read a file to its end and keep one part of it.

    Parameters
    ----------
    path : Path
        The file; gzip when its suffix ends with ``z``.
    extent : Extent
        What the file must hold, and the part to keep.

    Returns
    -------
    part : array of uint8
        The bytes from ``extent.start`` to ``extent.stop``.
    sha256 : str
        Of the whole decompressed contents.

    Raises
    ------
    InputError
        If the file is shorter or longer than announced, damaged, or cannot be read.
    """
    check_room(path, extent)
    part = np.empty(extent.stop - extent.start, np.uint8)
    digest = hashlib.sha256()
    position = 0
    for chunk in _chunks(path):
        digest.update(chunk)
        position = _keep(part, chunk, position, extent)
        if position > extent.total + extent.slack:
            break
    _check_length(path, position, extent)
    return part, digest.hexdigest()


def _keep(part: NDArray[np.uint8], chunk: bytes, position: int, extent: Extent) -> int:
    """Copy what `chunk`, which lies at `position`, has of the wanted part; return the position after it."""
    end = position + len(chunk)
    low, high = max(position, extent.start), min(end, extent.stop)
    if low < high:
        part[low - extent.start : high - extent.start] = np.frombuffer(chunk, np.uint8)[low - position : high - position]
    return end


def check_room(path: Path, extent: Extent) -> None:
    """Refuse a claim that the file cannot hold, before any memory is taken for it; raises as `read_extent`."""
    with _reading(path):
        size = path.stat().st_size
    most = size * _MOST_INFLATION if _compressed(path) else size
    if extent.total > most:
        why = f"its header announces {extent.total:,} bytes, a file of {size:,} cannot hold them: it is cut off, or its header is damaged"
        raise InputError(path.name, why=why, fix=COPY_AGAIN)


def _check_length(path: Path, position: int, extent: Extent) -> None:
    if position < extent.total:
        raise InputError(
            path.name, why=f"it holds {position:,} of the {extent.total:,} bytes its header announces: it is cut off", fix=COPY_AGAIN
        )
    if position > extent.total + extent.slack:
        raise InputError(
            path.name,
            why=f"it holds more than the {extent.total:,} bytes its header announces: header and voxels do not belong together",
            fix=f"{COPY_AGAIN}, or correct its header",
        )


def _compressed(path: Path) -> bool:
    return path.suffix.lower() in (".gz", ".mgz")


def _chunks(path: Path) -> Iterator[bytes]:
    """The decompressed contents, in pieces of at most a megabyte."""
    with _reading(path):
        # A named pipe or a device would block for ever: only regular files are opened.
        check_there(path)
        if not path.is_file():
            why = "it is a folder" if path.is_dir() else "it is not a regular file"
            raise InputError(path.name or str(path), why=f"{why} ({path})", fix="Choose an image file")
        with path.open("rb") as handle:
            first = handle.read(_CHUNK)
            if not first:
                raise InputError(path.name, why="the file is empty", fix=COPY_AGAIN)
            pieces = iter(lambda: handle.read(_CHUNK), b"")
            if _compressed(path):
                yield from _inflate(path, first, pieces)
            else:
                yield first
                yield from pieces


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what the system says against reading into our own error."""
    try:
        yield
    except OSError as error:
        raise InputError(path.name, why=f"it cannot be read ({error.strerror})", fix="Check the file and your right to read it") from error


def _inflate(path: Path, first: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip, which may have several members; zeros after the last one are padding, anything else is damage."""
    if not first.startswith(b"\x1f\x8b"):
        raise InputError(path.name, why="its name says gzip, its contents are not gzip", fix=f"{COPY_AGAIN}, or correct its name")
    decoder = zlib.decompressobj(_GZIP)
    pending = first
    try:
        while pending := pending or next(pieces, b""):
            if decoder.eof:
                pending = pending.lstrip(b"\0")
                if not pending:
                    continue
                decoder = zlib.decompressobj(_GZIP)
            piece = decoder.decompress(pending, _CHUNK)
            pending = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            if piece:
                yield piece
    except zlib.error as error:
        raise InputError(path.name, why=f"the compressed data is damaged ({_reason(error)})", fix=COPY_AGAIN) from None
    if not decoder.eof:
        raise InputError(path.name, why="the compressed data ends too early: the file is cut off", fix=COPY_AGAIN)


def _reason(error: zlib.error) -> str:
    return str(error).rpartition(": ")[2]
