"""Promises in seconds, kept on a machine that does nothing else, and told apart here from a machine that does."""

from __future__ import annotations

import time

_SPIN = 0.2
_BUSY = 1.3


def assert_within(elapsed: float, seconds: float) -> None:
    """Fail unless something took less than so many seconds; on a busy machine, unless that explains the rest.

    A machine that gives this thread a third of a core needs three times as long for everything: then no more is asked than twice that.
    """
    if elapsed >= seconds:
        slower = slowdown()
        assert slower > _BUSY, f"it took {elapsed:.1f} s of {seconds:g} s on an idle machine"
        assert elapsed < 2.0 * slower * seconds, f"it took {elapsed:.1f} s of {seconds:g} s, {slower:.1f} times slower than idle"


def slowdown() -> float:
    """How many times longer work takes now than it would if nothing else ran."""
    start, busy = time.perf_counter(), time.thread_time()
    while time.thread_time() - busy < _SPIN:
        pass
    return (time.perf_counter() - start) / _SPIN
