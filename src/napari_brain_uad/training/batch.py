"""Some samples at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .precision import to_layout


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples with what is known of them.

    Parameters
    ----------
    images : tensor of float32, shape (B, channels, ...)
        What the network sees.
    brain : tensor of bool, shape (B, ...)
        Where it shows brain.
    index : tensor of int64, shape (B,)
        Which samples these are: of the training's, or of the scan that is scored.
    """

    images: torch.Tensor
    brain: torch.Tensor
    index: torch.Tensor

    def __len__(self) -> int:
        """How many samples."""
        return len(self.images)

    def __getitem__(self, rows: slice | Sequence[int]) -> Batch:
        """Some of them."""
        return Batch(self.images[rows], self.brain[rows], self.index[rows])

    def with_images(self, images: torch.Tensor) -> Batch:
        """Other values at the same places."""
        return Batch(images, self.brain, self.index)

    def to(self, device: torch.device | str) -> Batch:
        """The batch on a device, its images laid out as that is fast with."""
        images = to_layout(self.images.to(device, torch.float32, non_blocking=True))
        return Batch(images, self.brain.to(device, non_blocking=True), self.index.to(device, non_blocking=True))
