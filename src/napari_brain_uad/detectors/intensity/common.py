"""What the methods share that threshold intensities."""

from __future__ import annotations

from ...core.detector import MethodInfo
from ...core.threshold import ThresholdRule

MEASURED_WITH = "brain-uad evaluate; 100 thresholds, 6-connected components under 20 voxels dropped, whole volume"

CARD = MethodInfo(
    id="",
    name="",
    family="Threshold",
    summary="",
    paper="",
    licence="BSD-3-Clause; no weights",
    needs="One scan in which lesions are bright (FLAIR, T2) and a brain mask (or a skull-stripped scan)",
    sequences=("FLAIR", "T2", "T1c"),
    trainable=False,
    score_unit="",
    default_threshold=ThresholdRule("percentile", 95.0),
    bytes_per_voxel=24.0,
)
"""The family's: a method's card says what differs."""
