"""Dask set up for us: as we need it, on this computer alone, and silent."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_LOUD = ("distributed", "distributed.client", "distributed.gc", "bokeh", "tornado", "tornado.application")

_SETTINGS: dict[str, Any] = {
    # The first death of a worker may be another's fault; see `parallel` for how jobs that shared it are told apart.
    "distributed.scheduler.allowed-failures": 1,
    # A job may hold Python for minutes; a dead process is noticed by its connection.
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.work-stealing-interval": "100ms",
    # Jobs carry their scans with them: a worker's death then loses nothing.
    "distributed.admin.large-graph-warning-threshold": "1TB",
    "distributed.diagnostics.computations.nframes": 0,
    # Nothing of the statistical profiler is ever looked at.
    "distributed.worker.profile.enabled": False,
    "distributed.worker.http.routes": [],
    # Each process would wake up fifty times a second to see that it is awake, and measure itself twice.
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "2s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.client.scheduler-info-interval": "10s",
}


def distributed_quietly() -> ModuleType:
    """The module `distributed`, whose loggers write nothing on the terminal; those of a program that uses it already are left alone."""
    theirs = "distributed" in sys.modules
    import distributed

    if not theirs:
        for name in _LOUD:
            logging.getLogger(name).handlers = [logging.NullHandler()]
            logging.getLogger(name).propagate = False
    return distributed


@contextmanager
def configured(*, dashboard: bool = False) -> Iterator[None]:
    """Within it, Dask's settings are ours; those of the user hold for the rest."""
    import dask

    # Without a dashboard nothing is served over HTTP, where everybody on this computer could read it.
    served: dict[str, Any] = {} if dashboard else {"distributed.scheduler.http.routes": []}
    with dask.config.set(_SETTINGS | served):
        yield
