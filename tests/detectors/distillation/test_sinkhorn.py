"""Optimal transport with entropy against linear programming and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from napari_brain_uad.detectors.distillation.sinkhorn import entropic_transport, sinkhorn_divergence


def points(count: int, seed: int) -> torch.Tensor:
    return torch.rand(1, count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exact(one: np.ndarray, two: np.ndarray) -> float:
    """The cheapest plan, each point of a set with the same weight."""
    n, m = len(one), len(two)
    cost = 0.5 * ((one[:, None] - two[None]) ** 2).sum(axis=2)
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    weights = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    return float(linprog(cost.ravel(), A_eq=np.concatenate([rows, columns]), b_eq=weights).fun)


def test_with_little_entropy_it_is_the_cheapest_plan() -> None:
    one, two = points(5, 0), points(7, 1)
    found = entropic_transport(one, two, 1e-4, rounds=3000)
    assert float(found) == pytest.approx(exact(one[0].numpy(), two[0].numpy()), rel=1e-2)
    same = points(6, 1)
    assert float(sinkhorn_divergence(points(6, 0), same, blur=1e-2, rounds=3000)) == pytest.approx(
        exact(points(6, 0)[0].numpy(), same[0].numpy()), rel=1e-2
    )


def test_ten_rounds_are_enough_for_its_use() -> None:
    one, two = (torch.nn.functional.normalize(points(64, seed) - shift, dim=2).float() for seed, shift in ((0, 0.1), (1, 0.3)))
    assert float(sinkhorn_divergence(one, two)) == pytest.approx(float(sinkhorn_divergence(one, two, rounds=300)), rel=0.02)


def test_a_set_is_at_no_distance_from_itself_in_another_order() -> None:
    """Which is what the authors' code of RD++ compares."""
    one = points(8, 0).float().requires_grad_()
    found = sinkhorn_divergence(one, one[:, torch.randperm(8, generator=torch.Generator().manual_seed(0))], rounds=100)
    found.sum().backward()
    assert float(found.detach()) == pytest.approx(0.0, abs=1e-6)
    assert one.grad is not None
    assert float(one.grad.abs().max()) < 1e-5
    assert float(sinkhorn_divergence(one.detach(), points(8, 1).float())) > 0.01


def test_gradients_are_those_of_finite_differences() -> None:
    one, two = torch.cat([points(5, 0), points(5, 2)]).requires_grad_(), torch.cat([points(5, 1), points(5, 3)])
    sinkhorn_divergence(one, two, blur=0.2, rounds=300)[1].backward()
    assert one.grad is not None
    assert float(one.grad[0].abs().max()) == 0.0  # pairs know nothing of each other
    for place in ((1, 0, 0), (1, 3, 2)):
        step = torch.zeros_like(one)
        step[place] = 1e-4
        with torch.no_grad():
            up, down = (sinkhorn_divergence(one + sign * step, two, blur=0.2, rounds=300)[1] for sign in (1, -1))
        assert float(one.grad[place]) == pytest.approx(float(up - down) / 2e-4, rel=1e-3, abs=1e-6)
