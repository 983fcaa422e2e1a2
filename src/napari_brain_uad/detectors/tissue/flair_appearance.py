"""Healthy tissue as FLAIR shows it, and hyperintensities in it. Imports torch, as the task that uses it does.

Intensities are in interquartile ranges of the brain above its mode (`intensity.robust_intensity`), plus `OFFSET`, so that no brain voxel
is 0 and what lies around the brain is. What is drawn covers what FLAIR shows of healthy tissue (in the six scans measured, most of
them of patients): quartiles at -0.6 and 0.4, the brightest per cent from 1.0 to 1.6, single structures up to 3, fluid from -4 to -2.4.
"""

from __future__ import annotations

import torch

from ...preprocessing.tissue_scale import CSF, GREY, WHITE
from ...training.draws import Draw
from .surroundings import depth_of, mean_around, widened
from .synthetic_anomalies import radii_between, rounder, smooth_field, smooth_fields
from .white_matter_lesions import lesion_weight

OFFSET = 4.0
"""The brain's commonest intensity on the scale of the slices."""

DARKEST, BRIGHTEST = 0.2, 10.0
"""As far as the scale is followed."""

_CSF, _WHITE, _GREY_ABOVE = (-4.2, -2.0), (-0.5, 0.05), (0.2, 1.5)
"""Where the tissues lie; grey matter above white."""
_DEEP = (-0.3, 0.35)
"""White matter deep in the brain is brighter than that of the gyri in many adults."""
_PATCHES = ((48.0, 0.25), (18.0, 0.15), (6.0, 0.1))
"""Unevenness: mm over which it changes, and how strong it is at most."""
_CORTEX_MM, _CORTEX = 24.0, 1.0
"""Some cortex (limbic, insular) is brighter than the rest, by so much at most."""
_LINING, _LINING_SHARE, _LINING_MM = 1.2, 0.5, 5.0
"""The lining of the ventricles is bright and thin, in that share of the slices; by how much at most, and how wide its two sides are."""
_RIM, _RIM_SHARE, _RIM_MM, _RIM_WIDTHS_MM = (-4.0, 5.0), 0.5, 16.0, (9.0, 5.0)
"""What masks take in around the brain (dura, fat, fluid that flows), and how wide both sides of it are together."""

_MOST_LESIONS = 6
_SMALL_RADII_MM, _LARGE_RADII_MM, _LARGE_SHARE, _WHITE_SHARE = (1.2, 10.0), (8.0, 32.0), 0.3, 0.65
"""The share of large ones, and of small ones that lie in white matter alone."""
_FAINTEST, _SPAN, _LEAST = 0.7, 4.0, 0.45
"""Lesions lie between these above the brain's mode, most of them at the lower end; and above what they cover, on average."""
_NEAR_MM, _ELSEWHERE = 14.0, 0.3
"""Lesions of white matter lie beside ventricles and cortex more often than elsewhere."""
_BANDS, _BAND_MM, _BAND_FIELD_MM, _SULCUS_MM = 0.45, (10.0, 14.0, 18.0, 26.0), 18.0, 5.0
"""Share of the slices in which some of the white matter around the ventricles is ill, as in multiple sclerosis and in old age; how wide it
is on both sides, over how many mm that changes, and how wide fluid is that is no ventricle."""
_RELIEF_MM, _ROUGHEST, _GRAIN_MM, _UNEVEN, _CORE_SHARE = 10.0, 0.35, 8.0, 0.5, 0.25
_SHARPEST, _SOFTEST = 0.03, 0.35


def as_flair(tissue: torch.Tensor, draw: Draw, pixel_mm: float) -> torch.Tensor:
    """Slices of tissue as a FLAIR scan of a healthy brain shows them.

    Parameters
    ----------
    tissue : tensor, shape (B, C, H, W)
        On the scale of `preprocessing.tissue_scale`, 0 outside the brain; C slices that lie beside each other.
    draw : Draw
        Gives the numbers.
    pixel_mm : float
        Size of a pixel.

    Returns
    -------
    tensor, shape (B, C, H, W)
    """
    inside = tissue > 0
    white, grey = (tissue - GREY).clamp(0.0, 1.0), (1.0 - (tissue - GREY).abs()).clamp(0.0, 1.0)
    numbers = draw.uniform((len(tissue), 12))[:, :, None, None, None].unbind(dim=1)
    csf, low, above, depth, cortex, lining, lined, *strengths = numbers
    low = _WHITE[0] + (_WHITE[1] - _WHITE[0]) * low
    high = low + _GREY_ABOVE[0] + (_GREY_ABOVE[1] - _GREY_ABOVE[0]) * above
    fluid = _CSF[0] + (_CSF[1] - _CSF[0]) * csf
    below = fluid + (high - fluid) * ((tissue - CSF) / (GREY - CSF)).clamp(-0.3, 1.0)
    image = torch.where(tissue < GREY, below, high + (low - high) * (tissue - GREY).clamp(0.0, 1.3) / (WHITE - GREY))
    deep = depth_of(white, pixel_mm)
    image = image + (_DEEP[0] + (_DEEP[1] - _DEEP[0]) * depth) * white * deep
    image = image + _CORTEX * cortex * grey * smooth_field(tissue, _CORTEX_MM / pixel_mm, draw)[:, None].clamp(min=0.0)
    wet = (inside & (tissue < (CSF + GREY) / 2)).to(tissue.dtype)
    beside = widened(wet, _LINING_MM / pixel_mm) * (tissue > GREY - 0.3) * deep.clamp(min=0.0).sqrt()
    line = beside * smooth_field(tissue, _RELIEF_MM / pixel_mm, draw)[:, None].clamp(min=0.0)
    image = image + torch.where(lined < _LINING_SHARE, _LINING * lining, 0.0) * line
    solid = ((tissue - CSF) / (GREY - CSF)).clamp(0.0, 1.0)
    for (wide, most), strength in zip(_PATCHES, strengths, strict=False):
        image = image + most * strength.square() * solid * smooth_field(tissue, wide / pixel_mm, draw)[:, None]
    image = _with_rim(image, inside, draw, pixel_mm)
    return torch.where(inside, (image + OFFSET).clamp(DARKEST, BRIGHTEST), 0.0)


