"""SimpleNet: its loss and its network by hand on fixed examples, and the rates its parts learn at."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.embedding.simplenet import SimpleNet, SimpleNetParams, SimpleNetTraining
from napari_brain_uad.detectors.embedding.simplenet_task import AdaptedDiscriminator, SimpleNetTask, truncated_l1
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw


def test_the_loss_asks_for_a_margin_of_a_half_on_both_sides() -> None:
    # Healthy: 0.9 is enough, 0.2 lacks 0.3, -0.4 lacks 0.9. Noisy: -0.7 is enough, 0.1 is 0.6 too high.
    found = truncated_l1(torch.tensor([0.9, 0.2, -0.4]), torch.tensor([-0.7, 0.1]))
    assert float(found) == pytest.approx((0.3 + 0.9) / 3 + 0.6 / 2)


def _network(dimension: int = 3, hidden: int = 4) -> AdaptedDiscriminator:
    torch.manual_seed(0)
    made = AdaptedDiscriminator(dimension, hidden, torch.full((dimension,), 2.0), torch.full((dimension,), 4.0))
    norm = made.discriminator[1]
    assert isinstance(norm, torch.nn.BatchNorm1d)
    norm.running_mean, norm.running_var = torch.randn(hidden), torch.rand(hidden) + 0.5
    return made.eval()


def test_the_discriminator_is_what_the_paper_says() -> None:
    """In NumPy: standardised, adapted, noise added; linear, normalised by running statistics, leaky by 0.2, linear without an offset."""
    made, places, noise = _network(), torch.randn(5, 3), torch.randn(5, 3)
    weights = {name: value.numpy().astype(np.float64) for name, value in made.state_dict().items()}
    adapted = (places.numpy() - 2.0) / 4.0 @ weights["adapter.weight"].T + weights["adapter.bias"]
    expected = []
    for features in (adapted, adapted + noise.numpy()):
        seen = features @ weights["discriminator.0.weight"].T + weights["discriminator.0.bias"]
        seen = (seen - weights["discriminator.1.running_mean"]) / np.sqrt(weights["discriminator.1.running_var"] + 1e-5)
        seen = np.where(seen > 0, seen, 0.2 * seen)
        expected.append(seen @ weights["discriminator.3.weight"][0])
    with torch.no_grad():
        np.testing.assert_allclose(made(places, noise), np.concatenate(expected), atol=1e-5)
        np.testing.assert_allclose(made(places), expected[0], atol=1e-5)


def test_the_task_compares_features_with_their_own_noisy_ones() -> None:
    made, places = _network(), torch.randn(6, 3)
    batch = Batch(places, torch.ones(6, dtype=torch.bool), torch.arange(6))
    found = SimpleNetTask(lambda: made, 0.7).loss(made, batch, BatchDraw(1, 0, 6, 6))["loss"]
    noise = 0.7 * BatchDraw(1, 0, 6, 6).normal((6, 3))
    apart = made(places, noise)
    expected = truncated_l1(apart[:6], apart[6:])
    assert noise.std() > 0.3
    assert float(found.detach()) == pytest.approx(float(expected.detach()))


def test_the_adapter_learns_half_as_fast() -> None:
    made = _network()
    (optimizer,) = SimpleNetTask(lambda: made, 1.0).optimizers(made, SimpleNetTraining()).values()
    factors = {id(weights): group.get("lr_factor", 1.0) for group in optimizer.param_groups for weights in group["params"]}
    assert {factors[id(weights)] for weights in made.adapter.parameters()} == {0.5}
    assert {factors[id(weights)] for weights in made.discriminator.parameters()} == {1.0}
    assert len(factors) == len(list(made.parameters()))


def test_the_paper_preset_has_as_many_weights_as_counted_by_hand() -> None:
    adapter, discriminator = 1536 * 1536 + 1536, 1536 * 1024 + 1024 + 2 * 1024 + 1024
    assert SimpleNet(SimpleNetParams.preset("paper")).parameter_count() == adapter + discriminator


def test_the_brightest_percentile_becomes_one() -> None:
    data = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    volume = Volume(data, Grid(data.shape, np.eye(4)), mask=np.ones(data.shape, bool))
    seen = SimpleNet(SimpleNetParams(brightest=90.0))._prepare(volume).data
    assert seen.reshape(-1)[900] == pytest.approx(1.0, abs=0.01)
    assert seen.reshape(-1)[500] == pytest.approx((500 - 9.99) / (899.1 - 9.99), abs=0.002)
