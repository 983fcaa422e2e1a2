"""Optimal transport between sets of points, with entropy. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

import math

import torch

_SHRINKING = 0.25
"""Of epsilon from one round to the next, before it is as small as wanted."""


def sinkhorn_divergence(one: torch.Tensor, two: torch.Tensor, *, blur: float = 0.05, rounds: int = 10) -> torch.Tensor:
    """How far two sets of points lie apart, whatever their order; 0 for a set and itself.

    Feydy et al. 2019, Interpolating between optimal transport and MMD using Sinkhorn divergences, arXiv:1810.08278, equation 3:
    ``OT(one, two) - OT(one, one) / 2 - OT(two, two) / 2``; see `entropic_transport`.

    Parameters
    ----------
    one, two : tensor, shape (B, n, D)
        B pairs of sets, each point with the same weight.
    blur : float
        Square root of epsilon: distances below it count little.
    rounds : int
        Updates of the potentials at that epsilon.

    Returns
    -------
    tensor, shape (B,)
        With gradients to both.
    """
    # All three at once: sets this small cost by the call.
    found = entropic_transport(torch.cat([one, one, two]), torch.cat([two, one, two]), blur**2, rounds)
    between, first, second = found.chunk(3)
    return between - 0.5 * (first + second)


def entropic_transport(one: torch.Tensor, two: torch.Tensor, epsilon: float, rounds: int = 10) -> torch.Tensor:
    """Cost of moving one set of points onto another, half the squared distance each, with entropy.

    The dual of ``min <plan, cost> + epsilon KL(plan | one x two)`` (equation 1 of the same paper), by Sinkhorn's updates in the logarithm
    while epsilon falls from the largest cost. The gradient is that of the plan's cost with the plan held still (the envelope theorem).

    Parameters
    ----------
    one, two : tensor, shapes (B, n, D) and (B, m, D)
    epsilon : float
    rounds : int
        As `sinkhorn_divergence` has them.

    Returns
    -------
    tensor, shape (B,)
    """
    lengths = one.square().sum(dim=2)[:, :, None] + two.square().sum(dim=2)[:, None]
    cost = (0.5 * lengths - one @ two.transpose(1, 2)).clamp_min(0.0)
    with torch.no_grad():
        f, g = torch.zeros_like(cost[:, :, 0]), torch.zeros_like(cost[:, 0])
        for step in _course(float(cost.max()), epsilon, rounds):
            f = _other(cost, g[:, None], step, dim=2)
            g = _other(cost, f[:, :, None], step, dim=1)
        plan = torch.exp((f[:, :, None] + g[:, None] - cost) / epsilon) / (cost.shape[1] * cost.shape[2])
        dual = f.mean(dim=1) + g.mean(dim=1)
    moved = (plan * cost).sum(dim=(1, 2))
    return dual + moved - moved.detach()


def _course(highest: float, epsilon: float, rounds: int) -> list[float]:
    """Epsilon of each round."""
    falling = max(0, math.ceil(math.log(max(highest, epsilon) / epsilon) / -math.log(_SHRINKING)))
    return [epsilon * _SHRINKING**-number for number in range(falling, 0, -1)] + [epsilon] * rounds


def _other(cost: torch.Tensor, potential: torch.Tensor, epsilon: float, dim: int) -> torch.Tensor:
    """The potential of the other set, which makes its marginal right."""
    return -epsilon * (torch.logsumexp((potential - cost) / epsilon, dim=dim) - math.log(cost.shape[dim]))
