"""Gradients of a model's energies with respect to the slice: where a change would make it more likely.

Zimmerer, Isensee, Petersen, Kohl, Maier-Hein: "Unsupervised anomaly localization using variational auto-encoders" (2019,
arXiv:1907.02796), section 2.2: the derivative of log p(x) ~ ELBO, or of its KL part alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def input_gradient(energy: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """``|dE/dx|`` at every pixel, mean over channels.

    Parameters
    ----------
    energy : callable
        Gives one number a slice, shape (B,), for slices (B, C, H, W).
    images : tensor, shape (B, C, H, W)

    Returns
    -------
    tensor, shape (B, H, W)
    """
    import torch

    with torch.enable_grad():
        leaf = images.detach().clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(energy(leaf).sum(), leaf)
    return slope.detach().abs().mean(dim=1)
