"""Pieces of a slice pasted elsewhere in it. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

import math

import torch

from ...training.batch import Batch
from ...training.draws import Draw

_AREA, _ASPECT = (0.02, 0.15), 0.3
"""Share of the slice that a piece takes, and its shorter side over the longer one, at least (Li et al. 2021, section 2)."""
_WIDTH, _LENGTH, _TURN = (2.0, 16.0), (10.0, 25.0), math.pi / 4
"""Of a scar, in pixels, and how far it is turned either way (the same)."""
_JITTER = 0.1
"""How much brighter or darker a piece becomes, at most."""


def cut_paste(batch: Batch, draw: Draw) -> torch.Tensor:
    """CutPaste: images (B, 1, H, W) with a rectangle of 2 to 15 % of their area pasted at another place of the brain."""
    area, aspect, lying = draw.uniform((len(batch), 3)).unbind(1)
    height, width = batch.images.shape[-2:]
    pixels = (_AREA[0] + area * (_AREA[1] - _AREA[0])) * height * width
    ratio = _ASPECT + aspect * (1.0 - _ASPECT)
    ratio = torch.where(lying < 0.5, ratio, 1.0 / ratio)
    sides = torch.stack([(pixels * ratio).sqrt(), (pixels / ratio).sqrt()], dim=1)
    return _pasted(batch, draw, sides, torch.zeros_like(area))


def scar(batch: Batch, draw: Draw) -> torch.Tensor:
    """CutPaste (scar): images (B, 1, H, W) with a long thin rectangle pasted at another place of the brain, turned."""
    length, width, turn = draw.uniform((len(batch), 3)).unbind(1)
    sides = torch.stack([_WIDTH[0] + width * (_WIDTH[1] - _WIDTH[0]), _LENGTH[0] + length * (_LENGTH[1] - _LENGTH[0])], dim=1)
    return _pasted(batch, draw, sides, (2.0 * turn - 1.0) * _TURN)


def _pasted(batch: Batch, draw: Draw, sides: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Images with the piece of these sides (B, 2) around one pixel of the brain pasted around another, turned (B,) about its centre."""
    chances = draw.uniform((len(batch), 3))
    source, target = (_brain_pixels(batch.brain, chances[:, which]).float() for which in (0, 1))
    height, width = batch.images.shape[-2:]
    rows, columns = (torch.arange(count, device=sides.device, dtype=torch.float32) for count in (height, width))
    down, across = rows[None, :, None] - target[:, 0, None, None], columns[None, None, :] - target[:, 1, None, None]
    cosine, sine = turn.cos()[:, None, None], turn.sin()[:, None, None]
    # Where each pixel lies in the piece, before it was turned.
    along, beside = cosine * down + sine * across, cosine * across - sine * down
    inside = (along.abs() <= sides[:, 0, None, None] / 2) & (beside.abs() <= sides[:, 1, None, None] / 2)
    row = (source[:, 0, None, None] + along).round().long().clamp(0, height - 1)
    column = (source[:, 1, None, None] + beside).round().long().clamp(0, width - 1)
    piece = batch.images.flatten(2).gather(2, (row * width + column).flatten(1)[:, None]).reshape(batch.images.shape)
    brightness = 1.0 + _JITTER * (2.0 * chances[:, 2] - 1.0)
    return torch.where(inside[:, None], brightness[:, None, None, None] * piece, batch.images)


def _brain_pixels(brain: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
    """A pixel of each brain (B, H, W) by numbers (B,) from 0 to 1, as row and column, shape (B, 2); without brain, the last pixel."""
    counted = brain.flatten(1).cumsum(1)
    number = (chance * counted[:, -1]).floor().long() + 1
    place = (counted < number[:, None]).sum(1).clamp_max(counted.shape[1] - 1)
    return torch.stack([place // brain.shape[2], place % brain.shape[2]], dim=1)
