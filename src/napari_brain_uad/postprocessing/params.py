"""The settings of the post-processing, apart from the code that acts on them: the command line's help needs no scipy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..core.params import Params, param
from ..core.threshold import AUTO_RULE, SPELLINGS, ThresholdRule

MEDIAN_SIZES = (0, 3, 5, 7)
"""Sizes of the median filter, in voxels; 0 = off."""


FILTERS = ("median", "gaussian_mm", "erode")
"""Settings that change the scores themselves; the others are the threshold and what is done to the mask behind it."""


@dataclass(frozen=True)
class PostParams(Params):
    """Settings of the post-processing, in the order in which they act."""

    median: int = param(0, "3-D median filter of the score: 0 (off), 3, 5 or 7", label="Median filter", unit="voxels", choices=MEDIAN_SIZES)
    gaussian_mm: float = param(
        0.0, "Gaussian smoothing of the score (sigma)", label="Gaussian filter", unit="mm", low=0.0, high=20.0, step=0.5
    )
    erode: int = param(
        0, "Layers taken off the brain mask before thresholding", label="Brain mask erosion", unit="voxels", low=0, high=20, step=1
    )
    threshold: str = param(str(AUTO_RULE), f"How the threshold is found: {SPELLINGS}")
    opening: int = param(
        1,
        "Opening of the mask: layers eroded, then dilated (not across thick slices)",
        label="Mask opening",
        unit="voxels",
        low=0,
        high=10,
        step=1,
    )
    fill_holes: bool = param(False, "Fill holes that a region encloses")
    min_voxels: int = param(20, "Smallest region kept", label="Smallest region", unit="voxels", low=0, high=100_000, step=1)
    min_ml: float = param(
        0.0, "Smallest region kept; the larger of both limits counts", label="and at least", unit="ml", low=0.0, high=100.0, step=0.05
    )
    outline: float = param(
        0.7,
        "A region beyond healthy brains takes in what is connected with it above this share of the way from the brain's median score to "
        "the threshold, where healthy brains set that; 1 = off",
        label="Outline level",
        low=0.5,
        high=1.0,
        step=0.05,
    )
    edge_contrast: float = param(
        0.3,
        "A region ends at this share of the way from the intensity of the tissue around it to that of its core, where the scan clearly "
        "tells them apart and healthy brains set the threshold; 0 = off",
        label="Edge contrast",
        low=0.0,
        high=0.7,
        step=0.05,
    )
    connectivity: str = param(
        "26",
        "Neighbours that join a region: 6 (faces), 18 (edges, too), 26 (corners, too)",
        label="Voxel connectivity",
        choices=("6", "18", "26"),
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        # As rules write themselves, so that equal settings are equal.
        object.__setattr__(self, "threshold", str(ThresholdRule.parse(self.threshold)))

    @property
    def rule(self) -> ThresholdRule:
        """What `threshold` says."""
        return ThresholdRule.parse(self.threshold)

    def with_rule(self, rule: ThresholdRule) -> PostParams:
        """The same under another threshold rule."""
        return replace(self, threshold=str(rule))

    def smallest(self, voxel_volume_mm3: float) -> int:
        """Voxels that a region needs to be kept, from both limits."""
        # Rounded first: 0.02 ml in voxels of 1 mm3 are 20, not 20.000000000000004.
        return max(self.min_voxels, math.ceil(round(self.min_ml * 1000.0 / voxel_volume_mm3, 6)))


_SPELLING = {"min_ml": "min-size-ml", "min_voxels": "min-size-voxels"}


def post_option(field: str) -> str:
    """The command-line option of a field of `PostParams`, like ``--min-size-ml``."""
    return f"--{_SPELLING.get(field, field.replace('_', '-'))}"
