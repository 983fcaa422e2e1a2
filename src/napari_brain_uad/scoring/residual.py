"""Differences between slices and their reconstruction. All take (B, C, H, W) and give (B, H, W), the mean over channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def absolute(images: Tensor, reconstruction: Tensor) -> Tensor:
    """``|x - r|``."""
    return (images - reconstruction).abs().mean(dim=1)


def squared(images: Tensor, reconstruction: Tensor) -> Tensor:
    """``(x - r)^2``."""
    return (images - reconstruction).square().mean(dim=1)


def brighter(images: Tensor, reconstruction: Tensor) -> Tensor:
    """``max(x - r, 0)``: brighter than expected, like lesions on FLAIR and T2 (StRegA's paper)."""
    return (images - reconstruction).clamp(min=0).mean(dim=1)


def darker(images: Tensor, reconstruction: Tensor) -> Tensor:
    """``max(r - x, 0)``: darker than expected, like most lesions on T1, or closer to CSF among tissue classes (StRegA's code)."""
    return (reconstruction - images).clamp(min=0).mean(dim=1)
