"""What the Gaussian mixture VAE minimises."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from ...training.batch import Batch
from ...training.draws import Draw
from ..base.tasks import VariationalTask
from ..nets.gaussian_mixture import STRIDE, MixtureOutput


class MixtureTask(VariationalTask):
    """The negative ELBO with a mixture of Gaussians as the prior; see `base.tasks.VariationalTask`.

    Parameters
    ----------
    build : callable
        Makes the network, a `nets.gaussian_mixture.MixtureVAE`.
    convention : str
        See `base.tasks`.
    latent : tuple of three ints
        Shape of z, and of w: channels, rows, columns.
    kl_weight : float
        Of the divergence.
    least_information : float
        In nats; the divergence of the clusters costs nothing below it.
    """

    def __init__(
        self, build: Callable[[], nn.Module], convention: str, latent: tuple[int, int, int], kl_weight: float, least_information: float
    ) -> None:
        super().__init__(build, convention, math.prod(latent), kl_weight)
        self.shape = latent
        self.least_information = least_information

    def noise(self, batch: Batch, draw: Draw) -> torch.Tensor:
        """Standard normal numbers for w and z; see `VariationalTask.noise`."""
        channels, rows, columns = self.shape
        return draw.normal((len(batch), 2 * channels, rows, columns))

    def divergence(self, output: MixtureOutput) -> torch.Tensor:  # type: ignore[override]  # of a network with another output
        """The ELBO's three divergences of each image, summed over places, shape (B,)."""
        parts = (conditional_divergence(output), standard_divergence(output), cluster_divergence(output, self.least_information))
        return torch.stack(parts).sum(dim=0)


def latent_shape(latent: int, height: int, width: int) -> tuple[int, int, int]:
    """Channels, rows and columns of z."""
    return latent, height // STRIDE, width // STRIDE


def conditional_divergence(output: MixtureOutput) -> torch.Tensor:
    """The mean over the clusters, by their probabilities, of KL(q(z|x) || p(z|w,c)), shape (B,)."""
    mean, log_variance = output.mean.float()[:, None], output.log_variance.float()[:, None]
    log_precisions, means = output.log_precisions.float(), output.means.float()
    spread = (log_variance.exp() + (mean - means).square()) * log_precisions.exp()
    each = 0.5 * (spread - log_precisions - log_variance - 1.0).sum(dim=2)
    return (output.clusters * each).flatten(1).sum(dim=1)


def standard_divergence(output: MixtureOutput) -> torch.Tensor:
    """KL(q(w|x) || N(0, 1)), shape (B,)."""
    mean, log_variance = output.w_mean.float(), output.w_log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).flatten(1).sum(dim=1)


def cluster_divergence(output: MixtureOutput, least: float) -> torch.Tensor:
    """KL(p(c|w,z) || 1/K) of each place, `least` where it is less, shape (B,).

    Without a least the clusters fall together before they mean anything (Dilokthanakul 2016, section 3.3).
    """
    clusters = output.clusters.float()
    each = (clusters * (clusters.clamp(min=1e-8) * clusters.shape[1]).log()).sum(dim=1)
    return each.clamp(min=least).flatten(1).sum(dim=1)