def _with_rim(image: torch.Tensor, inside: torch.Tensor, draw: Draw, pixel_mm: float) -> torch.Tensor:
    """Parts of the brain's outermost pixels with any brightness."""
    shown, wide, often, brightness, uneven = draw.uniform((len(image), 5))[:, :, None, None, None].unbind(dim=1)
    outside = (~inside).to(image.dtype)
    near, nearer = (widened(outside, width / pixel_mm) > 0 for width in _RIM_WIDTHS_MM)
    rim = torch.where(wide < 0.5, near, nearer)
    places = smooth_field(image, _RIM_MM / pixel_mm, draw)[:, None] > 2.0 * often
    fill = _RIM[0] + (_RIM[1] - _RIM[0]) * brightness + 2.0 * uneven * smooth_field(image, _RIM_MM / 2.0 / pixel_mm, draw)[:, None]
    return torch.where((shown < _RIM_SHARE) & rim & places & inside, fill, image)


def with_hyperintensities(
    image: torch.Tensor, tissue: torch.Tensor, draw: Draw, pixel_mm: float, step_mm: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Healthy slices with up to 6 bright regions of irregular shape, and where those are.

    Small ones lie mostly in white matter; large ones cover any tissue, and some have a dark core. In some slices white matter around the
    ventricles is bright besides.

    Parameters
    ----------
    image, tissue : tensor, shape (B, C, H, W)
        What `as_flair` made, and of what.
    draw : Draw
        Gives the numbers.
    pixel_mm, step_mm : float
        Size of a pixel, and the distance between slices.

    Returns
    -------
    changed : tensor, shape (B, C, H, W)
    where : tensor of 0 and 1, shape (B, H, W)
        Pixels of the slices in the middle that a region covers by half or more, its core included.
    """
    count, slices, height, width = image.shape
    rows, columns, levels = (torch.arange(size, device=image.device, dtype=image.dtype) for size in (height, width, slices))
    solid, white = tissue > (CSF + GREY) / 2, (tissue - GREY).clamp(0.0, 1.0)
    wet = ((tissue[:, slices // 2] > 0) & ~solid[:, slices // 2]).to(image.dtype)
    likely = white[:, slices // 2] * (_ELSEWHERE + widened(wet, _NEAR_MM / pixel_mm))
    lesions = draw.integers((count,), 0, _MOST_LESIONS + 1)
    drawn = draw.uniform((count, _MOST_LESIONS, 15))
    reliefs, grains = (smooth_fields(image, wide / pixel_mm, _MOST_LESIONS, draw) for wide in (_RELIEF_MM, _GRAIN_MM))
    healthy = image
    image, where = _with_bands(image, tissue, white, draw, pixel_mm)
    for number in range(_MOST_LESIONS):
        numbers = [value[:, None, None, None] for value in drawn[:, number].unbind(dim=1)]
        place, height_at, turn, large, first, second, third, within, bright, opacity, rough, edge, uneven, core, dark = numbers
        big, in_white = large < _LARGE_SHARE, within < _WHITE_SHARE
        row, column = _places(torch.where(in_white[:, 0], likely, solid[:, slices // 2].to(image.dtype)), place[:, 0, 0, 0])
        radii = radii_between(_SMALL_RADII_MM, _LARGE_RADII_MM, big, (first, second, third))
        radii = [torch.where(big, round_one, one) for round_one, one in zip(rounder(radii), radii, strict=True)]
        radii = [radius / size for radius, size in zip(radii, (pixel_mm, pixel_mm, step_mm), strict=True)]
        down, right = rows[:, None] - row[:, None, None, None], columns - column[:, None, None, None]
        cosine, sine = torch.cos(torch.pi * turn), torch.sin(torch.pi * turn)
        flat = ((down * cosine + right * sine) / radii[0]).square() + ((right * cosine - down * sine) / radii[1]).square()
        over = (((levels - slices // 2)[:, None, None] - (2.0 * height_at - 1.0) * radii[2]) / radii[2]).square()
        distance = torch.sqrt(flat + over) + _ROUGHEST * rough * reliefs[:, number, None]
        weight = torch.sigmoid((1.0 - distance) / (_SHARPEST + _SOFTEST * edge.square())) * solid
        weight = torch.where(in_white & ~big, weight * white, weight)
        fill = OFFSET + _FAINTEST + _SPAN * bright.square() + _UNEVEN * uneven * grains[:, number, None]
        fill = torch.where(big & (core < _CORE_SHARE) & (distance < 0.6 * dark), OFFSET - 3.0 * dark, fill)
        covered = (weight > 0.5).to(image.dtype)
        above = ((fill - healthy) * covered).sum(dim=(1, 2, 3)) / covered.sum(dim=(1, 2, 3)).clamp(min=1.0)
        shown = ((lesions > number) & (above > _LEAST))[:, None, None, None]
        image = torch.where(shown, image + weight * (0.6 + 0.4 * opacity) * (fill - image), image)
        where = torch.where(shown[:, 0], where.maximum(covered[:, slices // 2]), where)
    return torch.where(tissue > 0, image.clamp(DARKEST, BRIGHTEST), 0.0), where


def with_bright_lesions(
    image: torch.Tensor, tissue: torch.Tensor, draw: Draw, pixel_mm: float, step_mm: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Healthy slices with bright lesions of white matter, as multiple sclerosis makes them, and where those are.

    Parameters and what is returned as of `with_hyperintensities`; outlines and sites as on T1 (`white_matter_lesions`).
    """
    numbers = draw.uniform((len(image), 11))[:, :, None, None, None].unbind(dim=1)
    *drawn, bright, uneven, trend, opacity = numbers
    weight = lesion_weight(tissue, drawn, draw, pixel_mm, step_mm)
    fill = OFFSET + _FAINTEST + _SPAN * bright.square() + _UNEVEN * uneven * smooth_field(image, _GRAIN_MM / pixel_mm, draw)[:, None]
    fill = fill + _UNEVEN * trend * smooth_field(image, _CORTEX_MM / pixel_mm, draw)[:, None]
    above = (weight * (0.6 + 0.4 * opacity) * (fill - image)).clamp(min=0.0)
    changed = torch.where(tissue > 0, (image + above).clamp(DARKEST, BRIGHTEST), 0.0)
    return changed, ((weight > 0.5) & (above > _LEAST))[:, image.shape[1] // 2].to(image.dtype)


def _with_bands(
    image: torch.Tensor, tissue: torch.Tensor, white: torch.Tensor, draw: Draw, pixel_mm: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Slices in which some of the white matter around the ventricles is bright, and where that is in the middle."""
    shown, wide, much, bright, uneven, edge = draw.uniform((len(image), 6))[:, :, None, None, None].unbind(dim=1)
    deep = depth_of(white, pixel_mm)
    fluid = ((tissue > 0) & (tissue < (CSF + GREY) / 2)).to(image.dtype) * (depth_of((tissue > 0).to(image.dtype), pixel_mm) > 0.99)
    fluid = (mean_around(fluid, _SULCUS_MM / pixel_mm) > 0.99).to(image.dtype)  # sulci are narrower than that
    beside = torch.zeros_like(image)
    for number, width in enumerate(_BAND_MM):
        near = mean_around(widened(fluid, width / pixel_mm), 3.0)
        beside = torch.where((wide * len(_BAND_MM)).long() == number, near, beside)
    places = torch.sigmoid((smooth_field(image, _BAND_FIELD_MM / pixel_mm, draw)[:, None] - 2.0 * (1.0 - much) + 0.5) / (0.1 + edge))
    weight = beside * white * places * (deep > 0.2)
    fill = OFFSET + _FAINTEST + 0.6 * _SPAN * bright.square() + _UNEVEN * uneven * smooth_field(image, _GRAIN_MM / pixel_mm, draw)[:, None]
    ill = (shown < _BANDS) & (fill - image > _LEAST)
    image = torch.where(ill, image + weight * (fill - image), image)
    return image, (ill & (weight > 0.5))[:, image.shape[1] // 2].to(image.dtype)


def _places(weights: torch.Tensor, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One pixel of each slice, as likely as its weight: rows and columns, shape (B,)."""
    _, height, width = weights.shape
    summed = weights.flatten(1).cumsum(dim=1)
    found = torch.searchsorted(summed, (chosen * summed[:, -1])[:, None]).clamp(max=height * width - 1)[:, 0]
    return (found // width).to(weights.dtype), (found % width).to(weights.dtype)
