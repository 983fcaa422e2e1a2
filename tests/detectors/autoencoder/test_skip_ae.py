"""The Bayesian skip autoencoder: its size, its loss by hand, and dropout that belongs to the samples."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from batches import batch_of_images

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.autoencoder.skip_ae import SkipAE, SkipAEParams
from napari_brain_uad.detectors.autoencoder.skip_task import SkipTask, gradient_difference
from napari_brain_uad.detectors.nets.output import Output
from napari_brain_uad.detectors.nets.skip import SkipAutoencoder
from napari_brain_uad.inference.reconstruction import MonteCarlo
from napari_brain_uad.training.draws import BatchDraw, SampleDraw

IMAGES = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def task(dropout: float = 0.3, weight: float = 1.0) -> SkipTask:
    torch.manual_seed(0)
    return SkipTask(lambda: SkipAutoencoder(1, (4, 6, 5), dropout), dropout, weight)


def test_the_network_is_as_large_as_stregas() -> None:
    assert SkipAE(SkipAEParams.preset("paper")).parameter_count() == 10_247_619


def test_gradient_difference_by_hand() -> None:
    """Absolute gradients 2, 1 and 0, 3 along rows, 1, 2 and 0, 1 along columns; the sign of a gradient makes no difference."""
    one = torch.tensor([[[[0.0, 2.0, 1.0], [1.0, 3.0, 3.0]]]])
    two = torch.zeros_like(one)
    rows, columns = (1 + 1 + 2) / 3, (2 + 1 + 2 + 0) / 4
    assert float(gradient_difference(one, two)) == pytest.approx(rows + columns)
    assert float(gradient_difference(one, -one)) == 0


@pytest.mark.parametrize("weight", [1.0, -1.0])
def test_the_loss_is_the_difference_and_the_weighted_gradients(weight: float) -> None:
    class Half(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> Output:
            return Output(images / 2)

    image = torch.tensor([[[[0.0, 4.0], [0.0, 4.0]]]])
    found = task(weight=weight).loss(Half(), batch_of_images(image), BatchDraw(0, 0, 1, 1))
    assert float(found["loss"]) == pytest.approx(1.0 + weight * 2.0)


def network(own: SkipTask) -> torch.nn.Module:
    """Untrained, but with running statistics as if it were: with none, its last layer lets nothing through."""
    net = own.build()
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    net(IMAGES, lambda maps: maps)
    return net.eval()


def mean_of(passes: int, seed: int, index: Sequence[int], dropout: float = 0.3) -> torch.Tensor:
    own = task(dropout)
    batch = batch_of_images(IMAGES[list(index)])
    return MonteCarlo(own.sampled, passes)(network(own), batch, SampleDraw(seed, index), Progress()).reconstruction


@torch.no_grad()
def test_the_mean_of_passes_depends_on_seed_and_sample_alone() -> None:
    together = mean_of(4, 7, (0, 1, 2))
    apart = torch.cat([mean_of(4, 7, (number,)) for number in range(3)])
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(together, mean_of(4, 8, (0, 1, 2)), atol=1e-4)
    assert not torch.allclose(together, mean_of(1, 7, (0, 1, 2)), atol=1e-4)
    without = network(task())(IMAGES).reconstruction
    torch.testing.assert_close(mean_of(2, 7, (0, 1, 2), dropout=0.0), without)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    dropped = task(0.1)._dropped(torch.ones(2, 50, 40, 40), SampleDraw(0, (0, 1)))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.1, abs=0.005)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.005)
