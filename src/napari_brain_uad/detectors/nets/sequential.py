"""A variational autoencoder of stacks of slices: a code of each slice, a sequence model over the codes, a decoder of each slice.

Behrendt, Bengs, Bhattacharya, Krüger, Opfer, Schlaefer: "Capturing inter-slice dependencies of 3D brain MRI-scans for unsupervised
anomaly detection" (MIDL 2022 short papers, openreview.net/forum?id=db8wDgKH4p4): recurrent networks or self-attention with VAEs.
Encoder and decoder are those of `baur`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from .baur import VariationalAutoencoder

_HEADS = 8


class SequentialAutoencoder(VariationalAutoencoder):
    """The bottleneck of each slice is a Gaussian that depends on all slices of the stack.

    Parameters
    ----------
    channels : int
        Of a slice.
    size : sequence of int
        Slices of a stack, height and width.
    dropout : float
        Of what goes into the bottleneck and comes out of it.
    latent : int
        Numbers a slice; a multiple of 8 for self-attention, an even number for the recurrent network.
    sequence : str
        "lstm" or "transformer".
    layers : int
        Of the sequence model.
    """

    def __init__(self, channels: int, size: Sequence[int], dropout: float, latent: int, sequence: str, layers: int) -> None:
        super().__init__(channels, size[1:], dropout, latent)
        self.inward = nn.Linear(math.prod(self.shape), latent)
        self.sequence = {"lstm": Recurrent, "transformer": SelfAttention}[sequence](latent, size[0], layers)
        self.mean, self.log_variance = nn.Linear(latent, latent), nn.Linear(latent, latent)

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance of the latents of all slices, each of shape (B, D Z), for stacks (B, C, D, H, W)."""
        slices = images.transpose(1, 2).flatten(0, 1)
        codes = self.inward(self.dropout(self.encoder(slices).flatten(1))).unflatten(0, (len(images), -1))
        codes = self.sequence(codes)
        return self.mean(codes).flatten(1), self.log_variance(codes).flatten(1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Stacks (B, C, D, H, W) for the latents of all their slices (B, D Z)."""
        slices = super().decode(latents.reshape(-1, self.outward.in_features))
        return slices.reshape(len(latents), -1, *slices.shape[1:]).transpose(1, 2)


class Recurrent(nn.Module):
    """A long short-term memory in both directions, beside the codes themselves.

    Parameters
    ----------
    width : int
        Numbers of a code; half of what comes out is of each direction.
    length : int
        Not needed: any number of slices.
    layers : int
    """

    def __init__(self, width: int, length: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width // 2, layers, batch_first=True, bidirectional=True)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (B, D, Z) that know of each other."""
        found: torch.Tensor = codes + self.lstm(codes)[0]
        return found


class SelfAttention(nn.Module):
    """A transformer's encoder with learned positions, normalisation first; as wide between its layers as the codes are.

    Parameters
    ----------
    width, length, layers : int
        Numbers of a code, slices of a stack, layers.
    """

    def __init__(self, width: int, length: int, layers: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(0.02 * torch.randn(length, width))
        self.layers = nn.Sequential(
            *(nn.TransformerEncoderLayer(width, _HEADS, width, dropout=0.0, batch_first=True, norm_first=True) for _ in range(layers))
        )

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes (B, D, Z) that know of each other."""
        found: torch.Tensor = self.layers(codes + self.positions)
        return found
