"""The same work on several things, one after the other or in processes of their own; cancelling takes effect at once."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..core.progress import Progress

Job = TypeVar("Job")
Result = TypeVar("Result")

_LOOK_SECONDS = 0.2


def in_processes(
    work: Callable[[Job, Progress], Result], given: Sequence[Job], jobs: int, progress: Progress | None = None
) -> list[Result]:
    """``work(job, progress)`` for every job, results in their order.

    Parameters
    ----------
    work : callable
        A function of a module, so that processes find it; it returns its errors rather than raising them.
    jobs : int
        Processes at a time; with 1 all is done in this one.

    Raises
    ------
    Cancelled
        If `progress` was cancelled; processes that still work are ended.
    """
    progress = progress or Progress()
    total = max(len(given), 1)
    if jobs <= 1 or len(given) <= 1:
        return [work(one, progress.part(number / total, (number + 1) / total)) for number, one in enumerate(given)]
    # Fresh processes: forked ones would inherit the threads of ITK and torch in unknown states.
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(jobs, len(given)), initializer=_share_cores, initargs=(jobs,)) as pool:  # leaving it ends the processes
        running = [pool.apply_async(_alone, (work, one)) for one in given]
        while not all(one.ready() for one in running):
            done = sum(one.ready() for one in running)
            progress.update(done / total, f"{done} of {total} done")
            waiting = next((one for one in running if not one.ready()), running[-1])
            waiting.wait(_LOOK_SECONDS)
        return [one.get() for one in running]


def _alone(work: Callable[[Job, Progress], Result], job: Job) -> Result:
    return work(job, Progress())


def _share_cores(jobs: int) -> None:
    """Each of several processes takes its share of the cores, or they would fight for them."""
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))
