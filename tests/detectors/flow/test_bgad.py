"""BGAD: the loss of its flows by hand, on an example."""

from __future__ import annotations

import math

import pytest
import torch

from napari_brain_uad.detectors.flow.bgad import BGAD, BGADParams
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw


def test_healthy_features_are_pulled_above_the_boundary_and_noisy_ones_pushed_below_it() -> None:
    healthy, noisy = [0.0] + 20 * [1.0], 20 * [-3.0] + [0.95]
    told: list[torch.Tensor] = []

    def network(places: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        told.append(noise)
        return places, torch.tensor(healthy + noisy)

    batch = Batch(torch.zeros(21, 42), torch.ones(21, dtype=torch.bool), torch.arange(21))
    task = BGAD(BGADParams(noise=2.0))._task(2, [])
    losses = task.loss(network, batch, BatchDraw(0, 0, 21, 21))  # type: ignore[arg-type]
    # The quantile of 5 % lies at the second of 21 in order, 1: one healthy feature lacks 1. Noisy ones are to lie below 0.9: one does not.
    apart = (1.0 + 0.05) / 21
    likelihood = (math.log(2.0) + 20 * math.log1p(math.exp(-1.0))) / 21
    assert float(losses["loss"]) == pytest.approx(likelihood + apart, abs=1e-6)
    noise = told[0]
    assert not noise[:21].any()
    assert float(noise[21:].std()) == pytest.approx(2.0, rel=0.1)
    assert noise.shape == (42, 40)
