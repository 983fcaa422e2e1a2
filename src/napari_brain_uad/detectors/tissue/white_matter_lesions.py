"""Lesions of white matter in healthy slices of tissue, as multiple sclerosis makes them. Imports torch, as the task that uses it does.

Slices are on the scale of `preprocessing.tissue_scale`, 0 outside the brain. Lesions lie where the scale has less than white matter:
they are dark on T1 and bright on T2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...preprocessing.tissue_scale import CSF, DARKEST, GREY
from ...training.draws import Draw
from .surroundings import depth_of, mean_around, widened
from .synthetic_anomalies import smooth_field, smooth_fields

_SHAPE_MM, _DETAIL_MM, _GRAIN_MM, _TREND_MM = 9.0, 5.0, 8.0, 24.0
"""Over how many mm outlines change, their detail, and the brightness of lesions."""
_SHAPES, _DETAILS = (0.6, 1.2), (0.3, 0.8)
"""How much either counts, from to."""
_FEWEST, _MOST = 3.8, 1.6
"""What shapes and sites together have to exceed in slices with few and with many lesions."""
_NEAR, _DEEP = (1.2, 2.0), 1.2
"""How much the neighbourhood of the ventricles counts among the sites, and white matter deep in the brain at most."""
_NEAR_MM, _SULCUS_MM = 14.0, 5.0
"""How wide that neighbourhood is on both sides, and how wide fluid is that is no ventricle."""
_SHARPEST, _SOFTEST = 0.05, 0.35
_CORTEX_SHARE = 0.3
"""Share of the slices whose lesions reach into grey matter."""
_FILL, _UNEVEN, _PALEST, _LEAST = (CSF, CSF + 1.5), 0.3, 0.7, 0.25
"""The tissue that lesions look like, how far that varies within them, how much of what is below they hide at least, and how far below
healthy tissue they lie: what differs less cannot be told from it."""


def with_white_matter_lesions(stack: torch.Tensor, draw: Draw, pixel_mm: float, step_mm: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Slices with lesions of any number and shape in white matter, most of them beside the ventricles, and where those are.

    Where random fields and the likelihood of the site together exceed a level, there is a lesion.

    Parameters
    ----------
    stack : tensor, shape (B, C, H, W)
        Slices with their neighbours; those in the middle are what is asked about.
    draw : Draw
        Gives the numbers.
    pixel_mm, step_mm : float
        Size of a pixel, and the distance between slices.

    Returns
    -------
    changed : tensor, shape (B, C, H, W)
    where : tensor of 0 and 1, shape (B, H, W)
        Pixels of the slices in the middle that a lesion covers by half or more, and changes.
    """
    numbers = draw.uniform((len(stack), 11))[:, :, None, None, None].unbind(dim=1)
    *drawn, tissue, uneven, trend, opacity = numbers
    weight = lesion_weight(stack, drawn, draw, pixel_mm, step_mm)
    fill = _between(_FILL, tissue) + _UNEVEN * uneven * smooth_field(stack, _GRAIN_MM / pixel_mm, draw)[:, None]
    fill = fill + _UNEVEN * trend * smooth_field(stack, _TREND_MM / pixel_mm, draw)[:, None]
    below = (weight * _between((_PALEST, 1.0), opacity) * (stack - fill)).clamp(min=0.0)
    changed = torch.where(stack > 0, (stack - below).clamp(min=DARKEST), stack)
    middle = stack.shape[1] // 2
    return changed, ((weight > 0.5) & (below > _LEAST))[:, middle].to(stack.dtype)


def lesion_weight(stack: torch.Tensor, drawn: Sequence[torch.Tensor], draw: Draw, pixel_mm: float, step_mm: float) -> torch.Tensor:
    """How much of each pixel is lesion, from 0 to 1.

    Parameters
    ----------
    stack : tensor, shape (B, C, H, W)
        Slices of tissue with their neighbours.
    drawn : seven tensors, shape (B, 1, 1, 1)
        From 0 to 1: how much outlines and their detail count, how few lesions there are, how much sites beside the ventricles and deep in
        white matter count, how soft edges are, and which slices have lesions of the cortex.
    draw : Draw
        Gives the outlines.
    pixel_mm, step_mm : float
        Size of a pixel, and the distance between slices.

    Returns
    -------
    tensor, shape (B, C, H, W)
    """
    shape, detail, level, near, deep, edge, cortex = drawn
    white = ((stack - GREY + 0.1) / 0.7).clamp(0.0, 1.0)
    outlines = _between(_SHAPES, shape) * _turning(stack, _SHAPE_MM, draw, pixel_mm, step_mm)
    outlines = outlines + _between(_DETAILS, detail) * _turning(stack, _DETAIL_MM, draw, pixel_mm, step_mm)
    depth = depth_of(white, pixel_mm)
    sites = _between(_NEAR, near) * _near_ventricles(stack, pixel_mm) * (0.4 + depth) + _DEEP * deep * depth
    weight = torch.sigmoid((outlines + sites - _between((_MOST, _FEWEST), level)) / _between((_SHARPEST, _SOFTEST), edge))
    solid = ((stack - CSF - 0.2) / 0.6).clamp(0.0, 1.0)
    return weight * torch.where(cortex < _CORTEX_SHARE, white.maximum(solid), white)


def _near_ventricles(stack: torch.Tensor, pixel_mm: float) -> torch.Tensor:
    """Nearness to the ventricles, from 0 to 1: wide fluid that lies deep in the brain."""
    inside = (stack > 0).to(stack.dtype)
    fluid = inside * (stack < (CSF + GREY) / 2) * (depth_of(inside, pixel_mm) > 0.97)
    ventricles = (mean_around(fluid, _SULCUS_MM / pixel_mm) > 0.6).to(stack.dtype)
    return mean_around(widened(ventricles, _NEAR_MM / pixel_mm), _NEAR_MM / 2.0 / pixel_mm)


def _turning(stack: torch.Tensor, wide_mm: float, draw: Draw, pixel_mm: float, step_mm: float) -> torch.Tensor:
    """A smooth random field that changes from slice to slice as it does within a slice, shape (B, C, H, W)."""
    fields = smooth_fields(stack, wide_mm / pixel_mm, 2, draw)
    levels = torch.arange(stack.shape[1], device=stack.device, dtype=stack.dtype) - stack.shape[1] // 2
    turn = (levels * step_mm / (0.6 * wide_mm))[:, None, None]
    return fields[:, :1] * torch.cos(turn) + fields[:, 1:] * torch.sin(turn)


def _between(ends: tuple[float, float], share: torch.Tensor) -> torch.Tensor:
    return ends[0] + (ends[1] - ends[0]) * share
