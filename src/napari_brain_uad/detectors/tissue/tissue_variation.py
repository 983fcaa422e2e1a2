"""How healthy tissue differs between scans beyond what the simulator does. Imports torch, as the task that uses it does.

Slices are on the scale of `preprocessing.tissue_scale`, 0 outside the brain.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from ...preprocessing.tissue_scale import BRIGHTEST, CSF, DARKEST, GREY, WHITE
from ...training.draws import Draw
from .synthetic_anomalies import smooth_field

_MOVED = {CSF: 0.25, GREY: 0.2, WHITE: 0.15}
"""How far the tissues may lie from their places on the scale: its fit is never exact."""
_DEEP_PIXELS = 9
_PALER, _DARKER, _DEEP_SHARE = 0.8, 0.3, 0.6
"""White matter deep in the brain is nearer to grey matter than that of the gyri (on T2, in most adults), seldom farther; by how much at
most, and in which share of the slices."""
_PATCHES = ((12.0, 0.35, 0.2), (5.0, 0.2, 0.12))
"""Unevenness: pixels over which it changes, and how strong it is at most in white matter and in all tissue."""
_RIM_SHARE, _RIM_PIXELS, _RIM_FIELD_PIXELS = 0.5, (1, 2, 3), 8.0
"""Share of the slices whose brain mask takes in some of what lies around the brain (bone and air, fluid, fat), and how wide a strip."""


def vary_tissue(stack: torch.Tensor, draw: Draw, amount: float = 1.0) -> torch.Tensor:
    """Healthy slices with the unevenness of real scans: contrast, white matter by depth and by place, and a rim that is no brain.

    Parameters
    ----------
    stack : tensor, shape (B, C, H, W)
        Slices with their neighbours.
    draw : Draw
        Gives the numbers.
    amount : float
        Factor on all of it; 0 = the slices as they are.
    """
    inside = stack > 0
    white = (stack - GREY).clamp(0.0, 1.0)
    varied = _contrast(stack, draw, amount)
    depth, patchy_white, patchy = draw.uniform((len(stack), 3))[:, :, None, None, None].unbind(dim=1)
    deep = functional.avg_pool2d(functional.avg_pool2d(white, _DEEP_PIXELS, 1, _DEEP_PIXELS // 2), _DEEP_PIXELS, 1, _DEEP_PIXELS // 2)
    # Evenly from darker to paler in that share of the slices, none in the others.
    towards_grey = (depth / _DEEP_SHARE) * (_PALER + _DARKER) - _DARKER
    varied = varied - amount * torch.where(depth < _DEEP_SHARE, towards_grey, 0.0) * white * deep
    for pixels, most_white, most in _PATCHES:
        strength = amount * (most_white * patchy_white.square() * white + most * patchy.square())
        varied = varied + strength * smooth_field(stack, pixels, draw)[:, None]
    varied = _with_rim(varied, inside, draw, amount)
    return torch.where(inside, varied.clamp(DARKEST, BRIGHTEST), stack)


def _contrast(stack: torch.Tensor, draw: Draw, amount: float) -> torch.Tensor:
    """The scale with its tissues moved a little, linear between them and beyond."""
    moved = draw.uniform((len(stack), 3), -1.0, 1.0)[:, :, None, None, None].unbind(dim=1)
    csf, grey, white = (tissue + amount * most * by for (tissue, most), by in zip(_MOVED.items(), moved, strict=True))
    below, above = (grey - csf) / (GREY - CSF), (white - grey) / (WHITE - GREY)
    return grey + torch.where(stack < GREY, below, above) * (stack - GREY)


def _with_rim(stack: torch.Tensor, inside: torch.Tensor, draw: Draw, amount: float) -> torch.Tensor:
    """Parts of the brain's outermost pixels with any brightness."""
    shown, wide, often, brightness, uneven = draw.uniform((len(stack), 5))[:, :, None, None, None].unbind(dim=1)
    outside = (~inside).to(stack.dtype)
    widths = (wide * len(_RIM_PIXELS)).long()
    rim = torch.zeros_like(inside)
    for number, pixels in enumerate(_RIM_PIXELS):
        near = functional.max_pool2d(outside, 2 * pixels + 1, 1, pixels) > 0
        rim = torch.where(widths == number, near, rim)
    places = smooth_field(stack, _RIM_FIELD_PIXELS, draw)[:, None] > 2.0 * often
    fill = DARKEST + (BRIGHTEST - DARKEST) * brightness + uneven * smooth_field(stack, _RIM_FIELD_PIXELS / 2, draw)[:, None]
    return torch.where((shown < amount * _RIM_SHARE) & rim & places & inside, fill, stack)
