"""Where methods that compute with torch do so: in this process, or in one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ...detectors.registry import method_class

_APART: ContextVar[bool] = ContextVar("learned methods apart", default=False)


@contextmanager
def learned_methods_apart() -> Iterator[None]:
    """Within it, methods that compute with torch score in a process of their own.

    A window's jobs run within it: importing torch and running Python for it would hold the window up for a second and more, and a
    process gives all its memory back when it ends, that of a GPU too.
    """
    token = _APART.set(True)
    try:
        yield
    finally:
        _APART.reset(token)


def goes_apart(method: str) -> bool:
    """Whether a method is to be scored in a process of its own."""
    return _APART.get() and method_class(method).INFO.devices != ("cpu",)
