"""What was read from files, kept until one of them changes: a list of models is asked for a hundred times as a dock opens."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

Read = TypeVar("Read")

_SETTLED = 1.0
"""Seconds after which a file is taken as written: within the clock's tick it could change again and look the same."""

_Facts = tuple[tuple[int, int, int, int] | None, ...]


class Kept(Generic[Read]):
    """A store of what files say.

    Parameters
    ----------
    most : int
        Entries that it holds; the oldest goes first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[Hashable, tuple[_Facts, Read]] = {}

    def get(self, key: Hashable, files: Sequence[Path], read: Callable[[], Read]) -> Read:
        """What `read` gives, asked again only when a file has changed, came or went.

        Parameters
        ----------
        key : hashable
            What is read.
        files : sequence of Path
            All files that `read` looks at; any of them may be missing.
        read : callable
            Its errors go to the caller and are not kept. What it gives is shared by all callers, who leave it as it is.
        """
        facts = tuple(_facts(file) for file in files)
        held = self._held.get(key)
        if held is not None and held[0] == facts:
            return held[1]
        found = read()
        self._held.pop(key, None)
        if time.time_ns() - max((one[-1] for one in facts if one is not None), default=0) > _SETTLED * 1e9:
            self._held[key] = (facts, found)
            # Several threads may be here: what another took away already is no error.
            for oldest in list(self._held)[: max(0, len(self._held) - self._most)]:
                self._held.pop(oldest, None)
        return found


def _facts(file: Path) -> tuple[int, int, int, int] | None:
    """What changes with a file; None where there is none that can be asked."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
