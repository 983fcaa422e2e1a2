"""What a piece of work took: wall time, and the memory it had at its highest."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_STATM = Path("/proc/self/statm")
_EVERY_SECONDS = 0.01


class Measured:
    """Measures what runs inside the ``with`` block.

    Attributes
    ----------
    seconds : float
        Wall time.
    peak_bytes : int or None
        How far this process's resident memory rose above where it was at the start; None on systems that do not tell (it is read
        from ``/proc``, which Linux has). Looked at every 10 ms by a thread of its own: of shorter peaks nothing is seen.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.peak_bytes: int | None = None
        self._stop = threading.Event()
        self._watch: threading.Thread | None = None

    def __enter__(self) -> Self:
        if _STATM.is_file():
            self._base = self._peak = _resident()
            self._watch = threading.Thread(target=self._sample, daemon=True)
            self._watch.start()
        self._start = time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.seconds = time.perf_counter() - self._start
        if self._watch is not None:
            self._peak = max(self._peak, _resident())
            self._stop.set()
            self._watch.join()
            self.peak_bytes = self._peak - self._base

    def _sample(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            self._peak = max(self._peak, _resident())


def _resident() -> int:
    return int(_STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
