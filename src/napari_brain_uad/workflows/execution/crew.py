"""Who does the work: what `parallel` knows of a Dask cluster, whoever started it; and the clusters of others."""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import BrainUADError, DeviceError, InputError
from ...core.optional import require
from ...core.provenance import code_sha256
from .dask_quiet import configured, distributed_quietly
from .worker_process import GRACE
from .workers import CLUSTERS, ClusterFile, Workers

if TYPE_CHECKING:
    from distributed import Client
    from distributed.scheduler import KilledWorker

_LOG = logging.getLogger(__name__)

_CONNECT_SECONDS = 10.0
_COUNT_SECONDS = 1.0
"""The workers of a cluster, which come and go, are counted at most this often."""

_AGAIN = "What was finished is kept; start a scheduler, and give the same command again"


class Crew:
    """The workers of a cluster of others, and the connection to it.

    Parameters
    ----------
    client : distributed.Client
        Connected.
    where : str
        What errors call it.

    Attributes
    ----------
    code : str
        What the workers' code has to be, so that all results are made alike.
    shared : str
        A folder that the workers see, too, for large results; empty: results come over the network.
    """

    shared = ""

    def __init__(self, client: Client, where: str) -> None:
        self.client, self._where = client, where
        self.code = code_sha256()
        self._counted = -_COUNT_SECONDS
        self._size = 0

    def size(self) -> int:
        """How many workers there are now.

        Raises
        ------
        InputError
            If one of them does several jobs at a time: these would share their memory, and what libraries keep for all threads.
        DeviceError
            If the scheduler is gone.
        """
        if self.client.status != "running":
            raise self.lost()  # it would try for a while to reach it again, but what was under way is gone
        if time.monotonic() - self._counted >= _COUNT_SECONDS:
            try:
                threads = self.client.nthreads()
            except (OSError, TimeoutError) as error:
                raise self.lost() from error
            if any(number > 1 for number in threads.values()):
                fix = "Start workers with one thread each: `dask worker --nthreads 1`, or the same in the cluster's options"
                raise InputError(
                    f"Workers of {self._where}", why="some have several threads, and a job needs a process of its own", fix=fix
                )
            self._size, self._counted = len(threads), time.monotonic()
        return self._size

    def blamed(self, number: int, killed: KilledWorker) -> BrainUADError | None:
        """The error of a job whose workers died; None when it was not its fault, and it is to be tried again."""
        why = f"{killed.allowed_failures + 1} workers ended while they had it, most likely because memory ran out"
        return DeviceError("The workers that had it stopped unexpectedly", why=why, fix="Give the workers more memory; their logs say more")

    def lost(self) -> DeviceError:
        """The error when the scheduler is gone."""
        return DeviceError(f"The scheduler of {self._where} was lost", why="it ended, or the network did", fix=_AGAIN)

    def stop(self, topic: str) -> None:
        """After a run's jobs were cancelled: wait for those that listen, and end the workers of those that do not."""
        deadline = time.monotonic() + GRACE
        with suppress(OSError, TimeoutError, ValueError):
            while (held := self._holding(topic)) and time.monotonic() < deadline:
                time.sleep(0.1)
            if held:
                # A worker has one thread: what it ends is ours alone.
                self.client.restart_workers(held, timeout=GRACE, raise_for_error=False)

    def _holding(self, topic: str) -> list[str]:
        from .job import holds

        return [address for address, still in self.client.run(holds, topic, on_error="ignore").items() if still]


@contextmanager
def crew_elsewhere(workers: Workers) -> Iterator[Crew]:
    """The workers of a cluster that the user named, for as long as the block lasts.

    Raises
    ------
    InputError, DeviceError
        If what the user gave cannot be used; if a cluster cannot be reached or started.
    """
    distributed = distributed_quietly()
    with ExitStack() as stack:
        if workers.cluster is None:
            given, where = workers.scheduler, workers.scheduler
        else:
            given, where = stack.enter_context(_started(workers.cluster, workers.jobs)), workers.cluster.name
        try:
            with configured():
                client = distributed.Client(given, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            fix = "Check the address, like tcp://host:8786, and that it can be reached from here"
            why = next(iter(str(error).splitlines()), "no answer")
            raise DeviceError(f"No Dask scheduler answers at {where}", why=why, fix=fix) from error
        stack.callback(_closed, client)
        if workers.dashboard:
            _LOG.warning("Dask's dashboard: %s", client.dashboard_link)
        yield Crew(client, where)


@contextmanager
def _started(file: Path, jobs: int) -> Iterator[Any]:
    """A cluster as a configuration file says; encrypted, unless that says otherwise, as `local.local_crew` is and for its reasons."""
    given = ClusterFile.read(file)
    options = dict(given.options)
    if given.kind != "KubeCluster":
        options["security"] = options.get("security", True) or None  # False is no value of it
    if given.kind not in ("KubeCluster", "LocalCluster"):
        # Where the workers find their certificates.
        options = {"shared_temp_directory": str(file.resolve().parent)} | options
    module = CLUSTERS[given.kind]
    require(module.partition(".")[0], what_for=f"A {given.kind} cannot be started")
    kind = getattr(importlib.import_module(module), given.kind)
    try:
        with configured():
            cluster = kind(**options)
            cluster.scale(given.workers or jobs)
    except (OSError, TypeError, ValueError, RuntimeError, TimeoutError) as error:
        raise InputError(f"{given.kind} cannot be started", why=f"{type(error).__name__}: {error}", fix="Change its options") from error
    try:
        yield cluster
    finally:
        with suppress(OSError, TimeoutError):
            cluster.close(timeout=GRACE)


def _closed(client: Client) -> None:
    with suppress(OSError, TimeoutError):
        client.close(timeout=GRACE)
