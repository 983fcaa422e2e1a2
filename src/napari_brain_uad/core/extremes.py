"""Single voxels far beyond all others (spikes, saturated or damaged numbers), and the range of values without them.

One of them stretches every histogram over smallest to largest value until the brain falls into one bin, and drowns every mean.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import Finding
from .volume import Volume

FAR = 10.0
"""Voxels are extreme from this many times the range of the others away. In 78 ordinary scans (all sequences, raw and skull-stripped) the
brightest voxel lies at most 2.9 times that range above it, the darkest 0.2 times below."""

FAR_SCORES = 100.0
"""Of anomaly scores: they may have long tails by right."""

_TAIL = 1.0
"""Per cent of the voxels that are not background on either side, which the range leaves out."""

_BACKGROUND = 0.01
"""The most frequent value is a background when at least this share of the voxels has it; of noise, no value is frequent."""

_SAMPLE = 200_000


def robust_range(values: NDArray[Any], far: float = FAR) -> tuple[float, float]:
    """Smallest and largest of the values that are not extreme; those of all values where none is.

    Parameters
    ----------
    values : array of numbers, any shape
        Finite, at least one.
    far : float
        Extreme is what lies further than this many times the range of the others beyond it. The range holds the most frequent value
        (a background) and the others but for 1 % on either side; it is estimated on every n-th value of large arrays.
    """
    smallest, largest = values.min(), values.max()
    flat = values.ravel(order="K")
    levels, counts = np.unique(flat[:: max(1, flat.size // _SAMPLE)], return_counts=True)
    common = int(np.argmax(counts))
    background = [float(levels[common])] if counts[common] >= _BACKGROUND * counts.sum() else []
    if background:
        counts[common] = 0
    rank = np.cumsum(counts)
    if rank[-1] == 0:
        return float(smallest), float(largest)
    # The tails are cut by count, and by at least one value each: of few values one may be the extreme one.
    cut = max(1.0, _TAIL / 100.0 * float(rank[-1]))
    low = float(levels[min(int(np.searchsorted(rank, cut, side="right")), levels.size - 1)])
    high = float(levels[int(np.searchsorted(rank, max(float(rank[-1]) - cut, 1.0)))])
    low, high = min(low, high, *background), max(low, high, *background)
    reach = far * (high - low)
    if reach <= 0.0 or (smallest >= low - reach and largest <= high + reach):
        return float(smallest), float(largest)
    inside = values[(values >= low - reach) & (values <= high + reach)]
    return float(inside.min()), float(inside.max())


def apart(low: float, high: float) -> tuple[float, float]:
    """Two limits between which something lies, whatever their size: `high` is moved up where it is not above `low`."""
    return low, high if high > low else low + max(1.0, 1e-3 * abs(low))


def without_extremes(volume: Volume) -> Volume:
    """The scan with extreme voxels set to the largest (or smallest) of the others, and a finding that says so; itself if there are none.

    Doing it again changes nothing.
    """
    data = volume.data
    if data.size == 0:
        return volume
    low, high = robust_range(data)
    above, below = int(np.count_nonzero(data > high)), int(np.count_nonzero(data < low))
    if not above + below:
        return volume
    said = [
        f"{count:,} voxel{' lies' if count == 1 else 's lie'} far {where} all others (as far as {value:.4g}, the others {limit})"
        for count, where, value, limit in (
            (above, "above", float(data.max()), f"reach {high:.4g}"),
            (below, "below", float(data.min()), f"begin at {low:.4g}"),
        )
        if count
    ]
    finding = Finding(
        "extreme-voxels",
        "warning",
        f"{' and '.join(said)}: {'it counts' if above + below == 1 else 'they count'} as {'that' if len(said) == 1 else 'those'}",
        "Look at them, and repair the file if they are damage",
    )
    return replace(volume.with_data(np.clip(data, np.float32(low), np.float32(high))), findings=(*volume.findings, finding))
