"""Where a run writes, and under which names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from ...core.errors import InputError
from ...core.provenance import array_sha256
from ...core.volume import Volume
from ...io.results import Run


def output_stem(name: str, what: str) -> str:
    """First part of all file names of a run: scan, and method or preset, with what file systems dislike replaced.

    Letters of any language stay, and bytes that the system's encoding does not know (they come as lone surrogates).
    """
    return f"{folder_name(name)}_{what}"


def folder_name(name: str) -> str:
    """A name without what file systems dislike."""
    return re.sub(r"[^\w.\udc80-\udcff-]+", "-", unicodedata.normalize("NFC", name)).strip("-.") or "scan"


def given_file(given: str | Path, what: str) -> str | Path:
    """A file or folder as it was given.

    Raises
    ------
    InputError
        If it is an empty text: a variable that was not set. As a path it would mean the working folder.
    """
    if isinstance(given, str) and not given.strip():
        raise InputError(f"The {what} has an empty name", why="an empty text was given", fix="Give a name, or '.' for the working folder")
    return given


def output_folder(out: str | Path) -> Path:
    """The folder for results, made when missing.

    Raises
    ------
    InputError
        If it cannot be made, or `out` is an empty text.
    """
    folder = Path(given_file(out, "folder for the results"))
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
