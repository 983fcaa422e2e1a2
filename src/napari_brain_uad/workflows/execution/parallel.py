"""The same work on several things, one after the other or in processes of their own: what fails costs one thing, and nothing hangs.

`in_processes` is all that others see of it: another executor (a cluster's) takes its place without a change to them.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from ...core.errors import BrainUADError, Cancelled, DeviceError, InputError
from ...core.isolation import isolated, log_details
from ...core.progress import Progress
from ...io.processes import end_soon, unreached_by_ctrl_c
from .child import why_ended

Job = TypeVar("Job")
Result = TypeVar("Result")

_LOOK_SECONDS = 0.2
_GRACE = 2.0
"""Seconds that a process has to end by itself when it is cancelled or its parent is gone; most look at their progress twice a second."""

_TRIES = 2
"""How often a job may take its process with it: memory may have run out because of another."""

_READY = "ready"
# Fresh processes: forked ones would inherit the threads of ITK and torch in unknown states.
_CONTEXT = get_context("spawn")


def in_processes(
    work: Callable[[Job, Progress], Result], given: Sequence[Job], jobs: int, progress: Progress | None = None
) -> list[Result | BrainUADError]:
    """``work(job, progress)`` for every job: what it returned or the error it ended with, in the order of the jobs.

    Parameters
    ----------
    work : callable
        A function of a module, so that processes find it.
    jobs : int
        Processes at a time; with 1 all is done in this one.

    Returns
    -------
    list
        A `BrainUADError` in place of a result: see `core.isolation.isolated`; a `DeviceError` when the process of a job was ended by the
        system, and so was that of a second try.

    Raises
    ------
    InputError
        If `jobs` is below 1.
    DeviceError
        If no process can be started.
    Cancelled
        If `progress` was cancelled; processes that still work are ended.
    """
    if jobs < 1:
        raise InputError("jobs", why=f"{jobs} is not a number of processes", fix="Give at least 1")
    progress = progress or Progress()
    total = max(len(given), 1)
    if jobs == 1 or len(given) <= 1:
        parts = [progress.part(number / total, (number + 1) / total) for number in range(len(given))]
        return [_here(work, one, part) for one, part in zip(given, parts, strict=True)]
    workers = _Workers(min(jobs, len(given)))
    try:
        return workers.done(work, given, progress)
    finally:
        workers.close()


def _here(work: Callable[[Job, Progress], Result], job: Job, progress: Progress) -> Result | BrainUADError:
    outcome = isolated(partial(work, job, progress))
    progress.check()
    return outcome


class _Worker:
    """The parent's end of one process."""

    def __init__(self, cores: int) -> None:
        self.line, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_serve, args=(theirs, cores), daemon=True)
        if sys.platform != "win32":
            # Otherwise it is started below by multiprocessing, which then lets Ctrl+C through again.
            resource_tracker.ensure_running()
        with unreached_by_ctrl_c():
            self.process.start()
        theirs.close()  # with the last copy of it the line ends: that is how a death is noticed
        self.job: int | None = None

    def end(self) -> int:
        """End it at once, unless it has ended; its exit code."""
        self.line.close()
        self.process.kill()
        self.process.join()
        return self.process.exitcode or 0


class _Workers:
    """Processes that do jobs until there are no more, replaced when they die."""

    def __init__(self, count: int) -> None:
        self._cores = max(1, (os.cpu_count() or 1) // count)
        self._workers = [_Worker(self._cores) for _ in range(count)]
        self._still_born = 0

    def done(self, work: Callable[[Job, Progress], Result], given: Sequence[Job], progress: Progress) -> list[Result | BrainUADError]:
        waiting, tries, found = deque(range(len(given))), [0] * len(given), dict[int, Any]()
        while len(found) < len(given):
            progress.update(len(found) / len(given), f"{len(found)} of {len(given)} done")
            for worker in self._talking():
                try:
                    told = worker.line.recv_bytes()
                except (EOFError, OSError):
                    number = worker.job
                    error = self._replaced(worker)
                    if number is not None and tries[number] < _TRIES:
                        waiting.appendleft(number)
                    elif number is not None:
                        found[number] = error
                    continue
                if worker.job is not None:
                    found[worker.job], worker.job = isolated(partial(pickle.loads, told)), None
                if waiting:
                    worker.job = waiting.popleft()
                    tries[worker.job] += 1
                    with suppress(OSError):  # a worker that just died is found out at its line's end
                        worker.line.send_bytes(pickle.dumps((work, given[worker.job])))
        outcomes = [found[number] for number in range(len(given))]
        for one in outcomes:
            log_details(one)
        return outcomes

    def _talking(self) -> list[_Worker]:
        ready = wait([worker.line for worker in self._workers], _LOOK_SECONDS)
        return [worker for worker in self._workers if worker.line in ready]

    def _replaced(self, worker: _Worker) -> BrainUADError:
        """A new process in place of one that died; why it did."""
        worker.process.join(_GRACE)  # its line ends a moment before it does
        why, memory = why_ended(worker.end())
        fix = "Use fewer --jobs, or close other programs" if memory else "Try --jobs 1; if it happens again, report this"
        self._still_born = 0 if worker.job is not None else self._still_born + 1
        if self._still_born > len(self._workers):
            guard = "Use --jobs 1; a script of your own needs `if __name__ == '__main__':` around what it does"
            raise DeviceError("Processes for --jobs cannot be started", why=why, fix=guard)
        self._workers[self._workers.index(worker)] = _Worker(self._cores)
        return DeviceError("The process that worked on it stopped unexpectedly, twice", why=why, fix=fix)

    def close(self) -> None:
        """Close all lines, which cancels what goes on; end the processes that this does not end."""
        for worker in self._workers:
            worker.line.close()
        deadline = time.monotonic() + _GRACE
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
        for worker in self._workers:
            worker.end()


def _serve(line: Connection, cores: int) -> None:
    """Do jobs in this process, the child, until the line ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be blocked from the start
    # Each takes its share of the cores, or they would fight for them.
    os.environ["OMP_NUM_THREADS"] = str(cores)
    jobs: queue.SimpleQueue[tuple[bytes, Progress] | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(line, jobs), name="parent", daemon=True).start()
    with suppress(OSError, Cancelled):  # the parent is gone, or wants no more
        line.send(_READY)
        while (told := jobs.get()) is not None:
            outcome = isolated(partial(_work, *told))
            problem = isolated(partial(line.send, outcome))  # not every result can be sent, or fits into memory twice
            if problem is not None:
                line.send(problem)


def _work(told: bytes, progress: Progress) -> Any:
    work, job = pickle.loads(told)  # from the parent, through a pipe that nobody else has
    return work(job, progress)


def _listen(line: Connection, jobs: queue.SimpleQueue[tuple[bytes, Progress] | None]) -> None:
    """Take jobs until the parent is gone or wants no more, which cancels the last one."""
    latest = Progress()
    with suppress(EOFError, OSError):
        while True:
            told = line.recv_bytes()
            latest = Progress()
            jobs.put((told, latest))
    jobs.put(None)
    end_soon(latest, _GRACE)
