"""Child processes that end with the process that wants them, however that ends: no orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..core.progress import Progress

_GUARD = Path(__file__).with_name("_guard.py")


@contextmanager
def unreached_by_ctrl_c() -> Iterator[None]:
    """Processes started within it do not get the SIGINT that Ctrl+C sends to all of a terminal: the one that started them decides.

    They inherit the blocked signal from their very first instruction on; one that came meanwhile reaches this process afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def guarded(command: Sequence[str], *, output: IO[bytes] | int, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of others, which ends with the block, and with this process.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    output : file or int
        Where its standard output and standard error go.
    cwd : Path, optional
        The folder it runs in.

    Yields
    ------
    subprocess.Popen
        Of the guard, which ends as the program ends and with its exit code. Leaving the block ends a program that still runs.
    """
    words = [sys.executable, "-I", str(_GUARD), *command]
    with unreached_by_ctrl_c():
        guard = subprocess.Popen(words, cwd=cwd, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
    with guard:  # leaving it closes its standard input, its lifeline, and waits
        yield guard


def end_with(lifeline: IO[bytes], progress: Progress | None = None, patience: float = 0.0) -> None:
    """End this process when a pipe does whose other end another process holds open: a thread watches it.

    Parameters
    ----------
    lifeline : file
        Nothing more is read from it.
    progress : Progress, optional
        Cancelled first.
    patience : float
        Seconds that what is cancelled has to end by itself.
    """

    def watch() -> None:
        os.read(lifeline.fileno(), 1)
        end_soon(progress, patience)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def end_soon(progress: Progress | None, patience: float) -> None:
    """Cancel what goes on because nobody wants it any more, and end this process if that has not ended it in `patience` seconds."""
    if progress is not None:
        progress.cancel()
    time.sleep(patience)
    os._exit(1)
