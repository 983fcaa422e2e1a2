"""Colours of hits, false alarms and misses, the same in the window and in figures; apart from the metrics, which import scipy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.extremes import FAR_SCORES, apart, robust_range

HIT_COLOUR, FALSE_ALARM_COLOUR, MISS_COLOUR = "#009E73", "#E69F00", "#56B4E9"
"""Okabe and Ito's green, orange and sky blue: told apart with every common form of colour blindness."""

METHOD_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C564B")
"""Of methods in plots: Okabe and Ito's, without their yellow, which white paper swallows."""

HEAT = ("#60000A", "#C0001C", "#F51838")
"""From the threshold up: reds, the brighter the higher. No other colour here is like them, with red or green blindness neither."""

_FAINTEST, _STRONGEST = 0.55, 0.9
_LEAST_PART = 0.02
"""Of the range: so much of it is told apart, however high the threshold is."""


def heat_table(count: int = 256) -> NDArray[np.float32]:
    """RGBA of a heatmap, shape (count, 4): nothing at its low end, which is the threshold, and readily seen right above it."""
    anchors = np.array([[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] for colour in HEAT])
    place = np.linspace(0.0, 1.0, count)
    table = [np.interp(place, np.linspace(0.0, 1.0, len(HEAT)), channel) for channel in anchors.T]
    alpha = _FAINTEST + (_STRONGEST - _FAINTEST) * place
    alpha[0] = 0.0
    return np.stack([*table, alpha], axis=1).astype(np.float32)


def score_limits(amap: AnomalyMap) -> tuple[float, float]:
    """Range of a map's colours: the method's fixed one, or 0 to 1 for scores that live there, or the brain's own."""
    fixed = amap.provenance.get("method", {}).get("colour_limits")
    if fixed is not None:
        return float(fixed[0]), float(fixed[1])
    scores = amap.brain_scores()
    low, high = robust_range(scores, FAR_SCORES)
    if low >= 0.0 and high <= 1.0:
        return 0.0, 1.0
    return apart(low, float(np.percentile(scores, 99.9)))


def heat_limits(limits: tuple[float, float], threshold: float) -> tuple[float, float]:
    """Where the colours of a heatmap begin and end: from its threshold to the upper one of `limits` (see `score_limits`).

    The upper end is the same for all scans of a method, unless a threshold lies near it or above.
    """
    return threshold, max(limits[1], threshold + _LEAST_PART * (limits[1] - limits[0]))
