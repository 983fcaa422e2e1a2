"""Regions as labels of a mask layer, where there is no ground truth to say which of them are hits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...postprocessing.region_colours import REGION_COLOURS

FIRST_REGION = 4
"""Label of the first of these colours in a mask layer; the labels below it say flagged, missed and hit."""


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
