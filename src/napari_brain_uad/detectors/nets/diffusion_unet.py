"""The U-Net of diffusion models: residual blocks that are told the noise level, and self-attention at its lowest level.

Dhariwal, Nichol: "Diffusion models beat GANs on image synthesis" (2021, arXiv:2105.05233), in the setting of Wyatt 2022 (AnoDDPM) and
Behrendt 2023 (patched DDPM): three residual blocks a level, residual blocks that halve and double the size, attention in the middle
alone. With a width of 128 and multipliers 1, 2, 2 it has 34,493,313 parameters, with scale-shift normalisation 37,513,857.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from ...training.precision import laid_out_as

_GROUPS, _HEAD = 32, 64
"""Groups of a normalisation and channels of a head of attention; narrower networks have fewer."""
_LONGEST_PERIOD = 10_000.0


class DiffusionUNet(nn.Module):
    """Predicts an image, or the noise, from a noisy image and its time step.

    Parameters
    ----------
    width : int
        Channels of the first level; a multiple of 8.
    multipliers : sequence of int
        Channels of the levels, as multiples of `width`; each level has half the size of the one above.
    blocks : int
        Residual blocks of a level on the way down; one more on the way up.
    scale_shift : bool
        The time step scales and shifts what a block has normalised, instead of being added before.
    transposed : bool
        Transposed convolutions of 4 x 4 double the size, instead of residual blocks.
    channels, outputs : int
        Of the images, and of what is predicted.
    condition : int
        Numbers that the network is told beside the time step (Behrendt 2023, arXiv:2312.04215): of them, too, come ``4 * width``, which
        stand behind those of the time step in every block. 0 = none.
    """

    def __init__(
        self,
        width: int = 128,
        multipliers: Sequence[int] = (1, 2, 2),
        blocks: int = 3,
        *,
        scale_shift: bool = True,
        transposed: bool = False,
        channels: int = 1,
        outputs: int = 1,
        condition: int = 0,
    ) -> None:
        super().__init__()
        self.width = width
        self.time, self.condition = _embedding(width, 4 * width), _embedding(condition, 4 * width) if condition else None
        told = 4 * width * (1 if self.condition is None else 2)
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        maps = [width * multiplier for multiplier in multipliers]
        self.down, kept = nn.ModuleList(), [width]
        before = width
        for level, count in enumerate(maps):
            for _ in range(blocks):
                self.down.append(ResidualBlock(before, count, told, scale_shift))
                kept.append(before := count)
            if level < len(maps) - 1:
                self.down.append(ResidualBlock(count, count, told, scale_shift, resize="down"))
                kept.append(count)
        self.middle = nn.ModuleList(
            [ResidualBlock(before, before, told, scale_shift), Attention(before), ResidualBlock(before, before, told, scale_shift)]
        )
        self.up = nn.ModuleList()
        for level, count in reversed(list(enumerate(maps))):
            for _ in range(blocks + 1):
                self.up.append(ResidualBlock(before + kept.pop(), count, told, scale_shift))
                before = count
            if level:
                larger = nn.ConvTranspose2d(count, count, 4, stride=2, padding=1)
                self.up.append(larger if transposed else ResidualBlock(count, count, told, scale_shift, resize="up"))
        self._level = blocks + 1
        self.last = nn.Sequential(_norm(width), nn.SiLU(), _zero(nn.Conv2d(width, outputs, 3, padding=1)))

    def forward(self, images: torch.Tensor, steps: torch.Tensor, condition: torch.Tensor | None = None) -> torch.Tensor:
        """The prediction, shape (B, outputs, H, W), for noisy images (B, C, H, W) of the time steps (B,), counted from 0.

        Parameters
        ----------
        condition : tensor, shape (B, numbers), optional
            For networks that are told one.
        """
        told = self.time(time_embedding(steps, self.width).to(images.dtype))
        if self.condition is not None:
            told = torch.cat([told, self.condition(condition)], dim=1)
        told = functional.silu(told)
        seen = laid_out_as(self.first(images), cast(ResidualBlock, self.down[0]).conv1.weight)
        kept = [seen]
        for block in self.down:
            seen = block(seen, told)
            kept.append(seen)
        first, attention, second = self.middle
        seen = second(attention(first(seen, told)), told)
        for number, block in enumerate(self.up):
            if number % (self._level + 1) < self._level:
                seen = block(torch.cat([seen, kept.pop()], dim=1), told)
            else:
                seen = block(seen) if isinstance(block, nn.ConvTranspose2d) else block(seen, told)
        found: torch.Tensor = self.last(seen)
        return found


class ResidualBlock(nn.Module):
    """Twice normalisation, SiLU and a 3 x 3 convolution, beside the input; the second convolution starts as zero.

    Parameters
    ----------
    channels, count : int
        Of what goes in and comes out.
    told : int
        Numbers that tell the time step.
    scale_shift : bool
        See `DiffusionUNet`.
    resize : {"", "down", "up"}
        Halve or double the size, before the first convolution.
    """

    def __init__(self, channels: int, count: int, told: int, scale_shift: bool, *, resize: str = "") -> None:
        super().__init__()
        self.scale_shift, self.resize = scale_shift, resize
        self.norm1, self.conv1 = _norm(channels), nn.Conv2d(channels, count, 3, padding=1)
        self.time = nn.Linear(told, (1 + scale_shift) * count)
        self.norm2, self.conv2 = _norm(count), _zero(nn.Conv2d(count, count, 3, padding=1))
        self.skip: nn.Module = nn.Identity() if channels == count else nn.Conv2d(channels, count, 1)

    def forward(self, images: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Shape (B, count, H, W), H and W halved or doubled where the block does so."""
        seen = functional.silu(self.norm1(images), inplace=True)
        if self.resize == "down":
            seen, images = functional.avg_pool2d(seen, 2), functional.avg_pool2d(images, 2)
        elif self.resize == "up":
            seen, images = (functional.interpolate(one, scale_factor=2.0, mode="nearest") for one in (seen, images))
        seen = self.conv1(seen)
        time = self.time(told)[:, :, None, None]
        seen = self._scaled(seen, *time.chunk(2, dim=1)) if self.scale_shift else self.norm2(seen + time)
        found: torch.Tensor = self.conv2(functional.silu(seen, inplace=True)).add_(self.skip(images))
        return found

    def inner_convolutions(self) -> tuple[nn.Module, ...]:
        """See `inference.convolutions.HasInner`: behind the first one there is a normalisation, which takes bf16."""
        return (self.conv1,)

    def _scaled(self, seen: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        """Normalised, scaled and shifted; in bf16 at once, with the sums in float32."""
        norm = self.norm2
        if seen.dtype == norm.weight.dtype:
            return torch.addcmul(shift, norm(seen), 1.0 + scale)
        weights = norm.weight * (1.0 + scale.flatten(1)), torch.addcmul(shift.flatten(1), norm.bias, 1.0 + scale.flatten(1))
        each = zip(torch.split(seen, 1), *weights, strict=True)
        return torch.cat([functional.group_norm(one, norm.num_groups, weight, bias, norm.eps) for one, weight, bias in each])


class Attention(nn.Module):
    """Self-attention between all places of an image, in heads of 64 channels, beside the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // math.gcd(_HEAD, channels)
        self.norm, self.inward, self.outward = _norm(channels), nn.Linear(channels, 3 * channels), _zero(nn.Linear(channels, channels))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Shape of the input, (B, C, H, W)."""
        places = self.norm(images).flatten(2).transpose(1, 2)
        asked, offered, values = self.inward(places).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(asked, offered, values).transpose(1, 2).flatten(2)
        mixed: torch.Tensor = images + self.outward(found).transpose(1, 2).unflatten(2, images.shape[2:])
        return mixed


def time_embedding(steps: torch.Tensor, width: int) -> torch.Tensor:
    """Cosines and sines of time steps (B,) at `width` / 2 frequencies, shape (B, width) (Vaswani 2017, arXiv:1706.03762)."""
    half = width // 2
    frequencies = torch.exp(-math.log(_LONGEST_PERIOD) / half * torch.arange(half, device=steps.device))
    angles = steps[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def _embedding(numbers: int, told: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(numbers, told), nn.SiLU(), nn.Linear(told, told))


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(_GROUPS, channels // 4), channels, eps=1e-5)


def _zero(layer: nn.Module) -> nn.Module:
    for weight in layer.parameters():
        nn.init.zeros_(weight)
    return layer
