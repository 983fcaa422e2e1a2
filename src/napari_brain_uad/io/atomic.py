"""Writing files so that a reader only ever sees the old file or the whole new one.

A temporary file in the target's own folder, flushed to disk, then renamed over the target: a crash, a full disk or a cancelled
job leaves what was there before.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import InputError
from .json_files import encodable

NO_SPACE = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""What the system calls a full disk."""
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST}


@contextmanager
def atomic_path(target: Path, *, private: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `target`, on any error it is removed.

    Parameters
    ----------
    target : Path
        Where the file shall be. Its folder must exist. An existing file is replaced.
    private : bool
        Nobody but this user may read it (0600).

    Yields
    ------
    Path
        In the same folder, with the last two suffixes of `target` (``.nii.gz``), so that writers that go by them work.

    Raises
    ------
    InputError
        If the disk is full, the folder is missing or read-only, or the system reports another failure; names the target.
    """
    target = Path(target)
    temporary = target.with_name(f".{secrets.token_hex(8)}{''.join(target.suffixes[-2:])}")
    try:
        if private:
            temporary.touch(mode=0o600, exist_ok=False)
        yield temporary
        _flush(temporary)
        temporary.replace(target)
        flush_folder(target.parent)
    except OSError as error:
        raise not_written(target, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically; see `atomic_path` for the errors."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    r"""Write `text` to `path` atomically, as UTF-8 with ``\n`` line ends on every system; see `atomic_path` for the errors."""
    write_bytes(path, str(encodable(text)).encode("utf-8"))


def write_json(path: Path, data: Any) -> None:
    """Write `data` to `path` atomically, the same bytes for the same data: see `json_text`."""
    write_text(path, json_text(data, Path(path).name))


def json_text(data: Any, what: str = "JSON") -> str:
    """`data` as JSON text: keys sorted, two spaces of indent, UTF-8, a newline at the end.

    Parameters
    ----------
    data : object
        Plain data; numpy scalars and arrays become numbers and lists. Texts that no UTF-8 file can hold are written readably, see
        `json_files.encodable`.
    what : str
        Named in the error.

    Raises
    ------
    InputError
        If a number is NaN or infinite: JSON has no word for it, and each reader would make something else of it.
    """
    try:
        return json.dumps(encodable(data), sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False, default=_plain) + "\n"
    except ValueError as error:
        raise InputError(f"{what} cannot be written", why=f"a number is NaN or infinite ({error})", fix="Report this as a defect") from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON data")


def _flush(path: Path) -> None:
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def flush_folder(folder: Path) -> None:
    """Bring what was renamed in a folder to the disk, as far as the system can."""
    # The rename itself should reach the disk too. The file is in place by now, and Windows, some network file systems and folders
    # that may be written but not listed cannot do this: no reason to fail.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def not_written(target: Path, error: OSError) -> InputError:
    """What the system said against writing `target`, in our words."""
    what = f"{target.name} cannot be written"
    if error.errno in NO_SPACE:
        return InputError(what, why=f"the disk of {target.parent} is full", fix="Free some space or choose another folder")
    if error.errno in _FORBIDDEN:
        return InputError(what, why=f"{target.parent} is read-only or belongs to someone else", fix="Choose a folder you may write to")
    if error.errno in _NO_FOLDER:
        return InputError(what, why=f"{target.parent} is not a folder", fix="Create the folder first, or choose another one")
    return InputError(what, why=error.strerror or type(error).__name__, fix="Choose another file name or folder")
