"""Progress and cancelling, with no user interface in it: a window, a terminal bar or a test listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .errors import Cancelled

Listener = Callable[[float, str], None]


class Progress:
    """Reports how far a job is, and stops it when the user asks.

    Parameters
    ----------
    listener : callable, optional
        Called as ``listener(fraction, message)`` with ``0 <= fraction <= 1``, from the thread that does the work.

    Notes
    -----
    Long loops call `update` (or `check`) at least every half second of work, so that cancelling takes effect within two
    seconds. Both raise `Cancelled` once `cancel` was called, from whatever thread.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._cancelled = threading.Event()
        self._low, self._high = 0.0, 1.0

    def update(self, fraction: float, message: str = "") -> None:
        """Report `fraction` (0 to 1) of this job as done.

        Raises
        ------
        Cancelled
            If `cancel` was called.
        """
        self.check()
        if self._listener is not None:
            clipped = min(max(float(fraction), 0.0), 1.0)
            self._listener(self._low + clipped * (self._high - self._low), message)

    def check(self) -> None:
        """Raise `Cancelled` if `cancel` was called."""
        if self._cancelled.is_set():
            raise Cancelled()

    def cancel(self) -> None:
        """Ask the job to stop; safe from any thread."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def part(self, low: float, high: float) -> Progress:
        """A view on the stretch ``[low, high]`` of this job: a step reports 0 to 1 and knows nothing of its neighbours."""
        view = Progress(self._listener)
        view._cancelled = self._cancelled
        span = self._high - self._low
        view._low, view._high = self._low + low * span, self._low + high * span
        return view


class Eta:
    """Remaining time, from the fraction done and the time it took."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def remaining(self, fraction: float) -> float | None:
        """Seconds left at `fraction` done, or None while too little is done to tell."""
        elapsed = time.monotonic() - self._start
        if fraction < 0.02 or elapsed < 0.5:
            return None
        return elapsed * (1.0 - fraction) / fraction
