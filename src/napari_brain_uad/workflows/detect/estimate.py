"""What a run will take, said before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.volume import Volume
from ...detectors.registry import method_class

_OWN_BYTES_PER_VOXEL = 30
"""Scan, map, masks and post-processing of one volume, whatever the method."""

_POST_SECONDS, _TRUTH_SECONDS = 0.05, 0.45
"""A million voxels, on one core: filters, threshold and regions; with a ground truth, curves and the search for the best threshold."""

_READING, _PROCESS, _SHOWING, _CELL = 0.3, 4.0, 1.0, 0.4
"""Seconds, whatever the size: reading and checking; starting the process that learned methods compute in, which then stays for the next
scan; layers and the Tune dock; a cell of a comparison."""

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


@dataclass(frozen=True)
class Parts:
    """Seconds of a run by what is done: before scoring, scoring, what follows on it, and showing it in a window."""

    start: float
    score: float
    finish: float
    show: float = 0.0

    @property
    def total(self) -> float:
        """From the click to the picture."""
        return self.start + self.score + self.finish + self.show


def parts(method: str, volume: Volume, *, truth: bool = False, window: bool = False) -> Parts:
    """Estimate what a run of `method` on `volume` consists of, from the figures on the method's card.

    Parameters
    ----------
    truth : bool
        Whether there is a ground truth to evaluate against.
    window : bool
        Whether the result is shown, and learned methods compute in a process of their own.
    """
    info = method_class(method).INFO
    millions = volume.data.size / 1e6
    start = _READING + (_PROCESS if window and info.devices != ("cpu",) else 0.0)
    finish = (_POST_SECONDS + (_TRUTH_SECONDS if truth else 0.0)) * millions
    return Parts(start, info.seconds_per_megavoxel * millions, finish, _SHOWING if window else 0.0)


def estimate(method: str, volume: Volume, *, truth: bool = False, window: bool = False) -> Estimate:
    """Estimate a run of `method` on `volume`, from the click to the picture; see `parts`."""
    info = method_class(method).INFO
    memory = int((info.bytes_per_voxel + _OWN_BYTES_PER_VOXEL) * volume.data.size)
    return told(parts(method, volume, truth=truth, window=window).total, memory)


def comparison_parts(methods: Sequence[str], volume: Volume, *, truth: bool = False) -> Parts:
    """`parts` of a comparison in a window: the process is started once, and every method has a cell."""
    each = [parts(method, volume, truth=truth, window=True) for method in methods]
    start = max((part.start for part in each), default=0.0)
    return Parts(start, sum(part.score for part in each), sum(part.finish for part in each), _SHOWING + _CELL * len(each))


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
