"""Where a run writes, and under which names."""

from __future__ import annotations

import re
from pathlib import Path

from ..core.errors import InputError


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
