"""The noise that diffusion models and denoising autoencoders add: each field belongs to a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from .simplex import simplex_fields

COARSE = 16
"""Pixels along each side of the field that coarse noise is drawn in."""


def noise_fields(kind: str, seeds: Sequence[int], height: int, width: int) -> torch.Tensor:
    """Fields of noise, float32, shape (len(seeds), 1, height, width), on the CPU.

    Parameters
    ----------
    kind : str
        One of `names.KINDS`. "simplex": six octaves of simplex noise (`simplex`). "gaussian": independent standard normal numbers.
        "coarse": standard normal numbers at 16 x 16, made larger (`coarse_noise`).
    seeds : sequence of int
        The same seed gives the same field, whatever else is asked for.
    height, width : int
        Of a field, in pixels.
    """
    if kind == "simplex":
        return torch.from_numpy(simplex_fields(seeds, height, width)).float()[:, None]
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    if kind == "gaussian":
        return torch.stack([torch.randn((1, height, width), generator=own) for own in generators])
    drawn = torch.stack([torch.randn((1, COARSE, COARSE), generator=own) for own in generators])
    shifts = torch.stack([torch.rand(2, generator=own) for own in generators])
    return coarse_noise(drawn, shifts, height, width)


def coarse_noise(drawn: torch.Tensor, shifts: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Small fields made larger bilinearly, corner pixel on corner pixel, and rolled around (Kascenas 2022, section 2.2).

    Parameters
    ----------
    drawn : tensor, shape (B, C, h, w)
    shifts : tensor, shape (B, 2)
        How far, as a share of height and width, from 0 to below 1.
    height, width : int
        Wanted.
    """
    large = functional.interpolate(drawn, (height, width), mode="bilinear", align_corners=True)
    by = (shifts.cpu() * torch.tensor([height, width])).long().tolist()
    return torch.stack([field.roll((down, across), dims=(1, 2)) for field, (down, across) in zip(large, by, strict=True)])
