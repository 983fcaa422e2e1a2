"""A variational autoencoder whose prior is a mixture of Gaussians.

Dilokthanakul et al.: "Deep unsupervised clustering with Gaussian mixture variational autoencoders" (2016, arXiv:1611.02648): w is
standard normal, c one of K clusters, p(z|w,c) a Gaussian whose mean and precision a network makes of w, and x is decoded from z. You,
Tezcan, Chen, Konukoglu: "Unsupervised lesion detection via image restoration with a normative prior" (MIDL 2019) keep w and z as images
of a quarter of the slice's size; layers and maps are those of their published code, which StRegA's (Chatterjee 2022) has as well: six
3x3 convolutions of 64 maps and one to the latents, 409,623 parameters with 9 clusters.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from .context import keep_variance

STRIDE = 4
"""Height and width have to be multiples of it: two convolutions of stride 2."""

PRECISION = 15.0
"""Largest absolute value of the logarithm of a precision, so that its exponential stays a number."""


class MixtureOutput(NamedTuple):
    """One pass through the network.

    Attributes
    ----------
    reconstruction : tensor, shape of the input
    mean, log_variance : tensor, shape (B, L, h, w)
        Of q(z|x).
    w_mean, w_log_variance : tensor, shape (B, L, h, w)
        Of q(w|x).
    means, log_precisions : tensor, shape (B, K, L, h, w)
        Of p(z|w,c), for each of K clusters.
    clusters : tensor, shape (B, K, h, w)
        p(c|w,z): how likely each cluster is.
    """

    reconstruction: torch.Tensor
    mean: torch.Tensor
    log_variance: torch.Tensor
    w_mean: torch.Tensor
    w_log_variance: torch.Tensor
    means: torch.Tensor
    log_precisions: torch.Tensor
    clusters: torch.Tensor


class MixtureVAE(nn.Module):
    """Latents are images of a quarter of the slice's size.

    Parameters
    ----------
    channels : int
        Of the images.
    maps : int
        Of every hidden layer.
    clusters : int
        K.
    latent : int
        Channels of z, and of w.
    """

    def __init__(self, channels: int, maps: int, clusters: int, latent: int) -> None:
        super().__init__()
        self.count, self.latent = clusters, latent
        strides = (2, 1, 1, 2, 1, 1)
        before = (channels, *[maps] * (len(strides) - 1))
        self.encoder = nn.Sequential(*(_layer(few, maps, stride) for few, stride in zip(before, strides, strict=True)))
        self.w_mean, self.w_log_variance = nn.Conv2d(maps, latent, 1), nn.Conv2d(maps, latent, 1)
        self.mean, self.log_variance = nn.Conv2d(maps, latent, 1), nn.Conv2d(maps, latent, 1)
        self.prior = nn.Sequential(nn.Conv2d(latent, maps, 1), nn.ReLU())
        self.means, self.log_precisions = nn.Conv2d(maps, clusters * latent, 1), nn.Conv2d(maps, clusters * latent, 1)
        # The code's transposed convolutions of stride 1 are convolutions, and are written as such.
        self.decoder = nn.Sequential(
            _layer(latent, maps), _layer(maps, maps), _layer(maps, maps), nn.Upsample(scale_factor=2),
            _layer(maps, maps), _layer(maps, maps), _layer(maps, maps), nn.Upsample(scale_factor=2),
            _layer(maps, maps), nn.Conv2d(maps, channels, 3, padding=1),
        )  # fmt: skip
        # From PyTorch's own start z hardly reaches what comes out, and the divergences silence it: see `nets.context.ContextVAE`.
        self.apply(keep_variance)

    def forward(self, images: torch.Tensor, noise: torch.Tensor | None = None) -> MixtureOutput:
        """Encode and decode.

        Parameters
        ----------
        images : tensor, shape (B, C, H, W)
        noise : tensor, shape (B, 2 L, H/4, W/4), optional
            Standard normal numbers for w and z; without them both are their means, as at test time.
        """
        code = self.encoder(images)
        w_mean, w_log_variance = self.w_mean(code), self.w_log_variance(code)
        mean, log_variance = self.mean(code), self.log_variance(code)
        w, z = w_mean, mean
        if noise is not None:
            for_w, for_z = noise.chunk(2, dim=1)
            w, z = w + torch.exp(0.5 * w_log_variance) * for_w, z + torch.exp(0.5 * log_variance) * for_z
        hidden = self.prior(w)
        shape = (self.count, self.latent)
        means = self.means(hidden).unflatten(1, shape)
        log_precisions = self.log_precisions(hidden).unflatten(1, shape).clamp(-PRECISION, PRECISION)
        clusters = cluster_probabilities(z, means, log_precisions)
        return MixtureOutput(self.decoder(z), mean, log_variance, w_mean, w_log_variance, means, log_precisions, clusters)


def cluster_probabilities(z: torch.Tensor, means: torch.Tensor, log_precisions: torch.Tensor) -> torch.Tensor:
    """p(c|w,z) by Bayes' rule with equally likely clusters (Dilokthanakul 2016, equation 5).

    Parameters
    ----------
    z : tensor, shape (B, L, h, w)
    means, log_precisions : tensor, shape (B, K, L, h, w)

    Returns
    -------
    tensor, shape (B, K, h, w)
        Sums to 1 over the clusters.

    Notes
    -----
    In the published codes of You 2019 and StRegA the logarithm of the precision enters with the opposite sign and without the factor
    of a half, which is no density.
    """
    precisions = log_precisions.float()
    squares = (z[:, None] - means).float().square()
    log_densities = 0.5 * (precisions - squares * precisions.exp()).sum(dim=2)
    return log_densities.softmax(dim=1)


def _layer(few: int, many: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(few, many, 3, stride=stride, padding=1), nn.ReLU())
