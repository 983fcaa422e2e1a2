"""What the encoder of conditioned diffusion learns first. Imports torch, so the method imports it only when it needs it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses, Task
from ..base.tasks import compared


class MaskedTask(Task):
    """Slices are restored from the cells that are not masked; squared differences in the masked ones (Tian 2023, arXiv:2301.03580).

    Parameters
    ----------
    build : callable
        Makes the `conditioned_unet.MaskedAutoencoder`.
    side : int
        Pixels along each side of a cell, the stride of the encoder.
    ratio : float
        Share of the cells that is masked, rounded to whole cells.
    """

    partial = True  # the layer that makes the condition learns nothing here

    def __init__(self, build: Callable[[], nn.Module], side: int, ratio: float) -> None:
        self._build = build
        self.side, self.ratio = side, ratio

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        return self._build()

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        images = 2 * batch.images - 1
        height, width = (size // self.side for size in images.shape[2:])
        seen = self.seen(draw.uniform((len(batch), height * width))).reshape(-1, 1, height, width)
        masked = ~seen.repeat_interleave(self.side, 2).repeat_interleave(self.side, 3)
        error = (network(images, seen) - images).square() * masked
        return {"loss": (error.sum(dim=(1, 2, 3)) / masked.sum(dim=(1, 2, 3)).clamp(min=1)).mean()}

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Every second cell masked, as on a chessboard; see `training.task.Task`."""
        images = 2 * batch.images - 1
        rows, columns = (torch.arange(size // self.side, device=images.device) for size in images.shape[2:])
        seen = ((rows[:, None] + columns) % 2 == 0)[None, None].expand(len(batch), -1, -1, -1)
        return compared(batch.images, ((network(images, seen) + 1) / 2).clamp(0, 1))

    def seen(self, numbers: torch.Tensor) -> torch.Tensor:
        """The cells with the lowest of random numbers (B, cells): as many as are not masked."""
        count = round(numbers.shape[1] * (1 - self.ratio))
        return numbers.argsort(dim=1).argsort(dim=1) < count
