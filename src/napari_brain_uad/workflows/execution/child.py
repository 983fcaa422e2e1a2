"""What processes of ours share that work for another one: starting them, their events as lines of JSON, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import IO, Any

from ...core.errors import BrainUADError, Cancelled, DeviceError, InputError, InternalError, ModelError
from ...core.isolation import log_details
from ...core.progress import Progress
from ...io.folders import temporary_file
from ...io.processes import unreached_by_ctrl_c

_SAID_SECONDS = 0.2
"""A child says how far it is at most this often, unless it has something new to say."""

_ERRORS = {kind.__name__: kind for kind in (BrainUADError, InputError, ModelError, DeviceError, InternalError, Cancelled)}


def start_child(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start ``python -m MODULE ARGUMENTS`` with pipes to and from it.

    Parameters
    ----------
    environment : mapping, optional
        What its environment has besides this process'.

    Returns
    -------
    child, errors
        The process, and the file its standard error goes to, which the reader closes; see `why_died`.
    """
    # On a busy machine, threads that spin while they wait keep those they wait for from running: steps a hundred times as long.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **(environment or {})}
    errors = temporary_file()
    with unreached_by_ctrl_c():
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    return child, errors


def why_died(code: int, errors: IO[bytes]) -> tuple[str, bool]:
    """Why a child ended that was not asked to, in words, and whether it was most likely for lack of memory."""
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip().splitlines()
    words, memory = why_ended(code)
    return (said[-1] if said and not memory else words), memory


def why_ended(code: int) -> tuple[str, bool]:
    """What an exit code that nobody asked for means, in words, and whether memory ran out, most likely."""
    if code == -getattr(signal, "SIGKILL", 9):
        return "the system ended it, most likely because memory ran out", True
    known = {-number: number.name for number in signal.Signals}
    return f"it ended with {known[code]}" if code in known else f"it ended with code {code}", False


class Voice:
    """The child's end: says events, one line of JSON each, for as long as somebody listens.

    Parameters
    ----------
    stream : file or None
        Where to; None says nothing.
    **always
        What every event has besides its own.

    Attributes
    ----------
    progress : Progress
        What is told to it is said; it is cancelled when nobody listens any more.
    """

    def __init__(self, stream: IO[str] | None, **always: Any) -> None:
        self._stream, self._always = stream, always
        self.progress = Progress(self._hear)
        self._last = 0.0
        self._lock = threading.Lock()

    def say(self, kind: str, **more: Any) -> None:
        """Say one event."""
        if self._stream is None:
            return
        try:
            with self._lock:
                self._stream.write(json.dumps({"kind": kind, **self._always, **more}) + "\n")
                self._stream.flush()
        except OSError:
            self._stream = None
            self.progress.cancel()

    def _hear(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if message or now - self._last > _SAID_SECONDS:
            self._last = now
            self.say("message", fraction=fraction, message=message)

    def failed(self, error: BrainUADError) -> int:
        """Say an error; its exit code."""
        details = error.details if isinstance(error, InternalError) else ""
        self.say("failed", error=type(error).__name__, what=error.what, why=error.why, fix=error.fix, details=details)
        return error.exit_code


def told_error(event: dict[str, Any]) -> BrainUADError:
    """The error of a "failed" event, as it was raised in the child."""
    error = _ERRORS[event["error"]](event["what"], why=event["why"], fix=event["fix"])
    if isinstance(error, InternalError):
        error.details = event["details"]
        log_details(error)
    return error


def own_output() -> IO[str]:
    """Standard output for events alone: what libraries print goes to standard error from now on."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return events
