"""Batches that shrink until they fit."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from threading import Barrier

import pytest

from napari_brain_uad.core.errors import Cancelled, DeviceError
from napari_brain_uad.training.memory import in_batches


@pytest.mark.parametrize(("count", "most"), [(0, 4), (1, 1), (16, 16), (37, 5), (40, 1), (7, 100)])
def test_everything_is_worked_on_once_in_batches_that_fit(count: int, most: int) -> None:
    done: list[tuple[int, int]] = []

    def work(start: int, stop: int) -> None:
        if stop - start > most:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        done.append((start, stop))

    in_batches(count, 16, "cpu", work)
    assert [number for start, stop in done for number in range(start, stop)] == list(range(count))
    assert all(before[1] == after[0] for before, after in pairwise(done))
    # Halved, not given up: no smaller than needed.
    assert not count or max(stop - start for start, stop in done) > min(most, count, 16) // 2


def test_a_single_one_that_does_not_fit_is_told() -> None:
    def work(_start: int, _stop: int) -> None:
        raise MemoryError

    with pytest.raises(DeviceError, match="computer has too little memory for this network: a single sample"):
        in_batches(3, 16, "cpu", work)


def test_other_errors_are_not_tried_again() -> None:
    calls = []

    def work(start: int, stop: int) -> None:
        calls.append((start, stop))
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        in_batches(32, 16, "cpu", work)
    assert calls == [(0, 16)]


def _too_many(start: int, stop: int, most: int) -> None:
    if stop - start > most:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


@pytest.mark.parametrize(("count", "most"), [(0, 4), (1, 1), (37, 5), (40, 1), (64, 100)])
def test_several_threads_do_everything_once(count: int, most: int) -> None:
    done: list[int] = []
    threads: set[int] = set()
    together = Barrier(3 if count > 16 else 1)

    def work(start: int, stop: int) -> None:
        _too_many(start, stop, most)
        if threading.get_ident() not in threads:
            threads.add(threading.get_ident())
            together.wait(20)
        done.extend(range(start, stop))

    in_batches(count, 8, "cpu", work, workers=3)
    assert sorted(done) == list(range(count))
    assert threading.get_ident() not in threads


def test_a_sample_that_does_not_fit_beside_another_is_done_after_it() -> None:
    busy, most, done = threading.Lock(), [], []

    def work(start: int, stop: int) -> None:
        _too_many(start, stop, 1)
        if not busy.acquire(blocking=False):
            most.append(start)
            raise MemoryError
        try:
            time.sleep(0.002)
            done.append(start)
        finally:
            busy.release()

    in_batches(30, 4, "cpu", work, workers=3)
    assert sorted(done) == list(range(30))
    assert most


def test_a_failure_in_one_thread_stops_the_others() -> None:
    seen: list[int] = []

    def work(start: int, _stop: int) -> None:
        seen.append(start)
        if start == 2:
            raise Cancelled()
        time.sleep(0.002)

    with pytest.raises(Cancelled):
        in_batches(1000, 1, "cpu", work, workers=2)
    assert len(seen) < 20


def test_a_sample_too_large_for_every_thread_is_told() -> None:
    with pytest.raises(DeviceError, match="a single sample"):
        in_batches(30, 4, "cpu", lambda start, stop: _too_many(start, stop, 0), workers=3)
