"""The loss on healthy samples that are not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from ..core.progress import Progress
from .batch import Batch
from .draws import VALIDATION, BatchDraw, seed_of
from .task import Task

_PICTURES = 6

Pictures = Mapping[str, NDArray[np.float32]]


@torch.no_grad()
def look_at(
    fabric: Fabric, task: Task, network: torch.nn.Module, batches: Iterable[Batch], *, seed: int, most: int, progress: Progress
) -> tuple[torch.Tensor, Pictures | None]:
    """This process's share of a validation, with the network as it is.

    Parameters
    ----------
    batches : iterable of Batch
        Of `sources.BatchSource.validation`; of several processes each takes some.
    seed : int
        The training's: every validation draws the same numbers.
    most : int
        So many samples fit into memory.
    progress : Progress
        Its cancelling ends it.

    Returns
    -------
    total : tensor of float64, shape (2,)
        Sum of the samples' losses, and how many samples.
    pictures : mapping or None
        Of some samples of the first batch, where this process has it.
    """
    total, pictures = torch.zeros(2, dtype=torch.float64), None
    network.eval()
    try:
        for number, batch in enumerate(batches):
            progress.check()
            if number % fabric.world_size != fabric.global_rank:
                continue
            own = seed_of(seed, VALIDATION, number)
            for low in range(0, len(batch), most):
                part = batch[low : low + most].to(fabric.device)
                torch.manual_seed(own)
                draw = BatchDraw(own, low, low + len(part), len(batch), fabric.device)
                loss = float(task.loss(network, part, draw)["loss"])
                total += torch.tensor([loss * len(part), len(part)], dtype=torch.float64)
            if number == 0:
                some = np.linspace(0, len(batch) - 1, min(_PICTURES, most, len(batch))).round().astype(int)
                shown = task.preview(network, batch[some.tolist()].to(fabric.device))
                pictures = {name: values.float().cpu().numpy() for name, values in shown.items()}
    finally:
        network.train()
    return total, pictures
