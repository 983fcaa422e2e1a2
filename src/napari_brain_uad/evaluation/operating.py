"""One threshold rule for several methods, so that their masks can be compared: absolute, percentile, or equally wrong when healthy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.errors import InputError
from ..core.threshold import Threshold, ThresholdRule
from ..postprocessing.params import PostParams
from ..postprocessing.pipeline import find_threshold

AUTO = "auto"
HEALTHY_ML = "healthy-ml"
"""``healthy-ml:2``: every method flags on average 2 ml a healthy scan. The fair one: all methods raise the same false alarm."""


@dataclass(frozen=True, eq=False)
class HealthyScores:
    """Brain scores of healthy scans, filtered as the scan's own map.

    Parameters
    ----------
    scores : tuple of array of float32, shape (n,)
        One array a scan.
    voxel_ml : tuple of float
        The volume of a voxel of each scan.
    """

    scores: tuple[NDArray[np.float32], ...]
    voxel_ml: tuple[float, ...]


@dataclass(frozen=True)
class ThresholdMode:
    """A rule that every method of a comparison follows.

    Parameters
    ----------
    text : str
        "auto": each method's own rule. ``0.9``, ``percentile:98``, ``otsu``, ``best-dice``, ``healthy-fpr:0.01``: as in detect.
        ``healthy-ml:2``: see `HEALTHY_ML`.

    Raises
    ------
    InputError
        If it is not understood.
    """

    text: str = AUTO

    def __post_init__(self) -> None:
        if self.text == AUTO or self.healthy_ml is not None:
            return
        ThresholdRule.parse(self.text)

    @property
    def healthy_ml(self) -> float | None:
        """The volume in ml of ``healthy-ml:ML``; None for other rules."""
        kind, _, number = self.text.partition(":")
        if kind != HEALTHY_ML:
            return None
        try:
            volume = float(number)
        except ValueError:
            volume = float("nan")
        if not (np.isfinite(volume) and volume >= 0):
            raise InputError(
                f"Threshold '{self.text}'", why="its volume is not a number from 0 on", fix=f"Write for example {HEALTHY_ML}:2"
            )
        return volume

    @property
    def needs_healthy(self) -> bool:
        """Whether healthy scans are needed."""
        return self.healthy_ml is not None or self.text.startswith("healthy-fpr")

    @property
    def words(self) -> str:
        """The rule, for people."""
        if self.text == AUTO:
            return "each method's own rule"
        if self.healthy_ml is not None:
            return f"the same false-positive volume on healthy scans: {self.healthy_ml:g} ml a scan"
        rule = ThresholdRule.parse(self.text)
        number = 0.0 if rule.number is None else rule.number
        return {
            "value": f"one score for all: {number:g}",
            "percentile": f"percentile {number:g} of each method's scores in this brain",
            "healthy-fpr": f"the same false-positive rate on healthy scans: {100 * number:g} %",
            "best-dice": "each method's best Dice on this scan (uses the truth)",
            "otsu": "Otsu on each method's map",
            "otsu-slice": "Otsu on each axial slice of each method's map",
        }[rule.kind]


def shared_threshold(
    mode: ThresholdMode,
    amap: AnomalyMap,
    post: PostParams,
    filtered: tuple[NDArray[np.float32], NDArray[np.bool_]],
    *,
    truth: NDArray[np.bool_] | None = None,
    healthy: HealthyScores | None = None,
) -> Threshold:
    """The threshold of one method's map under the rule that all follow.

    Parameters
    ----------
    filtered : tuple of array
        What `postprocessing.pipeline.filtered_score` gave.

    Raises
    ------
    InputError
        If the rule needs a ground truth or healthy scans and has none.
    """
    if mode.healthy_ml is not None:
        return HealthyLevels(healthy).threshold(mode.healthy_ml)
    own = PostParams.from_dict(post.as_dict() | {"threshold": mode.text})
    return find_threshold(amap, own, filtered, truth=truth, healthy=None if healthy is None else healthy.scores)


class HealthyLevels:
    """Healthy scores sorted once, for the threshold of every false-positive volume.

    Parameters
    ----------
    healthy : HealthyScores or None
        The scores.

    Raises
    ------
    InputError
        If there are none.
    """

    def __init__(self, healthy: HealthyScores | None) -> None:
        if healthy is None or not any(scan.size for scan in healthy.scores):
            why = "it needs healthy scans, none were given"
            raise InputError(f"Threshold '{HEALTHY_ML}'", why=why, fix="Give some or choose another rule")
        scores = np.concatenate(healthy.scores)
        volumes = np.repeat(healthy.voxel_ml, [scan.size for scan in healthy.scores])
        self._levels, level_of = np.unique(scores, return_inverse=True)
        at_level = np.bincount(level_of, weights=volumes)
        self._above = at_level[::-1].cumsum()[::-1] - at_level
        self._scans = len(healthy.scores)

    def threshold(self, volume_ml: float) -> Threshold:
        """Lowest score of the voxels above which at most `volume_ml` a scan lies on average, before regions are dropped."""
        allowed = volume_ml * self._scans * (1 + 1e-9) + 1e-9
        # The volume above a score falls as the score rises: the first level that keeps to what is allowed.
        first = self._above.size - int(np.searchsorted(self._above[::-1], allowed, side="right"))
        value = float(self._levels[first])
        scans = "1 healthy scan" if self._scans == 1 else f"each of {self._scans} healthy scans on average"
        return Threshold(value, ThresholdRule("value", value), f"flags {volume_ml:g} ml in {scans}")


def fixed(post: PostParams, threshold: Threshold) -> PostParams:
    """Post-processing with a threshold that was found already, written so that it is read back to the last bit."""
    return PostParams.from_dict(post.as_dict() | {"threshold": repr(threshold.value)})


def flagged_on_average(threshold: float, healthy: HealthyScores) -> float:
    """Volume (ml) flagged a healthy scan on average, before regions are dropped."""
    parts: Sequence[float] = [
        float(np.count_nonzero(scores > np.float32(threshold))) * ml for scores, ml in zip(healthy.scores, healthy.voxel_ml, strict=True)
    ]
    return float(np.mean(parts))
