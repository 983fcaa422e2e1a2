"""What the trial methods' cards share."""

from __future__ import annotations

from napari_brain_uad.core.detector import MethodInfo
from napari_brain_uad.core.threshold import ThresholdRule


def card(method: str, name: str) -> MethodInfo:
    return MethodInfo(
        id=method,
        name=name,
        family="Trial",
        summary="For tests alone.",
        paper="None, doi:10.0000/none",
        licence="BSD-3-Clause; no weights",
        needs="A brain mask (or a skull-stripped scan)",
        sequences=(),
        trainable=True,
        score_unit="error",
        default_threshold=ThresholdRule("percentile", 98.0),
        seconds_per_megavoxel=1.0,
        bytes_per_voxel=24.0,
    )
