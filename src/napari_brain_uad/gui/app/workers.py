"""Background jobs: work in a Python thread, results in the main thread, nothing into widgets that are gone."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from qtpy.QtCore import QObject, QTimer, Signal

from ...core.errors import BrainUADError, Cancelled
from ...core.isolation import isolated
from ...core.progress import Progress
from ...workflows.execution.place import learned_methods_apart

T = TypeVar("T")

_REPORT_SECONDS, _LATER_SECONDS, _EARLY = 0.05, 0.5, 2.0
"""Progress is passed on at most this often, within the first seconds of a job and then: for each report Qt puts the whole window together
again, the canvas read back from OpenGL, which takes 0.1 s of a core where OpenGL is software: a comparison lost half a core to it."""

PATIENCE_MS = 1500
"""How long a cancelled job may take to stop before it is left to itself."""

_SWITCH_SECONDS = 0.001
"""While a job runs, Python's threads take turns this often. An event in the window may need Python a dozen times: with the usual 5 ms a
job that is all Python (an import, say) would hold it up for 60."""

_RUNNING: set[Job] = set()
"""Keeps a job's QObject alive until its thread has ended; a signal from a thread whose sender is gone would crash."""

_usual_turn: float | None = None


class Job(QObject):
    """One job in the background; made by `run`.

    Parameters
    ----------
    parent : QObject
        Whom the results are for. When it is destroyed the job is abandoned. It does not own the job.
    on_done : callable
        Gets what the job returned.
    on_error : callable
        Gets the `BrainUADError`: `Cancelled`, or an `InternalError` for what nobody foresaw, included.
    on_progress : callable, optional
        Gets the fraction done and a message.
    on_news : callable, optional
        Gets what the job passes to `tell`, in order and before the end.

    Notes
    -----
    Exactly one of `on_done` and `on_error` is called, once, in the main thread; none after `abandon`.
    """

    _progressed = Signal(float, str)
    _told = Signal(object)
    _ended = Signal(object, object)

    def __init__(
        self,
        parent: QObject,
        on_done: Callable[[Any], None],
        on_error: Callable[[Exception], None],
        on_progress: Callable[[float, str], None] | None = None,
        on_news: Callable[[Any], None] | None = None,
    ) -> None:
        super().__init__()
        self._callbacks: tuple[Callable[[Any], None], Callable[[Exception], None]] | None = (on_done, on_error)
        self._on_progress, self._on_news = on_progress, on_news
        self._progress = Progress(self._report)
        self._reported, self._begun = 0.0, time.monotonic()
        # Emitted in the job's thread, received by this QObject of the main thread: Qt queues them.
        self._progressed.connect(self._deliver_progress)
        self._told.connect(self._deliver_news)
        self._ended.connect(self._deliver_end)
        parent.destroyed.connect(self.abandon)

    @property
    def running(self) -> bool:
        """Whether the result is still to be delivered."""
        return self._callbacks is not None

    def cancel(self) -> None:
        """Ask the job to stop; `on_error` then gets `Cancelled`, after `PATIENCE_MS` at the latest.

        A library may be in the middle of something that takes seconds; it ends on its own, and nobody waits for it.
        """
        self._progress.cancel()
        QTimer.singleShot(PATIENCE_MS, self._give_up)

    def abandon(self, _destroyed: object = None) -> None:
        """Ask the job to stop and deliver nothing any more."""
        self._callbacks = None
        self._on_progress = self._on_news = None
        self._progress.cancel()

    def tell(self, news: object) -> None:
        """Pass something on to `on_news`; called in the job's thread."""
        self._told.emit(news)

    def _report(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        least = _REPORT_SECONDS if now - self._begun < _EARLY else _LATER_SECONDS
        if now - self._reported >= least or fraction >= 1.0:
            self._reported = now
            self._progressed.emit(fraction, message)

    def _work(self, job: Callable[[Progress], Any]) -> None:
        result: Any = None
        try:
            with learned_methods_apart():
                result = isolated(partial(job, self._progress))
            # A job that finished after the user cancelled has still been cancelled.
            self._progress.check()
        except Cancelled as cancelled:
            result = cancelled
        error = result if isinstance(result, BrainUADError) else None
        self._ended.emit(None if error else result, error)

    def _deliver_progress(self, fraction: float, message: str) -> None:
        if self._on_progress is not None and not self._progress.cancelled:
            self._on_progress(fraction, message)

    def _give_up(self) -> None:
        callbacks, self._callbacks = self._callbacks, None
        self._on_progress = self._on_news = None
        if callbacks is not None:
            callbacks[1](Cancelled())

    def _deliver_news(self, news: object) -> None:
        if self._on_news is not None and not self._progress.cancelled:
            self._on_news(news)

    def _deliver_end(self, result: Any, error: Exception | None) -> None:
        _RUNNING.discard(self)
        _take_turns()
        callbacks, self._callbacks = self._callbacks, None
        self._on_progress = self._on_news = None
        if callbacks is None:
            return
        on_done, on_error = callbacks
        if error is None and not self._progress.cancelled:
            on_done(result)
        else:
            on_error(error or Cancelled())


def run(
    job: Callable[[Progress], T],
    *,
    parent: QObject,
    on_done: Callable[[T], None],
    on_error: Callable[[Exception], None],
    on_progress: Callable[[float, str], None] | None = None,
) -> Job:
    """Start `job` in a thread of its own and return at once.

    Parameters
    ----------
    job : callable
        Gets a `Progress` to report to and to be cancelled by; touches no widget.
    parent, on_done, on_error, on_progress
        See `Job`.

    Returns
    -------
    Job
        To cancel it.
    """
    started = Job(parent, on_done, on_error, on_progress)
    _start(started, job)
    return started


def run_telling(
    job: Callable[[Progress, Callable[[object], None]], T],
    *,
    parent: QObject,
    on_done: Callable[[T], None],
    on_error: Callable[[Exception], None],
    on_progress: Callable[[float, str], None] | None = None,
    on_news: Callable[[Any], None],
) -> Job:
    """As `run`, for a job with something to show before it ends: it gets, besides its `Progress`, a function to tell it with."""
    started = Job(parent, on_done, on_error, on_progress, on_news)
    _start(started, lambda progress: job(progress, started.tell))
    return started


def _start(started: Job, job: Callable[[Progress], Any]) -> None:
    _RUNNING.add(started)
    _take_turns()
    # A daemon: a job that hangs in a library must not keep the process alive after the window is closed.
    threading.Thread(target=started._work, args=(job,), name="brain-uad job", daemon=True).start()


def _take_turns() -> None:
    """Let threads take turns quickly while there are jobs, and as whoever runs the process set it when there are none."""
    global _usual_turn
    if _RUNNING and _usual_turn is None:
        _usual_turn = sys.getswitchinterval()
        sys.setswitchinterval(min(_SWITCH_SECONDS, _usual_turn))
    elif not _RUNNING and _usual_turn is not None:
        sys.setswitchinterval(_usual_turn)
        _usual_turn = None
