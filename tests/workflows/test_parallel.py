from __future__ import annotations

import os
import time

import pytest
from parallel_work import sleep, square

from napari_brain_uad.core.errors import Cancelled
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.workflows.parallel import in_processes


def test_results_come_in_order_from_other_processes() -> None:
    here = in_processes(square, [3, 1, 2], 1)
    assert here == [(9, os.getpid()), (1, os.getpid()), (4, os.getpid())]
    assert in_processes(square, [], 4) == []
    there = in_processes(square, [3, 1, 2], 2)
    assert [value for value, _ in there] == [9, 1, 4]
    assert os.getpid() not in {process for _, process in there}


def test_cancelling_ends_processes_that_work() -> None:
    told: list[float] = []

    def listen(fraction: float, _: str) -> None:
        told.append(time.monotonic())
        if len(told) == 2:
            progress.cancel()

    progress = Progress(listen)
    start = time.monotonic()
    with pytest.raises(Cancelled):
        in_processes(sleep, [60.0, 60.0], 2, progress)
    assert time.monotonic() - start < 30
