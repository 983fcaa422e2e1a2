"""How far an image lies from a distribution of reconstructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_SIDE = 3
_FLOOR = 0.03
"""Standard deviation that every pixel of a reconstruction is taken to have at least, for intensities from 0 to 1: a few reconstructions
do not tell small variances, nor covariances of full rank."""


def mahalanobis(images: Tensor, samples: Tensor) -> Tensor:
    """Mahalanobis distance of every pixel's neighbourhood from several reconstructions of it, over the root of its size.

    Behrendt 2024 (arXiv:2407.12474) takes the distance from the distribution of reconstructions, with the covariance of pixels; here
    of those in a square of 3 x 3, whose covariance has a floor on its diagonal.

    Parameters
    ----------
    images : tensor, shape (B, C, H, W)
    samples : tensor, shape (N, B, C, H, W)
        N of at least 2 reconstructions.

    Returns
    -------
    tensor, shape (B, H, W)
        In standard deviations.

    Raises
    ------
    ValueError
        If there are fewer than two reconstructions.
    """
    import torch
    from torch.nn import functional

    count = len(samples)
    if count < 2:
        raise ValueError("a distribution needs at least two reconstructions")

    def around(pictures: Tensor) -> Tensor:
        """Pixels with their neighbours, (..., H * W, C * 9), the border repeated."""
        padded = functional.pad(pictures.flatten(0, -4), (1, 1, 1, 1), mode="replicate")
        places: Tensor = functional.unfold(padded, _SIDE).transpose(1, 2)
        return places.reshape(*pictures.shape[:-3], *places.shape[1:])

    seen, made = around(images), around(samples)
    mean = made.mean(dim=0)
    away = (made - mean).permute(1, 2, 3, 0)
    covariance = away @ away.transpose(2, 3) / (count - 1)
    covariance = covariance + _FLOOR**2 * torch.eye(covariance.shape[-1], device=images.device)
    difference = (seen - mean)[..., None]
    squared = (difference * torch.linalg.solve(covariance, difference)).sum(dim=(2, 3)) / difference.shape[2]
    found: Tensor = squared.clamp(min=0).sqrt().reshape(len(images), *images.shape[-2:])
    return found
