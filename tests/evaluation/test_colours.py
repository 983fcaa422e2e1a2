"""What colours mean stays clear with the common forms of colour blindness."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_brain_uad.evaluation.colours import FALSE_ALARM_COLOUR, HIT_COLOUR, MISS_COLOUR, heat_table

# Machado, Oliveira and Fernandes 2009, table of severity 1.0; for linear RGB.
SEEN_AS = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
}
CLEAR = 11.0
"""CIEDE2000; 1 is just noticed side by side, and inferno's orange was 0.3 from that of a false alarm."""


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])


def _seen(colours: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """CIELAB of sRGB colours, shape (n, 3), as people with a kind of colour vision see them."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ SEEN_AS[kind].T, 0, 1)
    return np.asarray(rgb2lab(np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)))


@pytest.mark.parametrize("kind", SEEN_AS)
@pytest.mark.parametrize("colour", [HIT_COLOUR, FALSE_ALARM_COLOUR, MISS_COLOUR, "#00C8C8", "#CC79A7"])
def test_no_score_looks_like_a_hit_a_false_alarm_or_a_miss(colour: str, kind: str) -> None:
    scores, other = _seen(heat_table()[1:, :3].astype(float), kind), _seen(_rgb(colour)[None], kind)
    assert deltaE_ciede2000(scores, other).min() > CLEAR


@pytest.mark.parametrize("kind", SEEN_AS)
def test_hits_false_alarms_and_misses_are_told_apart(kind: str) -> None:
    for one, other in combinations((HIT_COLOUR, FALSE_ALARM_COLOUR, MISS_COLOUR), 2):
        assert float(deltaE_ciede2000(_seen(_rgb(one)[None], kind), _seen(_rgb(other)[None], kind))[0]) > CLEAR


@pytest.mark.parametrize("kind", SEEN_AS)
def test_higher_scores_are_brighter(kind: str) -> None:
    lightness = _seen(heat_table()[1:, :3].astype(float), kind)[:, 0]
    assert (np.diff(lightness) > 0).all()
    assert lightness[-1] - lightness[0] > 10
