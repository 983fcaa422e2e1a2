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
        where the memory ran out.
    shape : tuple of int
        Of what it gives for one sample.
    device : str
        "cpu", "cuda" or "mps".
    seed : int
        Of the random numbers.
    progress : Progress
        Told after every batch.
    what : str
        What a sample is, in words.
    size : int
        Samples at once, to begin with; `BATCH` when None.

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
    most = size or BATCH
    cores = torch.get_num_threads()
    workers = max(1, min(cores, most // _FEWEST, -(-len(cut) // _FEWEST))) if device == "cpu" else 1

    def some(start: int, stop: int) -> None:
        with telling:
            progress.update(start / len(cut), f"{what} {start + 1} of {len(cut)}")
        if workers > 1:
            torch.set_num_threads(cores // workers)  # of this thread
        rows = np.arange(start, stop)
        images = torch.from_numpy(cut.images(rows))
        batch = Batch(images, torch.from_numpy(cut.brain(rows)), torch.from_numpy(rows)).to(device)
        found[start:stop] = work(batch, SampleDraw(seed, rows.tolist(), device)).detach().float().cpu().numpy()

    # Some of cuDNN's algorithms add up in an order that changes from run to run; the same scan has to give the same map.
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        try:
            in_batches(len(cut), most // workers, device, some, workers=workers)
        finally:
            torch.set_num_threads(cores)  # torch takes the latest number for the threads to come
    return found
