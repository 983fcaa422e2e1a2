"""Conditioned diffusion: what the network is told, its encoder's pre-training, and its size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import batch_of_images

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.diffusion.cddpm import ConditionedDDPM, ConditionedDDPMParams
from napari_brain_uad.detectors.diffusion.conditioned_unet import MaskedAutoencoder, slice_encoder
from napari_brain_uad.detectors.diffusion.masked_task import MaskedTask
from napari_brain_uad.training.draws import BatchDraw, SampleDraw


class Network(torch.nn.Module):
    """Predicts grey, darker with the time step, and notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told = list[torch.Tensor]()

    def forward(self, images: torch.Tensor, steps: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        self.told.append(clean)
        assert not torch.allclose(images, clean, atol=0.1)
        return torch.zeros_like(images) - steps[:, None, None, None] / 1000


def test_the_network_of_the_authors_code_has_so_many_weights() -> None:
    """ResNet-50 as torchvision has it, for one channel and 512 numbers; Behrendt's U-Net, each of its blocks told 512 numbers more."""
    with torch.device("meta"):
        network = ConditionedDDPM(ConditionedDDPMParams.preset("code"))._task().build()
    counts = {name: sum(weights.numel() for weights in part.parameters()) for name, part in network.named_children()}
    assert counts["encoder"] == 25_557_032 - 2 * 64 * 7 * 7 - (2048 * 1000 + 1000) + (2048 * 512 + 512)
    blocks = [128] * 4 + [256] * 7 + [256] * 2 + [256] * 10 + [128] * 4
    assert counts["unet"] == 37_513_857 + 2 * (512 * 512 + 512) + 512 * 2 * sum(blocks)


def test_the_network_is_told_the_slice_without_noise() -> None:
    detector, network = ConditionedDDPM(replace(ConditionedDDPMParams.preset("tiny"), t_test=(100, 900), score="l1")), Network()
    batch = batch_of_images(torch.rand(2, 1, 32, 32))
    scores = detector._scorer()(network, batch, SampleDraw(0, [0, 1]), Progress())
    for told in network.told:
        assert torch.allclose(told, 2 * batch.images - 1)
    assert len(network.told) == 2
    # One score of the mean reconstruction, not the mean of two scores.
    mean = ((1 - 0.099) / 2 + (1 - 0.899) / 2) / 2
    assert torch.allclose(scores, (batch.images[:, 0] - mean).abs(), atol=1e-5)
    detector._task().loss(network, batch, BatchDraw(0, 0, 2, 2))
    assert torch.allclose(network.told[-1], 2 * batch.images - 1)


def test_what_the_encoder_makes_of_the_slice_changes_the_prediction() -> None:
    torch.manual_seed(0)
    network = ConditionedDDPM(ConditionedDDPMParams.preset("tiny"))._task().build().eval()
    with torch.no_grad():
        for weights in network.parameters():
            weights += 0.05 * torch.randn_like(weights)
        noisy, steps = torch.rand(1, 1, 32, 32), torch.tensor([10])
        one, two = (network(noisy, steps, torch.full_like(noisy, grey)) for grey in (-0.5, 0.5))
    assert float((one - two).abs().max()) > 1e-3


def test_the_whole_network_begins_with_a_copy_of_the_encoder() -> None:
    detector = ConditionedDDPM(ConditionedDDPMParams.preset("tiny"))
    trained = {f"encoder.{name}": tensor.numpy().copy() for name, tensor in detector._masked().build().state_dict().items()}
    before = {name: array.copy() for name, array in trained.items()}
    network = detector._denoiser(trained).build()
    for name, tensor in network.get_submodule("encoder").state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[f"encoder.encoder.{name}"])
    assert all(weights.requires_grad for weights in network.parameters())
    with torch.no_grad():
        for weights in network.parameters():
            weights += 1
    assert all(np.array_equal(array, before[name]) for name, array in trained.items())
    assert [stage.name for stage in detector.stages()] == ["encoder", "denoiser"]
    without = ConditionedDDPM(replace(detector.params, pretraining=False))
    assert [stage.name for stage in without.stages()] == ["denoiser"]


@pytest.mark.parametrize(("cells", "kept"), [(9, 3), (16, 6)])
def test_as_many_cells_are_seen_as_the_ratio_leaves(cells: int, kept: int) -> None:
    task = MaskedTask(torch.nn.Identity, 32, 0.65)
    seen = task.seen(torch.rand(20, cells))
    assert (seen.sum(dim=1) == kept).all()
    assert len({tuple(row) for row in seen.tolist()}) > 5


def test_the_masked_cells_alone_are_learned_and_nothing_of_them_is_seen() -> None:
    torch.manual_seed(0)
    autoencoder = MaskedAutoencoder(slice_encoder((1, 1), 8, 1, 4), [32, 64], 16, 1).eval()
    images, seen = torch.rand(2, 1, 32, 32), torch.rand(2, 1, 4, 4) > 0.5
    masked = ~seen.repeat_interleave(8, 2).repeat_interleave(8, 3)
    with torch.no_grad():
        for token in autoencoder.tokens:
            token.normal_()
        made = autoencoder(images, seen)
        assert made.shape == images.shape
        assert torch.equal(autoencoder(torch.where(masked, torch.rand_like(images), images), seen), made)
        assert not torch.equal(autoencoder(torch.where(masked, images, torch.rand_like(images)), seen), made)

    class Zeros(torch.nn.Module):
        def forward(self, images: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
            self.masked = ~seen.repeat_interleave(8, 2).repeat_interleave(8, 3)
            return torch.zeros_like(images)

    network, batch = Zeros(), batch_of_images(images)
    loss = MaskedTask(Zeros, 8, 0.5).loss(network, batch, BatchDraw(0, 0, 2, 2))["loss"]
    assert float(loss) == pytest.approx(float((2 * images - 1)[network.masked].square().mean()), rel=1e-5)
