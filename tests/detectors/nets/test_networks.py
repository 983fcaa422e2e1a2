"""Sizes and shapes of the networks. Parameter counts are those of the papers and of their authors' code."""

from __future__ import annotations

import pytest
import torch

from napari_brain_uad.detectors.autoencoder.cce_vae import CceVAE, CceVAEParams
from napari_brain_uad.detectors.autoencoder.ce_vae import CeVAE, CeVAEParams
from napari_brain_uad.detectors.nets.baur import DenseAutoencoder, SpatialAutoencoder, VariationalAutoencoder
from napari_brain_uad.detectors.nets.context import BLOCKS, ContextVAE


def parameters(network: torch.nn.Module) -> int:
    return sum(value.numel() for value in network.parameters())


def test_unified_network_has_the_sizes_of_the_study() -> None:
    """Baur 2021: about 1.63 M (AE) and 1.76 M (VAE) parameters at 128 x 128."""
    assert parameters(DenseAutoencoder(1, (128, 128), 0.2, 128)) == 1_626_993
    assert parameters(VariationalAutoencoder(1, (128, 128), 0.2, 128)) == 1_758_193


def test_stregas_code_has_the_size_that_was_counted() -> None:
    with torch.device("meta"):
        network = CceVAE(CceVAEParams.preset("code"))._task().build()
    assert parameters(network) == 812_295_576
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())


def test_stregas_paper_is_compact() -> None:
    with torch.device("meta"):
        network = CceVAE(CceVAEParams.preset("paper"))._task().build()
    assert parameters(network) < 812_295_576 / 3
    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())


@pytest.mark.parametrize("size", [(32, 32), (112, 96), (128, 160)])
@pytest.mark.parametrize("channels", [1, 3])
def test_reconstructions_have_the_size_of_the_slices(size: tuple[int, int], channels: int) -> None:
    networks: list[torch.nn.Module] = [
        SpatialAutoencoder(channels, 0.2),
        DenseAutoencoder(channels, size, 0.2, 16),
        VariationalAutoencoder(channels, size, 0.2, 16),
        *(ContextVAE(channels, size, (8, 16, 32), 16, blocks=blocks, activation="prelu") for blocks in BLOCKS),
        ContextVAE(channels, size, (8, 16, 32), 16, blocks="plain", activation="leaky-relu", narrow=4),
    ]
    images = torch.rand(2, channels, *size)
    for network in networks:
        assert network.eval()(images).reconstruction.shape == images.shape


def test_without_noise_the_latents_are_the_mean() -> None:
    network = VariationalAutoencoder(1, (32, 32), 0.0, 16).eval()
    images, noise = torch.rand(3, 1, 32, 32), torch.randn(3, 16)
    mean, log_variance = network.encode(images)
    assert torch.allclose(network(images).reconstruction, network.decode(mean), atol=1e-6)
    assert torch.allclose(network(images, noise).reconstruction, network.decode(mean + (log_variance / 2).exp() * noise), atol=1e-6)


def test_stages_follow_the_setting() -> None:
    detector = CeVAE(CeVAEParams(height=64, width=64, maps=(4, 8), latent=8))
    network = detector._task().build()
    assert [layer.out_channels for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)] == [4, 8]
