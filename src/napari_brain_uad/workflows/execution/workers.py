"""Where work on several things is done: here, in processes of this computer, or on a Dask cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ...core.errors import InputError
from ...io.json_files import read_json

CLUSTERS = {
    "LocalCluster": "distributed",
    "SLURMCluster": "dask_jobqueue",
    "PBSCluster": "dask_jobqueue",
    "SGECluster": "dask_jobqueue",
    "LSFCluster": "dask_jobqueue",
    "KubeCluster": "dask_kubernetes.operator",
}
"""The classes that a configuration file may name, and their modules: a file can make no other."""

_KEYS = ("cluster", "workers", "options")
_EXAMPLE = '{"cluster": "SLURMCluster", "workers": 20, "options": {"cores": 1, "memory": "8GB"}}'


_ADDRESS = re.compile(r"[a-z]+://[^\s/]+:\d{1,5}(/\S*)?")


@dataclass(frozen=True)
class Workers:
    """Where jobs are done, and how many at a time.

    Parameters
    ----------
    jobs : int
        Processes of this computer; 1 does all in this one. Nothing when there is a `scheduler`; the number of workers asked of a `cluster`.
    scheduler : str
        Address of a Dask scheduler that runs, like ``tcp://host:8786``.
    cluster : Path or None
        A file that says which cluster to start; see `ClusterFile.read`.
    dashboard : bool
        Say where Dask's dashboard is; for processes of this computer, serve one.

    Raises
    ------
    InputError
        If `jobs` is below 1, or both a scheduler and a cluster are given.
    """

    jobs: int = 1
    scheduler: str = ""
    cluster: Path | None = None
    dashboard: bool = False

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise InputError("jobs", why=f"{self.jobs} is not a number of processes", fix="Give at least 1")
        if self.scheduler and self.cluster is not None:
            raise InputError("Two clusters are given", why=f"{self.scheduler} and {self.cluster.name}", fix="Give one of the two")
        if self.scheduler and not _ADDRESS.fullmatch(self.scheduler):
            fix = "Give it as the scheduler says it, like tcp://host:8786"
            raise InputError(f"The scheduler '{self.scheduler}'", why="it is no address", fix=fix)

    @classmethod
    def of(cls, jobs: int | Workers) -> Workers:
        """Processes of this computer from their number alone."""
        return jobs if isinstance(jobs, Workers) else cls(jobs)

    @property
    def elsewhere(self) -> bool:
        """Whether the work goes to a cluster, which may be other computers."""
        return bool(self.scheduler) or self.cluster is not None

    @property
    def several(self) -> bool:
        """Whether other processes than this one work."""
        return self.elsewhere or self.jobs > 1


@dataclass(frozen=True)
class ClusterFile:
    """What a configuration file says: the class, the workers to ask for (None: as `Workers.jobs`), and what the class is given."""

    kind: str
    workers: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file like ``{"cluster": "SLURMCluster", "workers": 20, "options": {"cores": 1, "memory": "8GB"}}``.

        It is JSON and names a class out of a list, so that it can run no code of its own; but the options of a class for a queue are
        commands for it: use files that you would run.

        Raises
        ------
        InputError
            If it cannot be read, or says something else.
        """
        given = read_json(path)
        fix = f"Write for example {_EXAMPLE}"
        if not isinstance(given, dict) or not set(given) <= set(_KEYS) or not isinstance(given.get("options", {}), dict):
            raise InputError(path.name, why="it is no object of cluster, workers and options", fix=fix)
        kind, workers = given.get("cluster"), given.get("workers")
        if kind not in CLUSTERS:
            raise InputError(path.name, why=f'"cluster" is none of {", ".join(CLUSTERS)}', fix=fix)
        if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
            raise InputError(path.name, why='"workers" is no number of at least 1', fix=fix)
        return cls(kind, workers, given.get("options", {}))
