"""Scratch folders of test runs: each is removed at the end of its run, or by the next one if that was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "brain-uad-tests-"


def new_scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder with this process's number in its name; those of processes that are gone are removed."""
    made = tempfile.TemporaryDirectory(prefix=prefix_of(os.getpid()))
    for folder in Path(made.name).parent.glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdecimal() and not _runs(int(number)):
            shutil.rmtree(folder, ignore_errors=True)
    return made


def prefix_of(process: int) -> str:
    """How the names of a process's folders begin."""
    return f"{_PREFIX}{process}-"


def _runs(process: int) -> bool:
    with suppress(PermissionError):  # of another user
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return True
