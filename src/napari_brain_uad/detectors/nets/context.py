"""The ceVAE's convolutional encoder and decoder, and the compact ceVAE's with residual connections and batch normalisation.

Zimmerer, Kohl, Petersen, Isensee, Maier-Hein: "Context-encoding variational autoencoder for unsupervised anomaly detection" (2018,
arXiv:1812.05941): strided convolutions, a convolution as large as what is left of the slice to the latent vector, and the mirror
image of it. Chatterjee et al.: "StRegA" (Computers in Biology and Medicine 2022, arXiv:2201.13271): the compact one. With maps
16,64,256,1024; 1,024 latents, PReLU, neither residual connections nor batch normalisation, and 256 x 256 pixels, the setting of
StRegA's published code, it has 812,295,576 parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from .output import VariationalNetwork

ACTIVATIONS = {"leaky-relu": nn.LeakyReLU, "prelu": nn.PReLU}


class _ResidualDown(nn.Module):
    """Two 3x3 convolutions, the first of stride 2, beside a 1x1 convolution of stride 2."""

    def __init__(self, channels: int, count: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, count, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(count),
            activation(),
            nn.Conv2d(count, count, 3, padding=1, bias=False),
            nn.BatchNorm2d(count),
        )
        self.skip = nn.Sequential(nn.Conv2d(channels, count, 1, stride=2, bias=False), nn.BatchNorm2d(count))
        self.activation = activation()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Half the size of `images`."""
        result: torch.Tensor = self.activation(self.body(images) + self.skip(images))
        return result


class _ResidualUp(nn.Module):
    """A transposed 4x4 convolution of stride 2 and a 3x3 convolution, beside a 1x1 convolution of the enlarged input."""

    def __init__(self, channels: int, count: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ConvTranspose2d(channels, count, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(count),
            activation(),
            nn.Conv2d(count, count, 3, padding=1, bias=False),
            nn.BatchNorm2d(count),
        )
        self.skip = nn.Sequential(nn.Conv2d(channels, count, 1, bias=False), nn.BatchNorm2d(count), nn.Upsample(scale_factor=2))
        self.activation = activation()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Twice the size of `images`."""
        result: torch.Tensor = self.activation(self.body(images) + self.skip(images))
        return result


class _Residual(nn.Module):
    """Two 3x3 convolutions beside none."""

    def __init__(self, count: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(count, count, 3, padding=1, bias=False),
            nn.BatchNorm2d(count),
            activation(),
            nn.Conv2d(count, count, 3, padding=1, bias=False),
            nn.BatchNorm2d(count),
        )
        self.activation = activation()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The size of `images`."""
        result: torch.Tensor = self.activation(self.body(images) + images)
        return result


def _normalised_down(channels: int, count: int, activation: type[nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, count, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(count), activation())


def _normalised_up(channels: int, count: int, activation: type[nn.Module]) -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(channels, count, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(count), activation())


def _plain_down(channels: int, count: int, activation: type[nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, count, 3, stride=2, padding=1, bias=False), activation())


def _plain_up(channels: int, count: int, activation: type[nn.Module]) -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(channels, count, 4, stride=2, padding=1, bias=False), activation())


def keep_variance(layer: nn.Module) -> None:
    """Start a layer from weights that keep the variance of what goes in."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, a=0.01)
    elif isinstance(layer, nn.Linear):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    elif isinstance(layer, nn.ConvTranspose2d):
        # Of a kernel of 4x4 and a stride of 2, four taps meet in every pixel that comes out.
        taps = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1] / (layer.stride[0] * layer.stride[1])
        nn.init.normal_(layer.weight, std=(2.0 / taps) ** 0.5)


BLOCKS = {
    "residual": (_ResidualDown, _ResidualUp),
    "batch-norm": (_normalised_down, _normalised_up),
    "deepest-residual": (_normalised_down, _normalised_up),
    "plain": (_plain_down, _plain_up),
}


class ContextVAE(VariationalNetwork):
    """A variational autoencoder whose every stage halves the slice.

    Parameters
    ----------
    channels, outputs : int
        Channels of the images, and of what comes out.
    size : two ints
        Height and width, multiples of 2 to the number of stages.
    maps : sequence of int
        Feature maps of the stages.
    latent : int
        Size of z.
    blocks : str
        One of `BLOCKS`.
    narrow : int
        Maps that a 1x1 convolution leaves before the dense layers, and another widens again behind them; 0 = all maps go in. Most
        parameters are in the dense layers.
    activation : str
        One of `ACTIVATIONS`.

    Notes
    -----
    Plain stages start from weights that keep the variance of their input (He et al. 2015, arXiv:1502.01852). PyTorch's own start
    divides it by three at each of a dozen layers. Without normalisation z then begins as pure noise, and the KL divergence silences it
    before the decoder has learnt to listen; without biases what comes out is 0 everywhere from then on.
    """

    def __init__(
        self,
        channels: int,
        size: Sequence[int],
        maps: Sequence[int],
        latent: int,
        *,
        blocks: str,
        activation: str,
        outputs: int | None = None,
        narrow: int = 0,
    ) -> None:
        super().__init__()
        act = ACTIVATIONS[activation]
        down, up = BLOCKS[blocks]
        left = 2 ** len(maps)
        self.shape = (narrow or maps[-1], size[0] // left, size[1] // left)
        flat = self.shape[0] * self.shape[1] * self.shape[2]
        self.down = nn.Sequential(*(down(before, count, act) for before, count in zip((channels, *maps), maps, strict=False)))
        if blocks == "deepest-residual":
            self.down.append(_Residual(maps[-1], act))
        if narrow:
            self.down.append(nn.Conv2d(maps[-1], narrow, 1))
        # A convolution with a kernel as large as its input is a matrix, and much faster as one.
        self.inward = nn.Linear(flat, 2 * latent, bias=False)
        self.outward = nn.Linear(latent, flat, bias=False)
        self.start: nn.Module = nn.Conv2d(narrow, maps[-1], 1) if narrow else act()
        upward = tuple(reversed(maps))
        deepest = (_Residual(maps[-1], act),) if blocks == "deepest-residual" else ()
        self.up = nn.Sequential(
            *deepest,
            *(up(before, count, act) for before, count in pairwise(upward)),
            nn.ConvTranspose2d(maps[0], outputs or channels, 4, stride=2, padding=1, bias=False),
        )
        if blocks == "plain":
            self.apply(keep_variance)

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `VariationalNetwork.encode`."""
        mean, log_variance = self.inward(self.down(images).flatten(1)).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """See `VariationalNetwork.decode`."""
        image: torch.Tensor = self.up(self.start(self.outward(latents).unflatten(1, self.shape)))
        return image


class LabelVAE(ContextVAE):
    """The same on label images, which it normalises by the mean and standard deviation of those that it was trained on.

    Parameters
    ----------
    mean, deviation : float
        Kept with the weights.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        channels: int,
        size: Sequence[int],
        maps: Sequence[int],
        latent: int,
        *,
        mean: float,
        deviation: float,
        blocks: str,
        activation: str,
        narrow: int = 0,
    ) -> None:
        super().__init__(channels, size, maps, latent, blocks=blocks, activation=activation, narrow=narrow)
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `VariationalNetwork.encode`; of labels."""
        return super().encode((images - self.mean) / self.deviation)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """See `VariationalNetwork.decode`; labels."""
        return super().decode(latents) * self.deviation + self.mean
