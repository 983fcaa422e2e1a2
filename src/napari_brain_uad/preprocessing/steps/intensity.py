"""Intensities inside the brain to a common scale; 0 stays around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.exposure import equalize_hist

from ...core.errors import InputError
from ...core.params import param
from ...core.volume import Volume
from ..step import Context, Step, StepResult


@dataclass(frozen=True)
class Intensity(Step):
    """Rescale the intensities of the brain.

    ``percentile``: the low percentile becomes 0, the high one 1, what lies beyond is clipped (Behrendt 2023: p1-p99).
    ``zscore``: mean 0, standard deviation 1. ``equalize``: histogram equalisation with 256 bins (Meissen 2022).
    ``match``: the brain's quantiles become those of the patient's reference sequence.
    """

    ID = "intensity"
    TITLE = "Normalise intensities"
    SHARE = 0.5

    method: str = param("percentile", "How", label="Normalisation", choices=("percentile", "zscore", "equalize", "match"))
    low: float = param(1.0, "Percentile that becomes 0 (for percentile)", label="Lower percentile", unit="%", low=0.0, high=49.0)
    high: float = param(99.0, "Percentile that becomes 1 (for percentile)", label="Upper percentile", unit="%", low=51.0, high=100.0)

    def apply(self, volume: Volume, context: Context) -> StepResult:
        """See `Step.apply`."""
        mask = volume.brain
        brain = volume.data[mask]
        if brain.size == 0 or brain.min() == brain.max():
            raise InputError(f"Intensities of {volume.name}", why="the brain is empty or constant", fix="Check the brain mask")
        result = np.zeros(volume.data.shape, np.float32, order="F")
        result[mask] = self._scaled(brain, volume, context)
        where = "in the brain" if volume.mask is not None else "in the whole image: no brain mask is known"
        return StepResult(volume.with_data(result), said=f"{self.method} {where}")

    def _scaled(self, brain: NDArray[np.float32], volume: Volume, context: Context) -> NDArray[np.float32]:
        if self.method == "zscore":
            return np.asarray(((brain - brain.mean(dtype=np.float64)) / brain.std(dtype=np.float64)), dtype=np.float32)
        if self.method == "equalize":
            return np.asarray(equalize_hist(brain, nbins=256), dtype=np.float32)
        if self.method == "match":
            return _matched(brain, volume, context)
        low, high = np.percentile(brain, (self.low, self.high))
        if high <= low:
            raise InputError(f"Intensities of {volume.name}", why="the two percentiles are equal", fix="Check the brain mask")
        return np.asarray(np.clip((brain - low) / (high - low), 0.0, 1.0), dtype=np.float32)


def _matched(brain: NDArray[np.float32], volume: Volume, context: Context) -> NDArray[np.float32]:
    """Histogram matching by 256 quantiles, linear between them."""
    reference = context.reference
    if reference is None or reference.volume.mask is None:
        raise InputError(
            f"{volume.name} cannot be matched", why="no reference scan with a brain mask is given", fix="Give one, or use zscore"
        )
    ranks = np.linspace(0.0, 1.0, 256)
    own = np.quantile(brain, ranks)
    wanted = np.quantile(reference.volume.data[reference.volume.mask], ranks)
    return np.asarray(np.interp(brain, own, wanted), dtype=np.float32)
