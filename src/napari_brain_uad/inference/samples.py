"""Going through the samples of a scan, in batches that a device's memory holds."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.progress import Progress
from ..sampling.windows import Cut
from ..training.batch import Batch
from ..training.draws import SampleDraw
from ..training.memory import in_batches

BATCH = 16
"""Samples at once, to begin with; a map does not depend on it."""
_FEWEST = 4
"""Samples of a batch on a CPU from which its cores compute a batch each: together on one they wait for each other at every layer."""


def over_samples(
    cut: Cut,
    work: Callable[[Batch, SampleDraw], torch.Tensor],
    shape: tuple[int, ...],
    *,
    device: str,
    seed: int,
    progress: Progress,
    what: str = "Slice",
    size: int | None = None,
) -> NDArray[np.float32]:
    """What `work` gives for every sample of a scan.

    Parameters
    ----------
    cut : Cut
        The scan.
    work : callable
        Gives a tensor (B, *shape) for a batch on the device; its random numbers belong to the samples. Called again with fewer samples
        where the memory ran out. `shape` is that of what it gives for one sample.
    device, seed : str, int
        "cpu", "cuda" or "mps"; of the random numbers.
    progress : Progress
        Told after every batch.
    what, size : str, int
        What a sample is called; how many at once to begin with, `BATCH` when None.

    Returns
    -------
    array of float32, shape (N, *shape)

    Raises
    ------
    DeviceError
        When not even a single sample fits into the memory.
    Cancelled
        If the user stopped it.
    """
    found = np.zeros((len(cut), *shape), np.float32)
    telling = threading.Lock()
    most, cores = size or BATCH, torch.get_num_threads()
    workers = _workers(len(cut), most, cores) if device == "cpu" else 1

    def some(start: int, stop: int) -> None:
        with telling:
            progress.update(start / len(cut), f"{what} {start + 1} of {len(cut)}")
        if workers > 1:
            torch.set_num_threads(cores // workers)  # of this thread
        rows = np.arange(start, stop)
        batch = Batch(*map(torch.from_numpy, (cut.images(rows), cut.brain(rows), rows))).to(device)
        found[start:stop] = work(batch, SampleDraw(seed, rows.tolist(), device)).detach().float().cpu().numpy()

    # Some of cuDNN's algorithms add up in an order that changes from run to run; the same scan has to give the same map.
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        try:
            in_batches(len(cut), most // workers, device, some, workers=workers)
        finally:
            torch.set_num_threads(cores)  # torch takes the latest number for the threads to come
    return found


def _workers(samples: int, most: int, cores: int) -> int:
    """How many batches are computed at the same time."""
    return max(1, min(cores, most // _FEWEST, -(-samples // _FEWEST)))
