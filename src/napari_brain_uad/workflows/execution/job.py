"""One job in the process of a Dask worker: what `parallel` submits, whoever started the worker."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from distributed import Worker, get_worker
from distributed.core import Status

from ...core.errors import Cancelled, DeviceError
from ...core.isolation import isolated
from ...core.progress import Listener, Progress
from ...core.provenance import code_sha256
from .packed import packed

_LOOK_SECONDS = 0.2
_SAID_SECONDS = 0.5
"""A job says how far it is at most this often."""

_ENDING = (Status.closing, Status.closed, Status.failed)


class _AtWork:
    """The jobs of this process, and who is told of them."""

    def __init__(self) -> None:
        self.going: dict[str, Progress] = {}
        self.tell: Callable[[str], None] = lambda _line: None

    def cancel(self) -> None:
        """Cancel all of them."""
        for progress in tuple(self.going.values()):
            progress.cancel()


AT_WORK = _AtWork()


def do(told: bytes, topic: str, number: int, code: str, shared: str) -> bytes | str:
    """Do one job.

    Parameters
    ----------
    told : bytes
        A function and what it is given. They are unpickled: Dask's connections are for our own processes and those that the user trusts.
    topic : str
        The run, under which Dask hears how far the job is.
    number : int
        The job.
    code : str
        What this package's code has to be; empty: not looked at.
    shared : str
        A folder of the one who asked, for what is large; empty: none.

    Returns
    -------
    bytes or str
        The result, or the error that it ended with, for `packed.unpacked`; nothing when nobody wants it any more.
    """
    worker = get_worker()
    key = str(worker.get_current_task())
    progress = Progress(_listener(worker, topic, number))
    AT_WORK.going[key] = progress
    AT_WORK.tell(f"begins {number}")
    try:
        with _watched(worker, key, progress):
            return packed(isolated(partial(_done, told, code, progress)), shared)
    except Cancelled:
        return b""
    finally:
        AT_WORK.tell("ends")
        del AT_WORK.going[key]


def holds(topic: str) -> bool:
    """Whether a job of a run is at work in this process."""
    return any(key.startswith(topic) for key in AT_WORK.going)


def _done(told: bytes, code: str, progress: Progress) -> Any:
    if code and code != code_sha256():
        why = "its results could differ from those of the others"
        raise DeviceError("The worker has another version of this package", why=why, fix="Install the same everywhere, start workers again")
    work, job = pickle.loads(told)
    return work(job, progress)


def _listener(worker: Worker, topic: str, number: int) -> Listener:
    last = time.monotonic()

    def listen(fraction: float, _: str) -> None:
        nonlocal last
        if time.monotonic() - last > _SAID_SECONDS:
            last = time.monotonic()
            worker.log_event(topic, [number, fraction])

    return listen


@contextmanager
def _watched(worker: Worker, key: str, progress: Progress) -> Iterator[None]:
    """Within it, the job is cancelled when nobody wants its result: it was cancelled, its client is gone, or the scheduler is."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_SECONDS):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled" or worker.status in _ENDING:
                progress.cancel()
                return

    threading.Thread(target=watch, name="wanted", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
