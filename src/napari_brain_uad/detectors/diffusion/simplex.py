"""Octaves of OpenSimplex noise for many seeds at once.

The field is that of OpenSimplex in two dimensions (K. Spencer 2014, in the public domain), to the rounding of float64. Where the
corners of the lattice lie and how much each counts depends on the pixel alone; a seed only decides the gradients at the corners. So the
former is worked out once for a size, and a field is two look-ups and a sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRETCH, _SQUISH, _NORM = -0.211324865405187, 0.366025403784439, 47.0
_GRADIENTS = np.array([(5, 2), (2, 5), (-5, 2), (-2, 5), (5, -2), (2, -5), (-5, -2), (-2, -5)], np.float64)
_MULTIPLIER, _INCREMENT, _WORD = 6364136223846793005, 1442695040888963407, 1 << 64

Corners = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]


def simplex_fields(
    seeds: Sequence[int], height: int, width: int, *, octaves: int = 6, persistence: float = 0.8, wavelength: float = 64.0
) -> NDArray[np.float64]:
    """Noise of several wavelengths added up, as AnoDDPM has it (Wyatt 2022, doi:10.1109/CVPRW56347.2022.00080).

    Parameters
    ----------
    seeds : sequence of int
        One a field, as OpenSimplex takes them.
    height, width : int
        Of a field, in pixels.
    octaves : int
        How many wavelengths; each is half the one before.
    persistence : float
        How strong each is, as a share of the one before; the first has strength 1.
    wavelength : float
        The longest, in pixels.

    Returns
    -------
    array of float64, shape (len(seeds), height, width)
        Not of unit variance: with these defaults the standard deviation is about 0.55.
    """
    down, across, by_x, by_y = _corners(height, width, octaves, persistence, wavelength)
    fields = np.empty((len(seeds), height * width))
    for field, seed in zip(fields, seeds, strict=True):
        table = _permutation(seed)
        toward_x, toward_y = _GRADIENTS[(table & 0x0E) >> 1].T.copy()
        # Bytes: the sum stays within the table by itself.
        at = table[across] + down
        field[:] = (toward_x[at] * by_x + toward_y[at] * by_y).sum(axis=0)
    return fields.reshape(len(seeds), height, width)


def _permutation(seed: int) -> NDArray[np.uint8]:
    """The shuffled bytes of a seed, by a linear congruential generator of 64 bits."""
    state = seed % _WORD
    for _ in range(3):
        state = (state * _MULTIPLIER + _INCREMENT) % _WORD
    left, table = list(range(256)), np.empty(256, np.uint8)
    for place in range(255, -1, -1):
        state = (state * _MULTIPLIER + _INCREMENT) % _WORD
        signed = state - _WORD if state >= _WORD >> 1 else state
        chosen = (signed + 31) % (place + 1)
        table[place] = left[chosen]
        left[chosen] = left[place]
    return table


@lru_cache(maxsize=4)
def _corners(height: int, width: int, octaves: int, persistence: float, wavelength: float) -> Corners:
    """Lattice row and column (modulo 256) of the corners that count at each pixel, and what their gradients are multiplied with.

    Each array has the shape (4 * octaves, height * width).
    """
    y, x = (axis.ravel().astype(np.float64) for axis in np.mgrid[:height, :width])
    parts = []
    for octave in range(octaves):
        scale = wavelength / 2**octave
        parts += [(*lattice, dx * w, dy * w) for *lattice, dx, dy, w in _octave(x / scale, y / scale, persistence**octave / _NORM)]
    across, down, by_x, by_y = (np.stack(arrays) for arrays in zip(*parts, strict=True))
    return (down & 0xFF).astype(np.uint8), (across & 0xFF).astype(np.uint8), by_x, by_y


def _octave(x: NDArray[np.float64], y: NDArray[np.float64], strength: float) -> list[tuple[NDArray[Any], ...]]:
    """The four corners of one wavelength: lattice position, distance from it, weight."""
    stretch = (x + y) * _STRETCH
    column, row = (np.floor(one + stretch).astype(np.int64) for one in (x, y))
    squish = (column + row) * _SQUISH
    dx, dy = x - column - squish, y - row - squish
    in_x, in_y = x + stretch - column, y + stretch - row
    total = in_x + in_y
    lower = total <= 1
    # Within a rhombus of the lattice two corners always count, then that of the triangle the pixel lies in, and one beyond.
    far = np.where(lower, 1 - total, 2 - total)
    beyond = np.where(lower, (far > in_x) | (far > in_y), (far < in_x) | (far < in_y))
    right = in_x > in_y
    step_x = np.where(lower, np.where(beyond, np.where(right, 1, -1), 1), np.where(beyond, np.where(right, 2, 0), 0))
    step_y = np.where(lower, np.where(beyond, np.where(right, -1, 1), 1), np.where(beyond, np.where(right, 0, 2), 0))
    own = np.where(lower, 0, 1)
    found: list[tuple[NDArray[Any], ...]] = []
    for more_x, more_y in ((1, 0), (0, 1), (own, own), (step_x, step_y)):
        away_x, away_y = dx - more_x - (more_x + more_y) * _SQUISH, dy - more_y - (more_x + more_y) * _SQUISH
        reach = np.maximum(2 - away_x**2 - away_y**2, 0.0) ** 4 * strength
        found.append((column + more_x, row + more_y, away_x, away_y, reach))
    return found
