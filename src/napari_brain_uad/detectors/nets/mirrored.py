"""Each half of a slice from the other one."""

from __future__ import annotations

import torch
from torch import nn

from .output import Output


class MirroredHalves(nn.Module):
    """A network that gives each half of a slice from the mirror image of the other half, and never sees the half itself.

    Parameters
    ----------
    network : torch.nn.Module
        Gives an `Output` of the size of a half; both halves go through it, the right one mirrored.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> Output:
        """Predict images (B, C, H, W) of an even width, each half from the other."""
        half, count = images.shape[3] // 2, len(images)
        left, right = images[..., :half], images[..., half:].flip(3)
        made = self.network(torch.cat([right, left])).reconstruction
        return Output(torch.cat([made[:count], made[count:].flip(3)], dim=3))
