"""What a run will take, said before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.volume import Volume
from ..detectors.registry import method_class

_OWN_BYTES_PER_VOXEL = 30
"""Scan, map, masks and post-processing of one volume, whatever the method."""


_STEP_SECONDS = {"brain_extraction": 15.0, "n4": 6.0, "register_mni": 10.0, "coregister": 8.0, "tissue_classes": 12.0}
"""On two cores, for a head of 1 mm; the steps that are not named take about a second together."""

_ONCE = ("brain_extraction", "register_mni")
"""Further sequences of a patient take these over from the first, and are aligned to it instead."""


@dataclass(frozen=True)
class Estimate:
    """Time, peak memory and a line that says both."""

    seconds: float
    bytes: int
    words: str


def estimate(method: str, volume: Volume) -> Estimate:
    """Estimate a run of `method` on `volume` from the figures on the method's card."""
    info = method_class(method).INFO
    voxels = volume.data.size
    seconds = 0.5 + info.seconds_per_megavoxel * voxels / 1e6
    memory = int((info.bytes_per_voxel + _OWN_BYTES_PER_VOXEL) * voxels)
    return told(seconds, memory)


def preparation_seconds(pipeline: Iterable[Mapping[str, Any]], sequences: int = 1) -> float:
    """How long preparing a raw head takes."""
    steps = [str(entry["step"]) for entry in pipeline]
    first = 2.0 + sum(_STEP_SECONDS.get(step, 0.0) for step in steps if step != "coregister")
    further = 2.0 + sum(_STEP_SECONDS.get(step, 0.0) for step in steps if step not in _ONCE)
    return first + (sequences - 1) * further


def preparation_words(pipeline: Iterable[Mapping[str, Any]], sequences: int = 1) -> str:
    """How long preparing a raw head takes, like "about 35 s"."""
    seconds = preparation_seconds(pipeline, sequences)
    return f"about {5 * max(1, round(seconds / 5))} s" if seconds < 90 else f"about {seconds / 60:.1g} min"


def told(seconds: float, memory: int, *more: str) -> Estimate:
    """Time and memory in words, and what else there is to say."""
    amount = f"{memory / 1e9:.1f} GB" if memory >= 1e8 else f"{memory / 1e6:.0f} MB"
    return Estimate(seconds, memory, ". ".join((f"{duration_words(seconds)}, {amount} of memory", *more)))


def duration_words(seconds: float) -> str:
    """A time, like "About 12 min"."""
    if seconds < 2:
        return "Under 2 s"
    if seconds < 90:
        return f"About {seconds:.0f} s"
    return f"About {seconds / 60:.0f} min" if seconds < 5400 else f"About {seconds / 3600:.1f} h"
