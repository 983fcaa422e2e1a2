"""What a detector returns: the raw score of every voxel, where it lies, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import check_finite, check_same_shape, raise_errors
from .errors import InputError
from .threshold import AUTO_RULE, ThresholdRule
from .volume import Grid, Source

UNKNOWN_METHOD = "unknown"
"""The method of a map of which no record says what made it: another program's, or a file that is no map."""


@dataclass(frozen=True, eq=False)
class AnomalyMap:
    """A raw anomaly score on a grid.

    Parameters
    ----------
    score : array of float32, shape (i, j, k)
        Higher = more abnormal; finite; never normalised per image. Voxels outside `mask` hold `background`.
    grid : Grid
        Where the voxels lie: the grid of the scan that was scored.
    mask : array of bool
        The brain: the voxels that were scored.
    unit : str
        What the score measures, like "quantile of the brain's intensities".
    method : str
        The method's id.
    name : str
        Name of the scan.
    default_threshold : ThresholdRule
        The method's own rule, used when the user asks for none.
    source : Source, optional
        The file the scan came from: how results go back to its space.
    provenance : mapping
        How the map was made (JSON data): method, parameters, weights' sha256, input's sha256, steps, versions, seed.
    background : float
        The score given to voxels that were not scored.
    scan : array of float32, shape (i, j, k), optional
        The intensities of the scan itself, where they are at hand; not part of what is saved.
    """

    score: NDArray[np.float32] = field(repr=False)
    grid: Grid
    mask: NDArray[np.bool_] = field(repr=False)
    unit: str
    method: str
    name: str
    default_threshold: ThresholdRule
    source: Source | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    background: float = 0.0
    scan: NDArray[np.float32] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.default_threshold == AUTO_RULE:
            raise InputError(f"Anomaly map of {self.name}", why="its default threshold is no rule", fix="Make the map again")
        raise_errors(
            f"Anomaly map of {self.name}",
            (
                check_same_shape(self.grid.shape, self.score.shape, "score"),
                check_same_shape(self.grid.shape, self.mask.shape, "brain mask"),
                None if self.scan is None else check_same_shape(self.grid.shape, self.scan.shape, "scan"),
                check_finite(self.score),
            ),
        )

    def brain_scores(self) -> NDArray[np.float32]:
        """The scores inside the brain, shape (n,)."""
        return self.score[self.mask]
