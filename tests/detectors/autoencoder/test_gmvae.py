"""The Gaussian mixture VAE: its size, its divergences against torch.distributions and by chance, and restoration."""

from __future__ import annotations

import pytest
import torch
from batches import batch_of_images
from torch.distributions import Categorical, Normal, kl_divergence

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.autoencoder.gmvae import GMVAE, GMVAEParams
from napari_brain_uad.detectors.autoencoder.mixture_task import cluster_divergence, conditional_divergence, standard_divergence
from napari_brain_uad.detectors.nets.gaussian_mixture import MixtureOutput, MixtureVAE, cluster_probabilities
from napari_brain_uad.inference.reconstruction import OnePass, total_variation
from napari_brain_uad.training.draws import BatchDraw

IMAGES = torch.rand(2, 1, 16, 12, generator=torch.Generator().manual_seed(0))


def network() -> MixtureVAE:
    """With distributions far enough from each other and from the standard normal that every term counts."""
    torch.manual_seed(0)
    net = MixtureVAE(1, 8, 3, 2)
    for layer in (net.w_mean, net.mean, net.log_variance, net.means, net.log_precisions):
        torch.nn.init.normal_(layer.weight, std=0.7)
        torch.nn.init.normal_(layer.bias, std=0.7)
    return net


@pytest.fixture(scope="module")
def output() -> MixtureOutput:
    with torch.no_grad():
        found: MixtureOutput = network()(IMAGES, torch.randn(2, 4, 4, 3, generator=torch.Generator().manual_seed(1)))
    return found


def test_the_network_is_as_large_as_stregas_and_its_latents_as_large_as_the_papers() -> None:
    convolutions = (1 * 64 + 5 * 64 * 64 + 1 * 64 + 6 * 64 * 64 + 64) * 9 + 64 * 13 + 1
    heads = 4 * (64 + 1) + (64 + 64) + 2 * (64 * 9 + 9)
    detector = GMVAE(GMVAEParams.preset("paper"))
    assert detector.parameter_count() == convolutions + heads == 409_623
    assert detector._task().shape == (1, 42, 32)


def test_divergences_are_those_of_torch_distributions(output: MixtureOutput) -> None:
    q_w, q_z = (
        Normal(mean, (0.5 * log).exp()) for mean, log in ((output.w_mean, output.w_log_variance), (output.mean, output.log_variance))
    )
    p_z = Normal(output.means, (-0.5 * output.log_precisions).exp())
    each = kl_divergence(Normal(q_z.mean[:, None], q_z.stddev[:, None]), p_z).sum(dim=2)
    torch.testing.assert_close(conditional_divergence(output), (output.clusters * each).sum(dim=(1, 2, 3)))
    normal = Normal(torch.zeros_like(output.w_mean), torch.ones_like(output.w_mean))
    torch.testing.assert_close(standard_divergence(output), kl_divergence(q_w, normal).sum(dim=(1, 2, 3)))
    found = Categorical(output.clusters.movedim(1, -1))
    information = kl_divergence(found, Categorical(torch.full_like(found.probs, 1 / 3)))
    torch.testing.assert_close(cluster_divergence(output, 0.0), information.sum(dim=(1, 2)), rtol=1e-4, atol=1e-4)
    least = float(information.median())
    torch.testing.assert_close(cluster_divergence(output, least), information.clamp(min=least).sum(dim=(1, 2)), rtol=1e-4, atol=1e-4)


def test_the_conditional_divergence_is_what_chance_gives(output: MixtureOutput) -> None:
    """Clusters and z are drawn, and the logarithms of their densities compared: no closed form is used."""
    torch.manual_seed(2)
    count = 20_000
    q_z = Normal(output.mean, (0.5 * output.log_variance).exp())
    z = q_z.sample((count,))
    clusters = Categorical(output.clusters.movedim(1, -1)).sample((count,))
    p_z = Normal(output.means, (-0.5 * output.log_precisions).exp())
    index = clusters[:, :, None, None].expand(-1, -1, 1, 2, -1, -1)
    log_p = p_z.log_prob(z[:, :, None]).gather(2, index).squeeze(2)
    draws = (q_z.log_prob(z) - log_p).flatten(2).sum(dim=2)
    error = draws.std(dim=0) / count**0.5
    assert ((draws.mean(dim=0) - conditional_divergence(output)).abs() < 4 * error).all()


def test_clusters_are_as_likely_as_bayes_says(output: MixtureOutput) -> None:
    z = torch.randn(output.mean.shape, generator=torch.Generator().manual_seed(3))
    densities = Normal(output.means, (-0.5 * output.log_precisions).exp()).log_prob(z[:, None]).sum(dim=2).exp()
    torch.testing.assert_close(
        cluster_probabilities(z, output.means, output.log_precisions), densities / densities.sum(dim=1, keepdim=True), rtol=1e-4, atol=1e-5
    )


def test_noise_reaches_w_and_z_and_without_it_both_are_their_means() -> None:
    net, task = network(), GMVAE(GMVAEParams(height=16, width=12 + 4, latent=2))._task()
    noise = task.noise(batch_of_images(torch.zeros(2, 1, 16, 16)), BatchDraw(0, 0, 2, 2))
    assert noise.shape == (2, 4, 4, 4)
    with torch.no_grad():
        plain, zero = net(IMAGES), net(IMAGES, torch.zeros(2, 4, 4, 3))
        only_w = net(IMAGES, torch.cat([torch.ones(2, 2, 4, 3), torch.zeros(2, 2, 4, 3)], dim=1))
        only_z = net(IMAGES, torch.cat([torch.zeros(2, 2, 4, 3), torch.ones(2, 2, 4, 3)], dim=1))
    torch.testing.assert_close(plain.reconstruction, zero.reconstruction)
    torch.testing.assert_close(only_w.reconstruction, plain.reconstruction)
    assert not torch.allclose(only_w.means, plain.means, atol=1e-3)
    torch.testing.assert_close(only_z.means, plain.means)
    assert not torch.allclose(only_z.reconstruction, plain.reconstruction, atol=1e-3)


def test_restoration_goes_down_the_models_energy() -> None:
    settings = {"height": 16, "width": 16, "maps": 8, "clusters": 3}
    assert isinstance(GMVAE(GMVAEParams(**settings))._inference(), OnePass)  # type: ignore[arg-type]
    detector = GMVAE(GMVAEParams(**settings, restoration_steps=10, step_size=0.002, tv_weight=0.1))  # type: ignore[arg-type]
    torch.manual_seed(0)
    task = detector._task()
    net, batch = task.build().eval(), batch_of_images(torch.rand(2, 1, 16, 16))
    restored = detector._inference()(net, batch, BatchDraw(0, 0, 2, 2), Progress()).reconstruction
    with torch.no_grad():
        before, after = task.elbo(net, batch.images), task.elbo(net, restored)
    assert (after + 0.1 * total_variation(batch.images - restored) < before).all()
