"""The card that the cards of all methods with a network are made from: ``replace(LEARNED, family=...)`` says what differs."""

from __future__ import annotations

from ...core.detector import MethodInfo
from ...core.threshold import ThresholdRule

LEARNED = MethodInfo(
    id="",
    name="",
    family="",
    summary="",
    paper="",
    licence="BSD-3-Clause; weights: see the model's card",
    needs="A scan of the sequence the model was trained on, and a brain mask (or a skull-stripped scan)",
    sequences=("FLAIR", "T2", "T1", "T1c"),
    trainable=True,
    score_unit="reconstruction error (intensities: brain p1-p99 = 0-1)",
    # Residuals of healthy tissue have no gap that Otsu's rule could find; the top 2 % of the brain is an honest start by hand.
    default_threshold=ThresholdRule("percentile", 98.0),
    preset="clinical",
    devices=("cpu", "cuda", "mps"),
    bytes_per_voxel=24.0,
    colour_limits=(0.0, 0.5),
)
