"""Stacks of slices: each reconstruction depends on the slices above and below, by the sequence model alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from batches import batch_of_images
from torch.distributions import Normal, kl_divergence

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.detectors.autoencoder.svae import SEQUENCES, SVAE, SVAEParams
from napari_brain_uad.detectors.base.reconstruction import MODEL_SCORES
from napari_brain_uad.detectors.nets.sequential import SequentialAutoencoder
from napari_brain_uad.scoring.registry import SCORES
from napari_brain_uad.training.draws import BatchDraw

DEPTH, LATENT = 6, 8


def network(sequence: str) -> SequentialAutoencoder:
    """Untrained, but with running statistics as if it were: with none, hardly anything of a slice comes through."""
    torch.manual_seed(0)
    net = SequentialAutoencoder(1, (DEPTH, 32, 16), 0.0, LATENT, sequence, 1)
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    net(stacks())
    return net.eval()


def stacks(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 1, DEPTH, 32, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sequence", SEQUENCES)
@torch.no_grad()
def test_a_change_in_one_slice_changes_the_reconstruction_of_those_beside_it_in_its_stack(sequence: str) -> None:
    net, images = network(sequence), stacks()
    other = images.clone()
    other[0, :, 3] = 1 - other[0, :, 3]
    changed = (net(other).reconstruction - net(images).reconstruction).abs().amax(dim=(1, 3, 4))
    assert (changed[0, 2:5] > 1e-4).all()
    assert changed[1].max() == 0


@pytest.mark.parametrize("sequence", SEQUENCES)
@torch.no_grad()
def test_slices_are_not_exchanged(sequence: str) -> None:
    """Without what the sequence model adds, a stack is its slices, each encoded and decoded by itself."""
    net, images = network(sequence), stacks(3)
    net.sequence = torch.nn.Identity()
    whole = net(images)
    each = [net(images[row : row + 1, :, place : place + 1]) for row in range(3) for place in range(DEPTH)]
    alone = torch.cat([one.reconstruction for one in each])[:, 0, 0].unflatten(0, (3, DEPTH))
    torch.testing.assert_close(whole.reconstruction[:, 0], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(whole.mean, torch.cat([one.mean for one in each]).reshape(3, -1), rtol=1e-4, atol=1e-5)
    assert alone.std(dim=1).mean() > 1e-4


@torch.no_grad()
def test_attention_knows_where_a_slice_lies() -> None:
    """Without positions, a stack turned upside down would be reconstructed as the same slices, upside down."""
    net, images = network("transformer"), stacks()
    assert not torch.allclose(net(images.flip(2)).reconstruction.flip(2), net(images).reconstruction, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("convention", "pixels"), [("mixed", 1.0), ("sum", DEPTH * 32 * 32)])
def test_the_divergence_of_a_slice_is_weighed_against_the_difference_of_a_slice(convention: str, pixels: float) -> None:
    detector = SVAE(SVAEParams(height=32, width=32, slices=DEPTH, latent=LATENT, kl_weight=0.1, convention=convention, dropout=0.0))
    task = detector._task()
    net, images = task.build().eval(), torch.rand(3, 1, DEPTH, 32, 32)
    losses = task.loss(net, batch_of_images(images), BatchDraw(0, 0, 3, 3))
    output = net(images, BatchDraw(0, 0, 3, 3).normal((3, DEPTH * LATENT)))
    divergence = kl_divergence(Normal(output.mean, (output.log_variance / 2).exp()), Normal(0.0, 1.0)).sum(dim=1).mean()
    if convention == "mixed":  # a mean over the slices, as the difference is
        divergence = divergence / DEPTH
    expected = pixels * (output.reconstruction - images).abs().mean() + 0.1 * divergence
    assert float(losses["loss"]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", MODEL_SCORES)
def test_every_score_judges_stacks(name: str) -> None:
    detector = SVAE(SVAEParams.preset("tiny"))
    task, images = detector._task(), torch.rand(2, 1, 4, 32, 32)
    score = SCORES[name].compute(task.evidence(task.build().eval(), images))
    assert score.shape == (2, 4, 32, 32)
    assert torch.isfinite(score).all()


def test_latents_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(InputError, match="multiple of 8"):
        SVAE(SVAEParams(latent=12, sequence="transformer"))
    SVAE(SVAEParams(latent=12))


def test_the_sequence_model_costs_what_its_layers_do() -> None:
    """At 96 x 96 pixels: Baur's convolutions and a code of 16 x 6 x 6 numbers between them."""
    sizes = {name: SVAE(replace(SVAEParams.preset("pddpm"), sequence=name)).parameter_count() for name in SEQUENCES}
    latent, code = 512, 16 * 6 * 6
    gates = 4 * 256 * (latent + 256 + 2)
    attention = 4 * (latent * latent + latent) + 2 * (latent * latent + latent) + 4 * latent + 32 * latent
    convolutions = 1_758_193 - 2 * 1025 * 128 - 129 * 1024  # of the variational one at 128 x 128, without its dense layers
    dense = (code + 1) * latent + 2 * (latent + 1) * latent + (latent + 1) * code
    assert sizes["transformer"] - sizes["lstm"] == attention - 2 * gates
    assert sizes["lstm"] == convolutions + dense + 2 * gates
