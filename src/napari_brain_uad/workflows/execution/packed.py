"""The outcome of a job on its way home: as bytes, or as a file where both ends see the same folder."""

from __future__ import annotations

import pickle
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ...core.isolation import isolated

LARGE_BYTES = 1 << 16
"""What is larger goes through a file, when there is a place for one: encrypted connections copy it four times on its way."""


def packed(outcome: Any, shared: str) -> bytes | str:
    """The outcome for the way home; not every result can be sent, or fits into memory twice.

    Parameters
    ----------
    outcome : object
        A result, or the error in its place.
    shared : str
        A folder that the one who asked sees, too, and that nobody else can read; empty: none.

    Returns
    -------
    bytes or str
        It, or the file that holds it.
    """
    found = isolated(partial(pickle.dumps, outcome, protocol=pickle.HIGHEST_PROTOCOL))
    found = found if isinstance(found, bytes) else pickle.dumps(found)
    return (_file(found, shared) or found) if shared and len(found) > LARGE_BYTES else found


def _file(found: bytes, shared: str) -> str | None:
    """The new file with these bytes; None when the disk does not take them."""
    path = Path(shared) / f"{uuid.uuid4().hex}.result"
    try:
        path.write_bytes(found)
    except OSError:
        with suppress(OSError):
            path.unlink()
        return None
    return str(path)


def unpacked(told: bytes | str) -> Any:
    """The outcome that `packed` made; a file of it is removed.

    Raises
    ------
    OSError
        If its file cannot be read.
    """
    if isinstance(told, bytes):
        return pickle.loads(told)
    path = Path(told)
    try:
        return pickle.loads(path.read_bytes())
    finally:
        path.unlink(missing_ok=True)
