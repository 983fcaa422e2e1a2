"""Synthetic anomalies in healthy slices of tissue, and how a scan differs from such slices. Imports torch, as the tasks that use it do.

Slices are on the scale of `preprocessing.tissue_scale`, 0 outside the brain.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from ...preprocessing.tissue_scale import BRIGHTEST, CSF, DARKEST, GREY, WHITE
from ...training.draws import Draw

_MOST_PATCHES = 6
_SMALL, _LARGE, _LARGE_SHARE = (3.0, 15.0), (14.0, 52.0), 0.35
"""Axes of the ellipses in pixels: of the size of MS lesions, and of tumours."""
NOISE, _LARGEST_SHIFT = 0.3, 0.3
_SHIFT_PIXELS, _RELIEF_PIXELS, _GRAIN_PIXELS = 24.0, 7.0, 4.0
_ROUGHEST, _SHARPEST, _SOFTEST = 0.35, 0.02, 0.25
"""Of a patch's edge: how far it moves in and out, and over which part of the radius it fades."""
_WHITE_SHARE, _WIDE_SHARE = 0.25, 0.3
"""Patches over white matter alone, and patches of any tissue; the others are between CSF and a little above grey matter."""

_MOST_REGIONS = 6
_SMALL_RADII, _LARGE_RADII, _LARGE_REGIONS = (1.3, 6.0), (5.0, 14.0), 0.45
_ANY_TISSUE, _PALEST, _LEAST_DIFFERENCE, _UNEVEN = 0.55, 0.6, 0.5, 0.4
"""Share of the regions that may have any brightness (the others lie between CSF and grey matter, as most lesions do); how much of what is
below them they hide at least; how far they differ from it on average (what differs less cannot be told from healthy tissue); and how far
their own brightness varies."""
_WHITE_REGIONS = 0.35
"""Share of the regions that cover white matter alone, as most lesions of MS do."""


