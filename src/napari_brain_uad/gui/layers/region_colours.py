"""Colours of regions where there is no ground truth to say which of them are hits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REGION_COLOURS = ("#00C8C8", "#B55CFF", "#8CFF66", "#3D7BFF", "#FF8FCF")
"""Taken in turn, the strongest region first; none of them occurs in the heatmap, nor is white, which is the boxes'."""

FIRST_REGION = 4
"""Label of the first of these colours in a mask layer; the labels below it say flagged, missed and hit."""


def region_colour(number: int) -> str:
    """Colour of the region of this number, counted from 1."""
    return REGION_COLOURS[(number - 1) % len(REGION_COLOURS)]


def region_labels(numbers: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Labels of numbered regions as a mask layer holds them.

    Parameters
    ----------
    numbers : array of uint32, shape (i, j, k)
        Each region's number, 0 outside.

    Returns
    -------
    array of uint8, shape (k, j, i)
        0 outside, from `FIRST_REGION` on for the colours.
    """
    turned = np.ascontiguousarray(numbers.T)
    labels = np.zeros(turned.shape, np.uint8)
    there = turned > 0
    labels[there] = FIRST_REGION + (turned[there] - 1) % len(REGION_COLOURS)
    return labels
