"""Where a run writes, and under which names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ..core.errors import InputError
from ..core.provenance import array_sha256
from ..core.volume import Volume
from ..io.results import Run


def output_stem(name: str, what: str) -> str:
    """First part of all file names of a run: scan, and method or preset, with what file systems dislike replaced."""
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.")
    return f"{safe or 'scan'}_{what}"


def output_folder(out: str | Path) -> Path:
    """The folder for results, made when missing.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Folder {folder.name} cannot be made", why=error.strerror or str(error), fix="Choose another --out") from error
    return folder


def run_of(volume: Volume, name: str, files: Iterable[str], record: str = "") -> Run:
    """A run that was made from one scan; for `name` and `record` see `io.results.Run`.

    Parameters
    ----------
    files : iterable of str
        The names of all files that such a run may write.
    """
    source = volume.source
    sha256 = source.sha256 if source is not None and source.sha256 else array_sha256(volume.data)
    return Run(name, "|".join(map(re.escape, files)), volume.name, sha256, record)
