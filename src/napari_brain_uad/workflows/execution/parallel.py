"""The same work on several things, one after the other or by Dask's workers: what fails costs one thing, and nothing hangs.

`in_processes` and `as_done` are all that others see of it; `workers.Workers` says where the work is done.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ...core.errors import BrainUADError
from ...core.isolation import isolated, log_details
from ...core.progress import Progress
from .packed import unpacked
from .workers import Workers

if TYPE_CHECKING:
    from distributed import Future

    from .crew import Crew

Job = TypeVar("Job")
Result = TypeVar("Result")

_LOOK_SECONDS = 0.1
_AGAIN = object()
"""In place of an outcome: the job is to be tried again."""

_FETCH_SECONDS = 10.0
"""So long a result may be on its way."""

_UNDER_WAY = ("pending", "finished", "error")

_UNFETCHED = 3
"""Jobs of a run that are done again since their results could not be had."""

_AHEAD = 2
"""Jobs that are given away for each worker: the one it does and the next. All together would lie in the scheduler's memory."""


def in_processes(
    work: Callable[[Job, Progress], Result], given: Sequence[Job], jobs: int | Workers, progress: Progress | None = None
) -> list[Result | BrainUADError]:
    """``work(job, progress)`` for every job: what it returned or the error it ended with, in the order of the jobs.

    For the parameters and errors see `as_done`.
    """
    found: dict[int, Result | BrainUADError] = dict(as_done(work, given, jobs, progress))
    return [found[number] for number in range(len(given))]


def as_done(
    work: Callable[[Job, Progress], Result], given: Sequence[Job], jobs: int | Workers, progress: Progress | None = None
) -> Generator[tuple[int, Result | BrainUADError]]:
    """``work(job, progress)`` for every job, as they end; a loop that is left before the end ends what is still at work.

    Parameters
    ----------
    work : callable
        A function of a module, so that processes find it.
    jobs : int or Workers
        Processes at a time, with 1 all is done in this one; or where else.

    Yields
    ------
    int, object or BrainUADError
        The job's number, and its result. A `BrainUADError` in place of a result: see `core.isolation.isolated`; a `DeviceError` when the
        process of a job was ended by the system, and so was that of a second try.

    Raises
    ------
    InputError
        If `jobs` is below 1, or says something that cannot be used.
    DeviceError
        If no process can be started, no scheduler answers, or it was lost.
    Cancelled
        If `progress` was cancelled; processes that still work are ended.
    """
    workers, progress = Workers.of(jobs), progress or Progress()
    if not given:
        return
    if not workers.elsewhere and min(workers.jobs, len(given)) == 1:
        for number, one in enumerate(given):
            part = progress.part(number / len(given), (number + 1) / len(given))
            yield number, _here(work, one, part)
        return
    with _crew(workers, len(given)) as crew, closing(_Run(crew, work, given)) as run:
        yield from run.outcomes(progress)


def _here(work: Callable[[Job, Progress], Result], job: Job, progress: Progress) -> Result | BrainUADError:
    outcome = isolated(partial(work, job, progress))
    progress.check()
    return outcome


def _crew(workers: Workers, jobs: int) -> AbstractContextManager[Crew]:
    """Who does it; what they need is imported only then."""
    if workers.elsewhere:
        from .crew import crew_elsewhere

        return crew_elsewhere(workers)
    from .local import local_crew

    return local_crew(min(workers.jobs, jobs), dashboard=workers.dashboard)


