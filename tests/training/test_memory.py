"""Batches that shrink until they fit."""

from __future__ import annotations

from itertools import pairwise

import pytest

from napari_brain_uad.core.errors import DeviceError
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
