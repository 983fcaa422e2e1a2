"""What a threshold is: a rule the user states, and the number that came out of it with a sentence on where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

RULES = ("value", "otsu", "otsu-slice", "percentile", "best-dice", "healthy-ml", "healthy-fpr", "fdr")
"""value: a number. otsu / otsu-slice: Otsu inside the brain, per volume / per axial slice. percentile: of the brain's scores.
best-dice: the one whose cleaned-up mask has the highest Dice against a ground truth. healthy-ml, healthy-fpr: the one at which an average
healthy brain shows this many ml, or this fraction of itself, after the clean-up. fdr: that of the default, and of its regions only those
that differ from healthy brains at this false discovery rate."""

FROM_HEALTHY = ("healthy-ml", "healthy-fpr", "fdr")
"""The rules that need healthy brains: a method's reference, or maps of healthy scans."""

DEFAULT_ML = 3.0
"""What an average healthy brain may show, in ml, at the default threshold of every method that has a healthy reference. One number for all:
most brains then show less than 1 ml and a few much more, and tumours keep their extent (docs/calibration.md has the figures)."""

_NEEDS_NUMBER = {
    "value": (-np.inf, np.inf),
    "percentile": (0.0, 100.0),
    "healthy-ml": (0.0, 1000.0),
    "healthy-fpr": (0.0, 1.0),
    "fdr": (0.0, 1.0),
}


@dataclass(frozen=True)
class ThresholdRule:
    """How a threshold is to be found.

    Parameters
    ----------
    kind : str
        One of `RULES`.
    number : float, optional
        The score (value), the percentile (0-100), the volume in ml (healthy-ml) or the rate (0-1); None for the other rules.

    Raises
    ------
    InputError
        For an unknown rule, or a number missing or out of range.
    """

    kind: str
    number: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in RULES:
            raise InputError(f"Threshold rule '{self.kind}' is not known", fix=f"Known rules: {', '.join(RULES)}")
        if self.kind not in _NEEDS_NUMBER:
            return
        low, high = _NEEDS_NUMBER[self.kind]
        if self.number is None or not np.isfinite(self.number) or not low <= self.number <= high:
            wanted = "a finite number" if np.isinf(high) else f"a number from {low:g} to {high:g}"
            why = "it has no number" if self.number is None else f"{self.number} is not {wanted}"
            fix = f"Give {wanted}, as in 0.9, percentile:98, healthy-ml:1 or fdr:0.05"
            raise InputError(f"Threshold rule '{self.kind}'", why=why, fix=fix)

    @classmethod
    def parse(cls, text: str) -> ThresholdRule:
        """Read 0.9, ``otsu``, ``otsu-slice``, ``best-dice``, ``percentile:98``, ``healthy-ml:1``, ``healthy-fpr:0.01``, ``fdr:0.05``."""
        kind, _, number = text.partition(":")
        if kind in RULES and not number:
            return cls(kind)
        try:
            return cls(kind, float(number)) if kind in RULES else cls("value", float(text))
        except ValueError:
            raise InputError(
                f"Threshold '{text}' is not understood",
                fix="Give a number, otsu, otsu-slice, best-dice, percentile:P, healthy-ml:ML, healthy-fpr:RATE or fdr:RATE",
            ) from None

    def __str__(self) -> str:
        if self.number is None:
            return self.kind
        # Six digits read well; where they would change the number, all of them are written, so that `parse` gives it back.
        number = f"{self.number:g}" if float(f"{self.number:g}") == self.number else repr(float(self.number))
        return number if self.kind == "value" else f"{self.kind}:{number}"


class Healthy(Protocol):
    """What thresholds are set by, and regions judged by: how healthy brains score after the same clean-up.

    Implemented by `calibration.reference.HealthyReference`.
    """

    @property
    def default(self) -> ThresholdRule:
        """The rule of a method that has this reference."""
        ...

    @property
    def sets_default(self) -> bool:
        """Whether its thresholds rest on real brains alone: only then is its rule the method's default."""
        ...

    def threshold(self, rule: ThresholdRule) -> tuple[float, str]:
        """The score that a rule of `FROM_HEALTHY` asks for, and where it came from in words."""
        ...

    def discoveries(self, strengths: Sequence[float], threshold: float, rate: float) -> NDArray[np.bool_]:
        """Which regions of these strengths (score above the threshold x ml) differ from healthy ones at a false discovery rate."""
        ...


@dataclass(frozen=True, eq=False)
class Threshold:
    """A threshold in the unit of the map's score. A voxel is flagged when ``score > value``.

    Parameters
    ----------
    value : float
        The threshold; for a per-slice rule the median over slices, for display only.
    rule : ThresholdRule
        The rule that gave it.
    origin : str
        Where it came from, in words: "Otsu on this volume", "set by hand", ...
    per_slice : array of float, shape (k,), optional
        One value an axial slice, which then replaces `value`.
    """

    value: float
    rule: ThresholdRule
    origin: str
    per_slice: NDArray[np.float64] | None = None

    def flag(self, score: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Voxels above the threshold; `score` has shape (i, j, k)."""
        # Compared in the map's own float32: a float64 threshold would otherwise promote 7 million voxels a tick.
        limit = np.float32(self.value) if self.per_slice is None else self.per_slice.astype(np.float32)
        return np.asarray(score > limit)

    def as_dict(self) -> dict[str, Any]:
        """The threshold as plain JSON data."""
        record: dict[str, Any] = {"value": self.value, "rule": str(self.rule), "origin": self.origin}
        if self.per_slice is not None:
            record["per_slice"] = [float(v) for v in self.per_slice]
        return record
