"""What a threshold is: a rule the user states, and the number that came out of it with a sentence on where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .text import did_you_mean

HEALTHY_ML = "healthy-ml"
"""The fair rule for several methods: all raise the same false alarm in healthy brains."""

DEFAULT_ML = 3.0
"""What an average healthy brain may show, in ml, at the default threshold of every method that has a healthy reference. One number for all:
most brains then show less than 1 ml and a few much more, and tumours keep their extent (docs/calibration.md has the figures)."""


@dataclass(frozen=True)
class RuleKind:
    """One kind of rule.

    Parameters
    ----------
    title : str
        What forms call it.
    words : str
        The rule in words, with the number in braces.
    spelled : str
        How it is written, for help texts.
    low, high : float, optional
        The range of its number; None for rules without one.
    unit : str
        The number's.
    needs : str
        "truth", "healthy" (a method's healthy reference, or maps of healthy scans), or nothing.
    """

    title: str
    words: str
    spelled: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    needs: str = ""


RULES = {
    "auto": RuleKind("method's default", "the method's own rule", "auto"),
    "value": RuleKind("by hand", "the score {:g}", "a number", -np.inf, np.inf),
    "otsu": RuleKind("Otsu", "Otsu on the volume", "otsu"),
    "otsu-slice": RuleKind("Otsu per slice", "Otsu on each axial slice", "otsu-slice"),
    "percentile": RuleKind("percentile", "percentile {:g} of the brain's scores", "percentile:P", 0.0, 100.0, "%"),
    "best-dice": RuleKind("best Dice", "best Dice on this scan (uses the truth)", "best-dice", needs="truth"),
    HEALTHY_ML: RuleKind("healthy ml", "{:g} ml in an average healthy brain", "healthy-ml:ML", 0.0, 1000.0, "ml", "healthy"),
    "healthy-fpr": RuleKind("healthy part", "the part {:g} of healthy brain", "healthy-fpr:RATE", 0.0, 1.0, needs="healthy"),
    "fdr": RuleKind(
        "false discoveries", "regions beyond healthy ones at a false discovery rate of {:g}", "fdr:RATE", 0.0, 1.0, needs="healthy"
    ),
}
"""All kinds, in the order of forms. Otsu and percentile look at the scores inside the brain. best-dice: the threshold whose cleaned-up mask
has the highest Dice. healthy-ml, healthy-fpr: the one at which an average healthy brain shows this many ml, or this part of itself, after
the clean-up. fdr: that of the default, and of its regions only those that differ from healthy brains."""

SPELLINGS = ", ".join(kind.spelled for kind in RULES.values())
"""For help texts."""


@dataclass(frozen=True)
class ThresholdRule:
    """How a threshold is to be found: the one way to say it, in docks, commands, scripts and records.

    Parameters
    ----------
    kind : str
        One of `RULES`.
    number : float, optional
        The score (value), the percentile (0, or 1 to 100), the volume in ml (healthy-ml) or the rate (below 1); None for the other rules.

    Raises
    ------
    InputError
        For an unknown rule, a number missing, out of range or too many, or a percentile between 0 and 1 (``percentile:0.98``), which means
        another one (``percentile:98``), as a rate of 1 and more does.
    """

    kind: str
    number: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in RULES:
            raise InputError(f"Threshold rule '{self.kind}' is not known", fix=f"{did_you_mean(self.kind, RULES)}Write one of: {SPELLINGS}")
        low, high = self.about.low, self.about.high
        if low is None or high is None:
            if self.number is not None:
                raise InputError(f"Threshold rule '{self.kind}'", why="it takes no number", fix=f"Write {self.kind}")
            return
        self._check_percent()
        if self.number is None or not np.isfinite(self.number) or not low <= self.number <= high:
            wanted = "a finite number" if np.isinf(high) else f"a number from {low:g} to {high:g}"
            why = "it has no number" if self.number is None else f"{self.number} is not {wanted}"
            fix = f"Give {wanted}, as in 0.9, percentile:98, healthy-ml:1 or fdr:0.05"
            raise InputError(f"Threshold rule '{self.kind}'", why=why, fix=fix)

    def _check_percent(self) -> None:
        """Refuse a percentile given as a fraction, and a rate in percent: taken as written, they flag nearly everything."""
        number = self.number or 0.0
        if self.about.unit == "%" and 0.0 < number < 1.0:
            meant, why = 100.0 * number, f"percentiles go from 0 to 100, and nearly everything lies above the one of {number:g}"
            words = f"the percentile {meant:.12g}"
        elif self.about.high == 1.0 and 1.0 <= number < 100.0:
            meant, why = number / 100.0, f"it takes a rate below 1, and {number:g} is all there is{' and more' * (number > 1.0)}"
            words = f"{number:g} %"
        else:
            return
        raise InputError(f"Threshold rule '{self.kind}:{number:g}'", why=why, fix=f"For {words} write {self.kind}:{meant:.12g}")

    @classmethod
    def parse(cls, text: str) -> ThresholdRule:
        """Read what `str` writes: ``auto``, ``0.9``, ``otsu``, ``percentile:98``, ``healthy-ml:1``, ...

        Raises
        ------
        InputError
            For anything else.
        """
        kind, colon, number = text.partition(":")
        if kind in RULES and not colon:
            return cls(kind)
        try:
            return cls(kind, float(number)) if kind in RULES else cls("value", float(text))
        except ValueError:
            hint = did_you_mean(kind, RULES)
            if text.endswith("%") and kind in ("percentile", text):
                hint = f"For a percentile write percentile:{(number or text)[:-1].strip()}. "
            raise InputError(f"Threshold '{text}' is not understood", fix=f"{hint}Write one of: {SPELLINGS}") from None

    def __str__(self) -> str:
        if self.number is None:
            return self.kind
        # Six digits read well; where they would change the number, all of them are written, so that `parse` gives it back.
        number = f"{self.number:g}" if float(f"{self.number:g}") == self.number else repr(float(self.number))
        return number if self.kind == "value" else f"{self.kind}:{number}"

    @property
    def about(self) -> RuleKind:
        """What is known of its kind."""
        return RULES[self.kind]

    @property
    def words(self) -> str:
        """The rule, for people."""
        return self.about.words.format(self.number)

    @property
    def needs_truth(self) -> bool:
        """Whether it needs a ground truth."""
        return self.about.needs == "truth"

    @property
    def needs_healthy(self) -> bool:
        """Whether it needs healthy brains."""
        return self.about.needs == "healthy"


AUTO_RULE = ThresholdRule("auto")
"""The method's own."""


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
        """The score that a rule which needs healthy brains asks for, and where it came from in words."""
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
