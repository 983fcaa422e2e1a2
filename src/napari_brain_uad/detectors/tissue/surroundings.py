"""What lies around the pixels of slices, in squares: how much is alike, the mean, whether anything is there. Imports torch."""

from __future__ import annotations

import torch
from torch.nn import functional

_DEEP_MM = 18.0
"""How wide the surroundings are that tell how deep tissue lies."""


def depth_of(tissue: torch.Tensor, pixel_mm: float) -> torch.Tensor:
    """How much of what lies around is the same, from 0 to 1."""
    return mean_around(mean_around(tissue, _DEEP_MM / pixel_mm), _DEEP_MM / pixel_mm)


def widened(mask: torch.Tensor, pixels: float) -> torch.Tensor:
    """Where a mask of 0 and 1 is 1 somewhere in a square of about so many pixels; as 0 and 1."""
    return (mean_around(mask, pixels) > 0.5 / odd(pixels) ** 2).to(mask.dtype)


def mean_around(image: torch.Tensor, pixels: float) -> torch.Tensor:
    """The mean of a square of about so many pixels, 0 beyond the image.

    From running sums: torch's pooling takes most of a training step where squares are wide.
    """
    size = odd(pixels)
    for dim, padding in ((-1, (size // 2 + 1, size // 2)), (-2, (0, 0, size // 2 + 1, size // 2))):
        sums = functional.pad(image, padding).cumsum(dim)
        count = image.shape[dim]
        image = (sums.narrow(dim, size, count) - sums.narrow(dim, 0, count)) / size
    return image


def odd(pixels: float) -> int:
    """The odd number that is nearest."""
    return 2 * round((pixels - 1.0) / 2.0) + 1
