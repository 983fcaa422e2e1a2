"""Workers that are processes of this computer, under a scheduler in this process: what ``--jobs`` starts."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import TYPE_CHECKING, Any

from ...core.errors import DeviceError
from ...io.folders import temporary_folder
from .child import start_child, why_died, why_ended
from .crew import Crew
from .dask_quiet import configured, distributed_quietly
from .worker_process import GRACE, READY

if TYPE_CHECKING:
    from distributed import Client, LocalCluster
    from distributed.scheduler import KilledWorker

_LOG = logging.getLogger(__name__)

_MODULE = f"{__package__}.worker_process"
_TRIES = 2
"""How often a job may take its process with it: memory may have run out because of another."""
_MOST_MET = 10
"""How often a job may be given up by Dask because processes ended while it waited for them; beyond it, they end without any work."""


class _Place:
    """A place for one process at a time; one that dies is replaced."""

    def __init__(self, number: int, crew: LocalCrew) -> None:
        self._number, self._crew = number, crew
        self.child: Popen[bytes] | None = None
        self.ready = False
        self._thread = threading.Thread(target=self._keep, name=f"worker {number}", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        life = 0
        while self._live(f"{self._number}-{life}"):
            life += 1

    def _live(self, name: str) -> bool:
        """Start a process and hear it until it ends; whether another one is wanted."""
        child, errors = self._crew.started(self, name)
        if child is None:
            return False
        with errors, child:
            job = None
            assert child.stdout is not None
            for line in child.stdout:
                word, _, number = line.decode().strip().partition(" ")
                self.ready = self.ready or word == READY
                if word != READY:  # it may begin before it says so
                    job = int(number) if number else None
            code = child.wait()
            self._crew.ended(name, job, why_ended(code) if self.ready else why_died(code, errors), self.ready)
            self.ready = False
        return True

    def end(self, deadline: float) -> None:
        """Wait for the process, whose lifeline was cut, and end it when it does not end by itself."""
        if self.child is not None:
            try:
                self.child.wait(max(0.0, deadline - time.monotonic()))
            except TimeoutExpired:
                self.child.kill()
        self._thread.join()


class LocalCrew(Crew):
    """Processes of this computer; each takes its share of the cores."""

    def __init__(self, count: int) -> None:
        self.code = ""  # they are this program
        self._where, self._count = "this computer", count
        self._told: dict[str, Any] = {}
        self._can_be_told = threading.Event()
        # Or they would fight for the cores.
        cores = max(1, (os.cpu_count() or 1) // count)
        self._environment = {"OMP_NUM_THREADS": str(cores)}
        self._lock = threading.Lock()
        self._closing = False
        self._still_born = 0
        self._why = ""
        self._dead: dict[str, threading.Event] = {}
        self._deaths: dict[int, list[tuple[str, bool]]] = {}
        self._met: dict[int, list[tuple[str, bool]]] = {}
        self._places = [_Place(number, self) for number in range(count)]

    def started(self, place: _Place, name: str) -> Any:
        """A new process in a place, and the file of its standard error; two times None when no more are wanted."""
        with self._lock:
            if self._closing or self._still_born > self._count:
                return None, None
            try:
                child, errors = start_child(_MODULE, environment=self._environment)
            except OSError as error:
                self._still_born, self._why = sys.maxsize, error.strerror or str(error)
                return None, None
            place.child = child
            self._dead[name] = threading.Event()
        assert child.stdin is not None
        self._can_be_told.wait()
        with suppress(OSError, ValueError):  # one that died already is found out at its output's end
            child.stdin.write(json.dumps(self._told | {"name": name, "path": sys.path}).encode() + b"\n")
            child.stdin.flush()
        return child, errors

    def connect(self, client: Client, told: dict[str, Any]) -> None:
        """Say where the scheduler is: the processes are importing what they need, which takes as long as starting it."""
        self.client, self._told = client, told
        self._can_be_told.set()

    def ended(self, name: str, job: int | None, why: tuple[str, bool], was_ready: bool) -> None:
        """Take note of how a process ended, and of the job that it had."""
        with self._lock:
            if job is not None:
                self._deaths.setdefault(job, []).append(why)
            self._still_born = 0 if was_ready else self._still_born + 1
            self._why = why[0]
        self._dead[name].set()

    def size(self) -> int:
        """How many processes are ready."""
        if self._still_born > self._count:
            fix = "Use --jobs 1; if it happens again, report this"
            raise DeviceError("Processes for --jobs cannot be started", why=self._why, fix=fix)
        return sum(place.ready for place in self._places)

    def blamed(self, number: int, killed: KilledWorker) -> DeviceError | None:
        """As `Crew.blamed`: Dask blames all jobs that waited for a worker, but each process said what it had begun."""
        if dead := self._dead.get(str(killed.last_worker.name)):
            dead.wait(GRACE)  # its connection ends a moment before it does
        deaths, met = self._deaths.get(number, []), self._met.setdefault(number, [])
        met.append((self._why, False))
        if len(deaths) < _TRIES and len(met) < _MOST_MET:
            return None
        why, memory = (deaths or met)[-1]
        fix = "Use fewer --jobs, or close other programs" if memory else "Try --jobs 1; if it happens again, report this"
        return DeviceError("The process that worked on it stopped unexpectedly, twice", why=why, fix=fix)

    def stop(self, topic: str) -> None:
        """Nothing: `close` ends all."""

    def close(self) -> None:
        """Cut all lifelines, which cancels what goes on; end the processes that this does not end."""
        with self._lock:
            self._closing = True
        self._can_be_told.set()
        deadline = time.monotonic() + GRACE
        for place in self._places:
            if place.child is not None and place.child.stdin is not None:
                with suppress(OSError):
                    place.child.stdin.close()
        for place in self._places:
            place.end(deadline)


@contextmanager
def local_crew(count: int, *, dashboard: bool = False) -> Iterator[LocalCrew]:
    """Processes of this computer and a scheduler in this one, for as long as the block lasts.

    The connections are encrypted, and both ends show a certificate made for this run alone: whoever can talk to a scheduler or a worker
    can have it run any code, and a port on 127.0.0.1 is open to all users of the computer. What goes through them is pickled.
    """
    distributed = distributed_quietly()
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        crew = LocalCrew(count)
        crew.shared = str(folder)
        stack.callback(crew.close)
        security = distributed.Security.temporary()
        with configured(dashboard=dashboard):
            cluster = _scheduler(distributed.LocalCluster, security, dashboard)
            stack.callback(cluster.close, timeout=GRACE)
            client = distributed.Client(cluster, set_as_default=False)
        stack.callback(client.close, timeout=GRACE)
        if dashboard:
            _LOG.warning("Dask's dashboard, for all users of this computer: %s", cluster.dashboard_link)
        keys = {name: getattr(security, name) for name in ("tls_ca_file", "tls_worker_key", "tls_worker_cert")}
        told = {"scheduler": cluster.scheduler_address, "security": keys, "folder": str(Path(folder) / "workers")}
        crew.connect(client, told)
        # Before the scheduler, which would take note of every job and worker that goes.
        stack.callback(crew.close)
        yield crew


def _scheduler(kind: type[LocalCluster], security: Any, dashboard: bool) -> LocalCluster:
    """A cluster without workers: ours are no children of `multiprocessing`, and say what they work on."""
    return kind(
        n_workers=0,
        threads_per_worker=1,
        host="127.0.0.1",
        protocol="tls://",
        security=security,
        # Its server is always there, with nothing on it but for a dashboard; any free port will do.
        scheduler_kwargs={"dashboard": dashboard, "dashboard_address": "127.0.0.1:0"},
        silence_logs=False,
    )
