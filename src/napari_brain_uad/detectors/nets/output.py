"""What an autoencoder gives, and what every variational one shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import nn


class Output(NamedTuple):
    """One pass through an autoencoder.

    Attributes
    ----------
    reconstruction : tensor, shape of the input
    mean, log_variance : tensor, shape (B, Z), or None
        Of q(z|x); None for autoencoders without a distribution.
    """

    reconstruction: torch.Tensor
    mean: torch.Tensor | None = None
    log_variance: torch.Tensor | None = None


class VariationalNetwork(nn.Module, ABC):
    """An encoder of means and log variances, and a decoder."""

    @abstractmethod
    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance of q(z|x), each of shape (B, Z), for images (B, C, H, W)."""

    @abstractmethod
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) for latents (B, Z)."""

    def forward(self, images: torch.Tensor, noise: torch.Tensor | None = None) -> Output:
        """Encode and decode.

        Parameters
        ----------
        images : tensor, shape (B, C, H, W)
        noise : tensor, shape (B, Z), optional
            Standard normal numbers of the reparametrisation; without them z is the mean, as at test time.
        """
        mean, log_variance = self.encode(images)
        latents = mean if noise is None else mean + torch.exp(0.5 * log_variance) * noise
        return Output(self.decode(latents), mean, log_variance)
