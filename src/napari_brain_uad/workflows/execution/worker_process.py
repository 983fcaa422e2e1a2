"""A worker's process on this computer: ``python -m napari_brain_uad.workflows.execution.worker_process``, as `local` starts it.

Its first line of standard input says what to connect to; the rest of it is the lifeline: when it ends, so does the process, whatever
became of its parent. On its standard output it says what it works on, which outlives it: so the parent knows what a process died of.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import ModuleType
from typing import IO, Any

from ...io.json_files import parse_json
from .child import own_output
from .dask_quiet import configured, distributed_quietly

GRACE = 2.0
"""Seconds that a job has to end by itself when it is cancelled or its parent is gone; most look at their progress twice a second."""

READY = "ready"


def main() -> None:
    """Do jobs until the lifeline or the scheduler ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be blocked from the start
    said = own_output()
    distributed = distributed_quietly()
    line = sys.stdin.buffer.readline()
    if not line:
        return  # nobody wants it any more
    told = parse_json(line)
    sys.path[:] = told["path"]
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()
    with suppress(OSError, TimeoutError):
        asyncio.run(_serve(distributed, told, said))
    _end()


async def _serve(distributed: ModuleType, told: dict[str, Any], said: IO[str]) -> None:
    from .job import AT_WORK  # which imports `distributed`

    def say(line: str) -> None:
        with suppress(OSError):
            said.write(f"{line}\n")
            said.flush()

    AT_WORK.tell = say
    security = distributed.Security(**told["security"], require_encryption=True)
    # Nobody but us ends or pauses a worker for its memory: our own checks say beforehand what does not fit.
    given = {"host": "127.0.0.1", "memory_limit": None, "local_directory": told["folder"], "security": security}
    with configured():
        async with distributed.Worker(told["scheduler"], nthreads=1, name=told["name"], **given) as worker:
            say(READY)
            await worker.finished()


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    _end()


def _end() -> None:
    """Let what is at work clean up, and end; there is nothing else to be tidied up."""
    if job := sys.modules.get(f"{__package__}.job"):
        job.AT_WORK.cancel()
        deadline = time.monotonic() + GRACE
        while job.AT_WORK.going and time.monotonic() < deadline:
            time.sleep(0.01)
    os._exit(0)


if __name__ == "__main__":
    main()
