"""Gaussian smoothing of slices, on whatever device they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def gaussian(images: Tensor, sigma: float) -> Tensor:
    """Smooth (B, C, H, W) with a Gaussian cut at 3.5 sigma; the image goes on as its edge."""
    import torch
    from torch.nn import functional

    if sigma == 0:
        return images
    radius = math.ceil(3.5 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=images.device, dtype=torch.float32) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(images.dtype)
    channels = images.shape[1]
    rows, columns = kernel[:, None].expand(channels, 1, -1, 1), kernel[None].expand(channels, 1, 1, -1)
    padded = functional.pad(images, (radius, radius, radius, radius), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, rows, groups=channels), columns, groups=channels)
