"""A few features that stand for many: greedy k-centre selection, and the nearest of them."""

from __future__ import annotations

import math

import torch

from ...core.progress import Progress
from ...training.draws import seed_of

_PROJECTED = 128
_TOLD_EVERY = 64
_QUERIES, _BANK = 2048, 16_384
"""Of the distances that are in memory at once."""


def greedy_coreset(features: torch.Tensor, count: int, *, seed: int, progress: Progress) -> torch.Tensor:
    """The features that lie closest to all others, at the farthest.

    Roth et al. 2022 (arXiv:2106.08265), algorithm 1: the one that is farthest from those chosen is the next. Distances are taken
    after a random projection to 128 dimensions. In memory is one distance a feature, never those of all pairs.

    Parameters
    ----------
    features : tensor, shape (N, D)
    count : int
        How many to choose, at most N.

    Returns
    -------
    tensor of int64, shape (count,)
        Their places, in the order of choice.
    """
    generator = torch.Generator().manual_seed(seed_of(seed, 0))
    if features.shape[1] > _PROJECTED:
        matrix = (torch.randn(features.shape[1], _PROJECTED, generator=generator) / math.sqrt(_PROJECTED)).to(features.device)
        # Block by block: as float32 all features together would take twice what they take as float16.
        points = torch.cat([block.float() @ matrix for block in torch.split(features, _BANK)])
    else:
        points = features.float()
    squares = points.square().sum(dim=1)
    chosen = torch.empty(count, dtype=torch.int64, device=points.device)
    nearest = torch.full_like(squares, math.inf)
    latest = torch.randint(len(points), (), generator=generator).to(points.device)
    for number in range(count):
        if number % _TOLD_EVERY == 0:
            progress.update(number / count, f"Feature {number + 1} of {count} for the memory bank")
        chosen[number] = latest
        distances = squares + squares[latest] - 2.0 * (points @ points[latest])
        distances[latest] = -math.inf  # rounding must not let it be chosen twice
        torch.minimum(nearest, distances, out=nearest)
        latest = nearest.argmax()
    return chosen


def nearest_distance(queries: torch.Tensor, bank: torch.Tensor, progress: Progress) -> torch.Tensor:
    """Euclidean distance of each query (N, D) to its nearest feature of the bank (M, D), exact, block by block; shape (N,)."""
    squares = bank.square().sum(dim=1)
    found = torch.empty(len(queries), device=queries.device)
    for start in range(0, len(queries), _QUERIES):
        progress.check()
        some = queries[start : start + _QUERIES]
        least = torch.full((len(some),), math.inf, device=queries.device)
        for first in range(0, len(bank), _BANK):
            rows = slice(first, first + _BANK)
            least = torch.minimum(least, torch.addmm(squares[rows], some, bank[rows].T, alpha=-2.0).amin(dim=1))
        found[start : start + _QUERIES] = (least + some.square().sum(dim=1)).clamp_min(0.0).sqrt()
    return found
