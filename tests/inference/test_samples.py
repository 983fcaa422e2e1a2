"""Samples of a scan in batches."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_brain_uad.core.errors import Cancelled
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.inference.samples import over_samples
from napari_brain_uad.sampling.slices import SliceGrid, to_slices
from napari_brain_uad.sampling.windows import Cut
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import SampleDraw

COUNT = 30


@pytest.fixture(autouse=True)
def _threads_as_they_were() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def cut() -> Cut:
    data = np.random.default_rng(0).random((20, 24, COUNT), dtype=np.float32) + 1
    return Cut([to_slices(Volume(data, Grid(data.shape, np.eye(4))), SliceGrid(32, 32, 1.0, 1.0))])


def found(cores: int, seen: set[tuple[int, int]] | None = None, progress: Progress | None = None) -> NDArray[np.float32]:
    """Noise that belongs to the samples, beside what they show."""
    torch.set_num_threads(cores)

    def work(batch: Batch, draw: SampleDraw) -> torch.Tensor:
        if seen is not None:
            seen.add((threading.get_ident(), torch.get_num_threads()))
        return batch.images[:, 0] + draw.normal((len(batch), 32, 32))

    return over_samples(cut(), work, (32, 32), device="cpu", seed=3, progress=progress or Progress())


def test_a_map_does_not_depend_on_how_many_cores_made_it() -> None:
    alone = found(1)
    assert alone.any(axis=(1, 2)).all()
    for cores in (2, 3, 16):
        np.testing.assert_array_equal(found(cores), alone)


def test_cores_are_shared_out_and_given_back() -> None:
    seen: set[tuple[int, int]] = set()
    found(2, seen)
    assert {threads for _, threads in seen} == {1}
    assert threading.get_ident() not in {thread for thread, _ in seen}
    assert torch.get_num_threads() == 2
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


def test_progress_is_told_one_at_a_time_and_can_cancel() -> None:
    told: list[float] = []
    telling = threading.Lock()

    def listen(fraction: float, _message: str) -> None:
        assert telling.acquire(blocking=False)
        told.append(fraction)
        if len(told) == 3:
            progress.cancel()
        telling.release()

    progress = Progress(listen)
    with pytest.raises(Cancelled):
        found(2, progress=progress)
    assert len(told) == 3
    assert torch.get_num_threads() == 2
