"""A Dask cluster as an administrator starts it: a scheduler and one worker, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUPPORT = Path(__file__).parent
_SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
_WORKER = "from distributed.cli.dask_worker import main; main()"
_OFF = {"DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": "[]", "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]"}


def with_support() -> dict[str, str]:
    """An environment in which processes find what is beside this file."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_SUPPORT), os.environ.get("PYTHONPATH"))))}


@contextmanager
def cluster(folder: Path, *, threads: int = 1) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Its address and its scheduler."""
    environment = with_support() | _OFF
    told = folder / "scheduler.json"
    local = ["--host", "127.0.0.1"]
    with (folder / "log").open("wb") as log:

        def started(code: str, *words: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen([sys.executable, "-c", code, *words], env=environment, stdout=log, stderr=log)

        files = ["--scheduler-file", str(told)]
        scheduler = started(_SCHEDULER, *local, "--port", "0", "--no-dashboard", "--dashboard-address", "127.0.0.1:0", *files)
        place = ["--local-directory", str(folder), "--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--no-nanny"]
        worker = started(_WORKER, *files, *local, "--nthreads", str(threads), *place)
        try:
            yield _address(told), scheduler
        finally:
            for one in (worker, scheduler):
                one.kill()
                one.wait()


def _address(told: Path) -> str:
    import json

    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        if told.is_file() and told.read_text(encoding="utf-8").endswith("}"):
            return str(json.loads(told.read_text(encoding="utf-8"))["address"])
        time.sleep(0.05)
    raise TimeoutError("no scheduler")
