"""The simulated queue, where its end can be told by hand."""

from __future__ import annotations

import pytest

from benchmarks.cohort_scale import Cluster, simulated

STEADY = Cluster(nodes=2, scan_seconds=10.0, spread=0.0, served_ms=0.0, node_hours=1e9)


def test_without_costs_workers_are_never_idle() -> None:
    found = simulated(10, STEADY)
    assert (found.seconds, found.served, found.again) == (50.0, 0.0, 0)
    assert simulated(11, STEADY).seconds == 60.0


def test_one_scheduler_is_the_limit_when_scans_are_short() -> None:
    found = simulated(100, Cluster(nodes=10, scan_seconds=0.01, spread=0.0, served_ms=1000.0, node_hours=1e9))
    assert found.seconds == pytest.approx(100.01)
    assert found.served == pytest.approx(100.0)


def test_what_a_node_had_is_done_again() -> None:
    often = Cluster(nodes=2, scan_seconds=10.0, spread=0.0, served_ms=0.0, node_hours=0.05, away_seconds=30.0)
    found = simulated(200, often)
    assert found.again > 0
    # Each death costs a part of a scan and the time away; nothing else is lost.
    assert 1000.0 < found.seconds < 1000.0 + found.again * 40.0
    assert simulated(200, often) == found
