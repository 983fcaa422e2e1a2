"""Ctrl+C and the signals of schedulers: they cancel what a command does, and end it when that takes too long."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..core.errors import Cancelled
from ..core.progress import Progress

_PATIENCE = 3.5
"""Seconds that a command has to end by itself once it is cancelled: long enough to remove what is half written."""

_KINDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """A signal came while nothing could be cancelled.

    A type of its own: CPython takes note of a plain KeyboardInterrupt that passes through `exec` (of a dataclass, say, while a module is
    imported), and then ends with SIGINT's code whatever `main` returns.
    """


def _quiet(complaining: Callable[[sys.UnraisableHookArgs], object]) -> Callable[[sys.UnraisableHookArgs], object]:
    """A signal in the middle of a callback (of a weak reference, say, within an import) is noted all the same: no traceback of it."""

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not issubclass(unraisable.exc_type, Interrupted):
            complaining(unraisable)

    return hook


class Interruption:
    """What signals do while a command runs: the first cancels its `Progress`, a second one ends it where it stands.

    Attributes
    ----------
    received : int or None
        The number of the first signal.
    patience : float
        Seconds after which the process is ended although the command still runs.
    """

    def __init__(self) -> None:
        self._begin()
        self._progress: Progress | None = None

    def _begin(self) -> None:
        self.received: int | None = None
        self.patience = _PATIENCE
        self._taken = 0

    def at_training_step(self, _step: int) -> None:
        """Cancelled, a network's training ends its step and writes a checkpoint; each of several processes has to stay for that."""
        from ..training.session import CHECKPOINT_SECONDS

        self.patience = CHECKPOINT_SECONDS

    def after_training(self) -> None:
        """What follows has no checkpoint to write."""
        self.patience = _PATIENCE

    @property
    def exit_code(self) -> int:
        """143 after SIGTERM, as shells have it, otherwise 130: cancelled."""
        return 128 + signal.SIGTERM if self.received == signal.SIGTERM else Cancelled.exit_code

    @contextmanager
    def cancelling(self, progress: Progress) -> Iterator[None]:
        """Within it a signal cancels `progress`; outside of any, it raises `Interrupted`.

        Raises
        ------
        Cancelled
            At its end, when a signal came and nobody looked: what was finished after the user cancelled has still been cancelled.
        """
        before, self._progress = self._progress, progress
        try:
            if self.received is not None:
                progress.cancel()
            yield
            progress.check()
        finally:
            self._progress = before

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within it signals are taken; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._begin()
        # A signal that is ignored stays ignored: nohup and shells start what goes on in the background like that.
        taken = [kind for kind in _KINDS if signal.getsignal(kind) is not signal.SIG_IGN]
        handlers = {kind: signal.signal(kind, self._take) for kind in taken}
        complaining, sys.unraisablehook = sys.unraisablehook, _quiet(sys.unraisablehook)
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        # Handlers wait for the main thread, which may be in the middle of a library's call; this one does not.
        threading.Thread(target=self._watch, args=(ours,), name="signals", daemon=True).start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for kind, handler in handlers.items():
                signal.signal(kind, handler)
            sys.unraisablehook = complaining
            theirs.close()

    def _take(self, number: int, _: object) -> None:
        self.received = self.received or number
        self._taken += 1
        if self._progress is None or self._taken > 1:
            raise Interrupted
        self._progress.cancel()

    def _watch(self, signals: socket.socket) -> None:
        with signals:
            number = signals.recv(1)
            if not number:
                return
            self.received = self.received or number[0]
            if self._progress is not None:
                self._progress.cancel()
            start = time.monotonic()
            signals.setblocking(True)
            while (left := start + self.patience - time.monotonic()) > 0:
                signals.settimeout(left)
                try:
                    if not signals.recv(1):
                        return
                except TimeoutError:
                    continue
        sys.stderr.write("brain-uad: Cancelled.\n")
        os._exit(self.exit_code)


interruption = Interruption()