class _Run:
    """Jobs given to a crew, a few at a time."""

    def __init__(self, crew: Crew, work: Callable[[Any, Progress], Any], given: Sequence[Any]) -> None:
        self._crew, self._client, self._work, self._given = crew, crew.client, work, given
        self._topic = f"brain-uad-{uuid.uuid4().hex}"
        self._one_ended = threading.Event()
        self._going: dict[Future[bytes | str], int] = {}
        self._fractions: dict[int, float] = {}
        self._tries = self._unfetched = 0
        self._client.subscribe_topic(self._topic, self._hear)

    def outcomes(self, progress: Progress) -> Iterator[tuple[int, Any]]:
        waiting, total, done = deque(range(len(self._given))), len(self._given), 0
        while done < total:
            part = (done + sum(tuple(self._fractions.values()))) / total
            progress.update(part, f"{done} of {total} done" if self._going else "Waiting for workers")
            room = _AHEAD * self._crew.size() - len(self._going)
            for _ in range(min(room, len(waiting))):
                self._submit(waiting.popleft())
            for future in self._ready():
                told = self._told(future)
                if told is None and future.status in _UNDER_WAY:
                    continue  # its worker died with the result: Dask does the job once more
                number = self._going.pop(future)
                outcome = told if told is _AGAIN else self._outcome(number, told)
                self._fractions.pop(number, None)
                if outcome is _AGAIN:
                    waiting.appendleft(number)
                    continue
                done += 1
                log_details(outcome)
                yield number, outcome

    def _submit(self, number: int) -> None:
        import cloudpickle

        from .dask_quiet import configured
        from .job import do

        self._tries += 1
        told = cloudpickle.dumps((self._work, self._given[number]))  # as pickle, and functions of a script that is run
        key = f"{self._topic}-{self._tries}"
        with configured():
            future = self._client.submit(do, told, self._topic, number, self._crew.code, self._crew.shared, key=key, pure=False)
        self._going[future], self._fractions[number] = number, 0.0
        future.add_done_callback(self._end_one)

    def _end_one(self, _future: Future[bytes | str]) -> None:
        self._one_ended.set()

    def _ready(self) -> list[Future[bytes | str]]:
        """What ended meanwhile.

        Dask's `as_completed` is not asked: where a worker dies while it gathers results it may never hand over others, and a run would wait
        for ever for jobs that are done.
        """
        self._one_ended.wait(_LOOK_SECONDS)
        self._one_ended.clear()
        return [future for future in self._going if future.done()]

    def _told(self, future: Future[bytes | str]) -> Any:
        """What a job that ended gave or raised; nothing when Dask lost it."""
        from distributed.scheduler import KilledWorker

        try:
            if future.status == "error":
                return future.exception(timeout=_FETCH_SECONDS)
            found = future.result(timeout=_FETCH_SECONDS) if future.status == "finished" else None
            if found == b"":
                raise CancelledError  # its worker was told to end (`job.do`): as if it had not come
            return found
        except (OSError, TimeoutError, CancelledError):  # not this time
            if future.done() and future.status == "finished":
                self._unfetched += 1
                if self._unfetched > _UNFETCHED:
                    raise self._crew.lost() from None
                return _AGAIN
            return None
        except KilledWorker as error:  # its worker died with the result, and so did those that did it once more
            return error

    def _outcome(self, number: int, told: Any) -> Any:
        from distributed.scheduler import KilledWorker

        if isinstance(told, bytes | str):  # whatever has become of its worker, and so of its status, since it was fetched
            return isolated(partial(unpacked, told))
        if isinstance(told, KilledWorker):
            return self._crew.blamed(number, told) or _AGAIN
        if isinstance(told, Exception):
            return isolated(partial(_raise, told))
        raise self._crew.lost()

    def _hear(self, event: tuple[float, Any]) -> None:
        number, fraction = event[1]
        if number in self._fractions:
            self._fractions[number] = fraction

    def close(self) -> None:
        """Cancel what still goes on."""
        going = list(self._going)
        if self._client.status != "running":
            return  # nobody hears it, and it would wait for somebody
        with suppress(OSError, TimeoutError):
            self._client.unsubscribe_topic(self._topic)
            if going:
                self._client.cancel(going, force=True)
                self._crew.stop(self._topic)


def _raise(error: BaseException) -> None:
    raise error
