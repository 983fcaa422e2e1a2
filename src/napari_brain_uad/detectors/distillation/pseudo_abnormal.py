"""Slices that are made to look abnormal in one place. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

import torch

from ...training.batch import Batch
from ...training.draws import Draw
from ..diffusion.simplex import simplex_fields
from .names import NOISE_PERSISTENCE, NOISE_SIDES, NOISE_STRENGTH, NOISE_WAVELENGTH


def with_simplex_noise(batch: Batch, draw: Draw) -> torch.Tensor:
    """Images (B, 1, H, W) with a rectangle of simplex noise added to each, around a pixel of the brain.

    Its sides are `NOISE_SIDES` of the slice's, each by chance; six octaves of noise, times `NOISE_STRENGTH`. A slice without brain stays as
    it is.

    Parameters
    ----------
    batch : Batch
    draw : Draw
        Gives the numbers.
    """
    size, low, high = batch.images.shape[-2:], *NOISE_SIDES
    seeds = draw.integers((len(batch), 1), 0, 2**31)[:, 0].tolist()
    chances = draw.uniform((len(batch), 3)).tolist()
    most = tuple(max(1, round(side * high)) for side in size)
    fields = NOISE_STRENGTH * simplex_fields(seeds, *most, wavelength=NOISE_WAVELENGTH, persistence=NOISE_PERSISTENCE)
    images = batch.images.clone()
    for image, brain, field, (where, *shares) in zip(images, batch.brain, torch.from_numpy(fields), chances, strict=True):
        pixels = brain.nonzero()
        if not len(pixels):
            continue
        centre = pixels[int(where * len(pixels))].tolist()
        rows, columns = (
            _span(middle, max(1, round(side * (low + share * (high - low)))), side)
            for middle, side, share in zip(centre, size, shares, strict=True)
        )
        patch = field[: rows.stop - rows.start, : columns.stop - columns.start]
        image[0, rows, columns] += patch.to(image)
    return images


def _span(middle: int, length: int, side: int) -> slice:
    """So many pixels around one, within the slice."""
    start = min(max(0, middle - length // 2), side - length)
    return slice(start, start + length)
