"""The Gaussian kernel between features and a few that stand for many. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

import torch

from ...core.progress import Progress

_QUERIES = 2048
"""Of the kernel that is in memory at once."""


def kernel_mean(queries: torch.Tensor, vectors: torch.Tensor, weights: torch.Tensor, gamma: float, progress: Progress) -> torch.Tensor:
    """Weighted mean of ``exp(-gamma |x - v|^2)`` over vectors v (M, D) for each query x (N, D), block by block; shape (N,).

    Parameters
    ----------
    queries, vectors : tensor, shapes (N, D) and (M, D)
    weights : tensor, shape (M,)
        Add up to 1.
    gamma : float
        Of the kernel, positive.
    progress : Progress
        Asked after every block whether to go on.
    """
    squares = vectors.square().sum(dim=1)
    found = torch.empty(len(queries), device=queries.device)
    for start in range(0, len(queries), _QUERIES):
        progress.check()
        some = queries[start : start + _QUERIES]
        distances = torch.addmm(squares, some, vectors.T, alpha=-2.0) + some.square().sum(dim=1, keepdim=True)
        found[start : start + _QUERIES] = torch.exp(-gamma * distances.clamp_min(0.0)) @ weights
    return found
