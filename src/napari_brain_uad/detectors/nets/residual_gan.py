"""Generator, critic and encoder of residual blocks.

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville: "Improved training of Wasserstein GANs" (2017, arXiv:1704.00028), the residual
networks of its appendix for 64 x 64 pixels, as f-AnoGAN takes them (Schlegl et al. 2019, doi:10.1016/j.media.2019.01.010): four blocks
that halve or double the slice; batch normalisation, in the critic layer normalisation. Images lie between -1 and 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from .output import Output

STRIDE = 16
"""Height and width have to be multiples of it: four blocks, each halves them."""

_DOWN = (1, 2, 4, 8, 8)
"""Maps after the first convolution and after each block, as multiples of the first; the generator's are the same, backwards."""

Norm = Callable[[int], nn.Module]
_layer_norm: Norm = partial(nn.GroupNorm, 1)
"""Over all pixels and channels, with a weight and a bias a channel: the critic's value of an image must not depend on the others."""


class Adversaries(nn.Module):
    """A generator and its critic.

    Parameters
    ----------
    latent : int
        Numbers that the generator starts from.
    size : sequence of int
        Height and width.
    maps : int
        At full resolution; eight times as many at the lowest.
    channels : int
        Of an image.
    """

    def __init__(self, latent: int, size: Sequence[int], maps: int, channels: int = 1) -> None:
        super().__init__()
        self.generator = _generator(latent, size, maps, channels)
        self.features = _downward(channels, maps, _layer_norm)
        self.critic = _linear(_flat(size, maps), 1)

    def forward(self, given: torch.Tensor, judge: bool = False) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Images (B, C, H, W) for latents (B, Z); to judge, the critic's values (B,) and last features (B, F) of images."""
        if not judge:
            image: torch.Tensor = self.generator(given)
            return image
        features = self.features(given)
        return self.critic(features)[:, 0], features


class Frozen(nn.Module):
    """A trained network in another one: neither trained nor saved with it, but on its device.

    Parameters
    ----------
    network : torch.nn.Module
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # Within a tuple torch does not find it: its weights are those of another stage.
        self._held = (network.requires_grad_(False).eval(),)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Frozen:
        """Torch moves a network by this."""
        self._held[0]._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def forward(self, *given: object) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """What the network gives."""
        found: torch.Tensor | tuple[torch.Tensor, torch.Tensor] = self._held[0](*given)
        return found


class LatentEncoder(nn.Module):
    """Finds latents of images for a generator that is not trained any more.

    Parameters
    ----------
    latent, size, maps, channels
        As of `Adversaries`.
    adversaries : Adversaries or None
        The trained ones; without them it has its own weights alone, and cannot be used.
    """

    def __init__(self, latent: int, size: Sequence[int], maps: int, channels: int, adversaries: nn.Module | None) -> None:
        super().__init__()
        self.encoder = nn.Sequential(_downward(channels, maps, nn.BatchNorm2d), _linear(_flat(size, maps), latent))
        self.adversaries = None if adversaries is None else Frozen(adversaries)

    def forward(self, images: torch.Tensor, judge: bool = False) -> Output | tuple[Output, torch.Tensor, torch.Tensor]:
        """Reconstruct images (B, C, H, W) from 0 to 1; to judge, with the critic's features of both, (B, F)."""
        if self.adversaries is None:
            raise RuntimeError("this encoder has no generator")
        images = 2.0 * images - 1.0
        made = self.adversaries(self.encoder(images))
        assert isinstance(made, torch.Tensor)
        output = Output(0.5 * (made + 1.0))
        return (output, self.adversaries(images, True)[1], self.adversaries(made, True)[1]) if judge else output


class ResamplingBlock(nn.Module):
    """Two convolutions beside a shortcut of 1 x 1; each is preceded by a normalisation and ReLU.

    Parameters
    ----------
    before, after : int
        Channels of what comes in and of what goes out.
    norm : callable
        Makes a normalisation of so many channels.
    up : bool
        Whether it doubles the size, before its first convolution; else it halves it, by the mean after its second one.
    """

    def __init__(self, before: int, after: int, norm: Norm, *, up: bool) -> None:
        super().__init__()
        middle = after if up else before
        first = _started(nn.Conv2d(before, middle, 3, padding=1, bias=False))
        second = _started(nn.Conv2d(middle, after, 3, padding=1))
        layers: list[nn.Module] = [norm(before), nn.ReLU(), first, norm(middle), nn.ReLU(), second]
        aside: list[nn.Module] = [_plain(nn.Conv2d(before, after, 1))]
        # Beside the convolutions of 1 x 1, doubling after them and halving before them is the same for fewer pixels.
        if up:
            layers.insert(2, nn.Upsample(scale_factor=2))
            aside.append(nn.Upsample(scale_factor=2))
        else:
            layers.append(nn.AvgPool2d(2))
            aside.insert(0, nn.AvgPool2d(2))
        self.layers, self.aside = nn.Sequential(*layers), nn.Sequential(*aside)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W), of twice or half the height and width."""
        found: torch.Tensor = self.aside(images) + self.layers(images)
        return found


def _generator(latent: int, size: Sequence[int], maps: int, channels: int) -> nn.Sequential:
    counts = [maps * times for times in reversed(_DOWN)]
    blocks = [ResamplingBlock(before, after, nn.BatchNorm2d, up=True) for before, after in pairwise(counts)]
    last = [nn.BatchNorm2d(maps), nn.ReLU(), _plain(nn.Conv2d(maps, channels, 3, padding=1)), nn.Tanh()]
    start = nn.Unflatten(1, (counts[0], size[0] // STRIDE, size[1] // STRIDE))
    return nn.Sequential(_linear(latent, _flat(size, maps)), start, *blocks, *last)


def _downward(channels: int, maps: int, norm: Norm) -> nn.Sequential:
    counts = [maps * times for times in _DOWN]
    blocks = [ResamplingBlock(before, after, norm, up=False) for before, after in pairwise(counts)]
    return nn.Sequential(_plain(nn.Conv2d(channels, maps, 3, padding=1)), *blocks, nn.Flatten())


def _flat(size: Sequence[int], maps: int) -> int:
    return _DOWN[-1] * maps * (size[0] // STRIDE) * (size[1] // STRIDE)


def _started(layer: nn.Conv2d) -> nn.Conv2d:
    """He's starting weights, which keep the size of what went through a ReLU."""
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _plain(layer: nn.Conv2d) -> nn.Conv2d:
    """Glorot's starting weights."""
    nn.init.xavier_uniform_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _linear(before: int, after: int) -> nn.Linear:
    layer = nn.Linear(before, after)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
