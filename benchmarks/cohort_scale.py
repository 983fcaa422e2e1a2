"""What many scans on many nodes would need: a simulation of the queue, from costs that `benchmarks.cohort` measures.

One scheduler and one client serve all workers, one message at a time; a worker does one scan and has the next one waiting, as in
`workflows.execution.parallel`. Nodes die now and then: what their workers had is done again by others, and they come back later.
"""

from __future__ import annotations

import argparse
import heapq
from collections import deque
from dataclasses import dataclass

import numpy as np

from napari_brain_uad.workflows.execution.parallel import _AHEAD


@dataclass(frozen=True)
class Cluster:
    """What is simulated.

    Parameters
    ----------
    nodes, per_node : int
        Computers, and workers on each.
    scan_seconds, spread : float
        Mean of a scan, and its standard deviation as a fraction of it (log-normal).
    served_ms : float
        What scheduler and client compute for a scan.
    node_hours : float
        Mean time until a node dies.
    away_seconds : float
        Until its workers are there again.
    """

    nodes: int = 100
    per_node: int = 1
    scan_seconds: float = 60.0
    spread: float = 0.5
    served_ms: float = 6.0
    node_hours: float = 500.0
    away_seconds: float = 600.0


@dataclass
class Outcome:
    """What came of it: seconds until the last scan, seconds that the scheduler computed, scans begun again, and the longest wait for it."""

    seconds: float = 0.0
    served: float = 0.0
    again: int = 0
    longest_wait: float = 0.0


def simulated(scans: int, cluster: Cluster, seed: int = 0) -> Outcome:
    """Run the queue to its end."""
    rng, found, cost = np.random.default_rng(seed), Outcome(), cluster.served_ms / 1000.0
    width = np.sqrt(np.log1p(cluster.spread**2))
    workers = cluster.nodes * cluster.per_node
    held, life = [deque[float]() for _ in range(workers)], [0] * workers
    events: list[tuple[float, int, str, int]] = []
    server, waiting, done = 0.0, scans, 0

    def duration() -> float:
        return float(cluster.scan_seconds * np.exp(width * rng.standard_normal() - width**2 / 2))

    def give(worker: int, now: float) -> None:
        """Hand out what the worker has room for."""
        nonlocal server, waiting
        while len(held[worker]) < _AHEAD and waiting:
            waiting -= 1
            begins = max(server, now)
            server = begins + cost
            found.served += cost
            found.longest_wait = max(found.longest_wait, server - now)
            held[worker].append(server)
            if len(held[worker]) == 1:
                heapq.heappush(events, (server + duration(), worker, "ends", life[worker]))

    for node in range(cluster.nodes):
        heapq.heappush(events, (float(rng.exponential(3600.0 * cluster.node_hours)), node, "dies", 0))
    for worker in range(workers):
        give(worker, 0.0)
    while done < scans:
        now, number, what, when = heapq.heappop(events)
        if what == "dies":
            for worker in range(number * cluster.per_node, (number + 1) * cluster.per_node):
                found.again += min(len(held[worker]), 1)
                waiting += len(held[worker])
                held[worker].clear()
                life[worker] += 1
                heapq.heappush(events, (now + cluster.away_seconds, worker, "is back", life[worker]))
            heapq.heappush(events, (now + float(rng.exponential(3600.0 * cluster.node_hours)), number, "dies", 0))
        elif when == life[number]:
            if what == "ends":
                done += 1
                held[number].popleft()
                if held[number]:  # it begins when it has arrived
                    heapq.heappush(events, (max(now, held[number][0]) + duration(), number, "ends", life[number]))
            give(number, now)
        found.seconds = now
    return found


def main() -> None:
    """Print a line for each cluster."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scans", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument(
        "--served-ms", type=float, default=6.0, help="what `benchmarks.cohort` says that scheduler and client compute for a job"
    )
    given = parser.parse_args()
    print(f"{given.scans} scans, {given.nodes} nodes, {given.served_ms:g} ms of scheduler and client a scan; a node dies every 500 hours")
    print("workers a node | seconds a scan | hours | of the ideal | scheduler busy | longest wait | begun again")
    for per_node, seconds in ((1, 60.0), (8, 60.0), (32, 60.0), (8, 10.0), (32, 1.0)):
        cluster = Cluster(given.nodes, per_node, seconds, served_ms=given.served_ms)
        found = simulated(given.scans, cluster)
        ideal = given.scans * seconds / (given.nodes * per_node)
        told = f"{per_node:14} | {seconds:14g} | {found.seconds / 3600:5.2f} | {ideal / found.seconds:12.0%} | "
        print(f"{told}{found.served / found.seconds:14.1%} | {found.longest_wait:10.2f} s | {found.again}")


if __name__ == "__main__":
    main()
