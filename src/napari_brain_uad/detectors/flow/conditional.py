"""A normalising flow over features that knows where they are. Imports torch and FrEIA, so methods import it only when they need it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from FrEIA.modules import AllInOneBlock
from numpy.typing import NDArray
from torch import nn

POSITION = 128
"""Numbers that say where a place is."""


class ConditionalFlow(nn.Module):
    """Affine coupling blocks conditioned on the place, between fixed random rotations of the features.

    Blocks: Ardizzone et al. 2019, Guided image generation with conditional invertible neural networks, arXiv:1907.02392, as FrEIA has
    them (``AllInOneBlock``).

    Parameters
    ----------
    dimension : int
        D, features of a place.
    blocks : int
        How many.
    clamp : float
        Of the logarithm of a coupling's scale.
    mean, deviation : tensor, shape (D,), optional
        Features are brought to mean 0 and deviation 1 with them; left as they are when None.
    widening : int
        Hidden numbers of a coupling's perceptron, as a multiple of those that go in.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        dimension: int,
        blocks: int,
        clamp: float,
        mean: torch.Tensor | None = None,
        deviation: torch.Tensor | None = None,
        *,
        widening: int = 1,
    ) -> None:
        super().__init__()
        self.dimension = dimension
        self.register_buffer("mean", torch.zeros(dimension) if mean is None else mean)
        self.register_buffer("deviation", torch.ones(dimension) if deviation is None else deviation)
        self.blocks = nn.ModuleList(coupling((dimension,), [(POSITION,)], partial(_subnet, widening), clamp) for _ in range(blocks))

    def forward(self, places: torch.Tensor, noise: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents, and the log-likelihood of the standardised features divided by D.

        Parameters
        ----------
        places : tensor, shape (B, D + 2)
            Features, and behind them row and column of the place.
        noise : tensor, shape (B, D), optional
            Added to the standardised features.

        Returns
        -------
        latents : tensor, shape (B, D)
        log_likelihood : tensor, shape (B,)
        """
        latents, where = (places[:, : self.dimension] - self.mean) / self.deviation, position(places[:, self.dimension :])
        if noise is not None:
            latents = latents + noise
        volume = torch.zeros(len(places), device=places.device)
        for block in self.blocks:
            (latents,), change = block((latents,), [where])
            volume = volume + change
        return latents, standard_normal(latents, volume)


def standard_normal(latents: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
    """Log-likelihood (B,) of samples whose latents (B, ...) are standard normal, divided by how many; `volume`: log-determinants (B,)."""
    latents = latents.float().flatten(1)
    count = latents.shape[1]
    constant = 0.5 * count * math.log(2.0 * math.pi)
    return (volume - 0.5 * latents.square().sum(dim=1) - constant) / count


def position(where: torch.Tensor) -> torch.Tensor:
    """Sines and cosines of column and row at wavelengths from 2 pi to 20,000 pi places, shape (B, 128), of (row, column), shape (B, 2).

    Vaswani et al. 2017, Attention is all you need, arXiv:1706.03762, section 3.5, for two axes: the first half is the column's.
    """
    half = POSITION // 2
    rates = torch.exp(torch.arange(0, half, 2, device=where.device) * (-math.log(10_000.0) / half))
    angles = where.flip(1)[:, :, None].float() * rates
    return torch.stack([angles.sin(), angles.cos()], dim=3).reshape(len(where), POSITION)


def unlikeliness(likely: NDArray[np.float32], score: str) -> NDArray[np.float32]:
    """Scores of places from their log-likelihoods (N,): the negative ("likelihood"), or the papers' 1 - p, p relative to the largest."""
    return -likely if score == "likelihood" else -np.expm1(likely - likely.max(initial=-np.inf))


def coupling(
    dims: tuple[int, ...], conditions: Sequence[tuple[int, ...]], subnet: Callable[[int, int], nn.Module], clamp: float
) -> nn.Module:
    """An affine coupling block of FrEIA with a random rotation of the features behind it.

    Parameters
    ----------
    dims, conditions : tuple of int
        Shape of what goes through, features first; shapes of what it is conditioned on.
    subnet : callable
        Makes the network of the coupling from the number of features that go in and come out.
    clamp : float
        Of the logarithm of its scale.
    """
    block = AllInOneBlock(
        [dims],
        list(conditions),
        subnet_constructor=subnet,
        affine_clamping=clamp,
        global_affine_type="SOFTPLUS",
        permute_soft=False,
    )
    # FrEIA's own rotations take minutes at 1024 dimensions and come from numpy's global random numbers.
    rotation = torch.linalg.qr(torch.randn(dims[0], dims[0]))[0].reshape(dims[0], dims[0], *[1] * (len(dims) - 1))
    block.w_perm = nn.Parameter(rotation, requires_grad=False)
    block.w_perm_inv = nn.Parameter(rotation.transpose(0, 1).contiguous(), requires_grad=False)
    return block  # type: ignore[no-any-return]


def _subnet(widening: int, incoming: int, outgoing: int) -> nn.Module:
    hidden = widening * incoming
    return nn.Sequential(nn.Linear(incoming, hidden), nn.ReLU(), nn.Linear(hidden, outgoing))