def as_scanned(
    scale: torch.Tensor,
    draw: Draw,
    low: float = 0.8 * CSF,
    high: float = WHITE,
    most_noise: float = NOISE,
    *,
    blur_pixels: int = 3,
    shift_pixels: float = _SHIFT_PIXELS,
) -> torch.Tensor:
    """More or less blur, noise of up to 0.3 of the distance between two tissues and a smooth shift of up to 0.3, within the brain.

    The shift stands for what is left of a bias field.

    Parameters
    ----------
    scale : tensor, shape (B, C, H, W)
        C slices that lie beside each other.
    draw : Draw
        Gives the numbers.
    low, high : float
        Where the brain's values are cut off.
    most_noise : float
        Largest standard deviation of the noise.
    blur_pixels : int
        Over how many a pixel is averaged at most; an odd number.
    shift_pixels : float
        Over how many the shift changes.
    """
    blur, noise, shift = draw.uniform((len(scale), 3, 1, 1))[:, :, None].unbind(dim=1)
    brain = (scale > 0).to(scale.dtype)
    mean, share = (functional.avg_pool2d(one, blur_pixels, 1, blur_pixels // 2) for one in (scale, brain))
    around = mean / share.clamp(min=0.1)
    changed = scale + blur * (around - scale) + most_noise * noise * draw.normal(tuple(scale.shape))
    changed = changed + _LARGEST_SHIFT * shift * smooth_field(scale, shift_pixels, draw)[:, None]
    return torch.where(scale > 0, changed.clamp(low, high), scale)


def with_patches(scale: torch.Tensor, share: float, draw: Draw) -> torch.Tensor:
    """Some slices with up to 6 irregular ellipses of one tissue value in the brain; some only in its white matter, like oedema.

    Zimmerer's context encoding uses squares; shapes of a lesion's size and tissue teach the network what it is to take away.

    Parameters
    ----------
    scale : tensor, shape (B, 1, H, W)
    share : float
        Probability that a slice has any.
    draw : Draw
        Gives the numbers.
    """
    count, height, width = len(scale), scale.shape[-2], scale.shape[-1]
    rows = torch.arange(height, device=scale.device)[None, :, None]
    columns = torch.arange(width, device=scale.device)[None, None, :]
    patches = draw.integers((count,), 1, _MOST_PATCHES + 1) * (draw.uniform((count,)) < share)
    inside, image, relief = scale[:, 0] > 0, scale[:, 0], smooth_field(scale, _RELIEF_PIXELS, draw)
    white = (image - GREY).clamp(0.0, 1.0)
    for number in range(_MOST_PATCHES):
        numbers = draw.uniform((count, 12)).unbind(dim=1)
        top, left, turn, large, first, second, grey, wide, opacity, rough, edge, where = (value[:, None, None] for value in numbers)
        big = large < _LARGE_SHARE
        low, span = torch.where(big, _LARGE[0], _SMALL[0]), torch.where(big, _LARGE[1] - _LARGE[0], _SMALL[1] - _SMALL[0])
        down, right = rows - height * (0.1 + 0.8 * top), columns - width * (0.1 + 0.8 * left)
        along, across = _turned(down, right, turn)
        distance = torch.hypot(along * 2 / (low + span * first), across * 2 / (low + span * second)) + _ROUGHEST * rough * relief
        weight = torch.sigmoid((1.0 - distance) / (_SHARPEST + _SOFTEST * edge.square()))
        weight = weight * (0.5 + 0.5 * (2.0 * opacity).clamp(max=1.0)) * torch.where(where < _WHITE_SHARE, white, 1.0)
        fill = CSF + torch.where(wide < _WIDE_SHARE, (WHITE - CSF) * grey, 1.35 * grey)
        patch = inside & (patches > number)[:, None, None]
        image = torch.where(patch, image + weight * (fill - image), image)
    return image[:, None]


def with_regions(stack: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
    """Slices with up to 6 irregular ellipsoids of one brightness in the brain, and where those are.

    Parameters
    ----------
    stack : tensor, shape (B, C, H, W)
        Slices with their neighbours; those in the middle are what is asked about.
    draw : Draw
        Gives the numbers.

    Returns
    -------
    changed : tensor, shape (B, C, H, W)
    where : tensor of 0 and 1, shape (B, H, W)
        Pixels of the slices in the middle that a region covers by half or more.
    """
    count, slices, height, width = stack.shape
    rows, columns, levels = (torch.arange(size, device=stack.device, dtype=stack.dtype) for size in (height, width, slices))
    regions = draw.integers((count,), 0, _MOST_REGIONS + 1)
    image, inside, white = stack, stack > 0, (stack - GREY).clamp(0.0, 1.0)
    brain = inside[:, slices // 2]
    (first, tall), (leftmost, wide) = _extent(brain.any(dim=2)), _extent(brain.any(dim=1))
    where = torch.zeros_like(stack[:, 0])
    for number in range(_MOST_REGIONS):
        numbers = [value[:, None, None, None] for value in draw.uniform((count, 13)).unbind(dim=1)]
        top, left, height_at, turn, large, *sizes, brightness, kind, opacity, rough, edge = numbers
        radii = rounder(radii_between(_SMALL_RADII, _LARGE_RADII, large < _LARGE_REGIONS, sizes))
        along, across = _turned(rows[:, None] - first - tall * top, columns - leftmost - wide * left, turn)
        above = (levels - slices // 2)[:, None, None] - (2.0 * height_at - 1.0) * radii[2]
        distance = torch.sqrt((along / radii[0]).square() + (across / radii[1]).square() + (above / radii[2]).square())
        distance = distance + _ROUGHEST * rough * smooth_field(stack, _RELIEF_PIXELS, draw)[:, None]
        weight = torch.sigmoid((1.0 - distance) / (_SHARPEST + _SOFTEST * edge.square()))
        within, uneven = draw.uniform((count, 2))[:, :, None, None, None].unbind(dim=1)
        weight = weight * inside * torch.where(within < _WHITE_REGIONS, white, 1.0)
        lesion = CSF + 1.5 * brightness
        fill = torch.where(kind < _ANY_TISSUE, DARKEST + (BRIGHTEST - DARKEST) * brightness, lesion)
        fill = (fill + _UNEVEN * uneven * smooth_field(stack, _GRAIN_PIXELS, draw)[:, None]).clamp(DARKEST, BRIGHTEST)
        covered = (weight > 0.5).to(stack.dtype)
        different = ((fill - image).abs() * covered).sum(dim=(1, 2, 3)) / covered.sum(dim=(1, 2, 3)).clamp(min=1.0)
        shown = ((regions > number) & (different > _LEAST_DIFFERENCE))[:, None, None, None]
        image = torch.where(shown, image + weight * (_PALEST + (1.0 - _PALEST) * opacity) * (fill - image), image)
        where = torch.where(shown[:, 0], where.maximum(covered[:, slices // 2]), where)
    return image, where


def radii_between(
    small: tuple[float, float], large: tuple[float, float], big: torch.Tensor, sizes: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Three radii in pixels, spread evenly over the logarithm between the ends of `large` where a region is `big`, else of `small`."""
    low, high = (torch.where(big, one, other) for one, other in zip(large, small, strict=True))
    return [low * (high / low) ** size for size in sizes]


def rounder(radii: list[torch.Tensor]) -> list[torch.Tensor]:
    """Three radii, drawn halfway to their mean."""
    middle = (radii[0] * radii[1] * radii[2]) ** (1.0 / 3.0)
    return [(radius + middle) / 2.0 for radius in radii]


def _extent(filled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First place that is filled, and from there to the last, of each row (B, N); shapes (B, 1, 1, 1)."""
    some = filled.to(torch.float32)
    first, last = some.argmax(dim=1), filled.shape[1] - 1 - some.flip(1).argmax(dim=1)
    return first[:, None, None, None], (last - first)[:, None, None, None]


def _turned(down: torch.Tensor, right: torch.Tensor, turn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Distances along two axes that are turned by `turn` half circles."""
    cosine, sine = torch.cos(torch.pi * turn), torch.sin(torch.pi * turn)
    return down * cosine + right * sine, right * cosine - down * sine


def smooth_field(scale: torch.Tensor, pixels: float, draw: Draw) -> torch.Tensor:
    """A random field with a spread of about 1 that changes over so many pixels, shape (B, H, W)."""
    return smooth_fields(scale, pixels, 1, draw)[:, 0]


def smooth_fields(scale: torch.Tensor, pixels: float, count: int, draw: Draw) -> torch.Tensor:
    """So many of `smooth_field` for each row, shape (B, count, H, W)."""
    height, width = scale.shape[-2:]
    coarse = draw.normal((len(scale), count, max(2, round(height / pixels) + 1), max(2, round(width / pixels) + 1)))
    return 1.2 * functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
