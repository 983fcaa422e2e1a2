"""Gaussian smoothing of slices, on whatever device they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def gaussian(images: Tensor, sigma: float) -> Tensor:
    """Smooth every slice of (..., H, W) with a Gaussian cut at 3.5 sigma; the image goes on as its edge."""
    import torch
    from torch.nn import functional

    if sigma == 0:
        return images
    radius = math.ceil(3.5 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=images.device, dtype=torch.float32) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(images.dtype)
    single = images.reshape(-1, 1, *images.shape[-2:])
    padded = functional.pad(single, (radius, radius, radius, radius), mode="replicate")
    smooth = functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
    return smooth.reshape(images.shape)
