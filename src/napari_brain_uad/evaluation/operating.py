"""One threshold rule for several methods, so that their masks can be compared: absolute, percentile, or equally wrong when healthy."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.threshold import FROM_HEALTHY, ThresholdRule

AUTO = "auto"
HEALTHY_ML = "healthy-ml"
"""``healthy-ml:2``: every method flags on average 2 ml a healthy scan. The fair one: all methods raise the same false alarm."""


@dataclass(frozen=True)
class ThresholdMode:
    """A rule that every method of a comparison follows.

    Parameters
    ----------
    text : str
        "auto": each method's own rule; or a rule as in detect, see `core.threshold.ThresholdRule`.

    Raises
    ------
    InputError
        If it is not understood.
    """

    text: str = AUTO

    def __post_init__(self) -> None:
        if self.text != AUTO:
            ThresholdRule.parse(self.text)

    @property
    def needs_healthy(self) -> bool:
        """Whether healthy brains are needed: scans that are given, or each method's reference."""
        return self.text != AUTO and ThresholdRule.parse(self.text).kind in FROM_HEALTHY

    @property
    def words(self) -> str:
        """The rule, for the user."""
        if self.text == AUTO:
            return "each method's own rule"
        rule = ThresholdRule.parse(self.text)
        number = 0.0 if rule.number is None else rule.number
        return {
            "value": f"one score for all: {number:g}",
            "percentile": f"percentile {number:g} of each method's scores in this brain",
            "healthy-ml": f"the same false-positive volume on healthy scans: {number:g} ml a scan",
            "healthy-fpr": f"the same false-positive rate on healthy scans: {100 * number:g} %",
            "fdr": f"each method's default, and of its regions those beyond healthy ones at a false discovery rate of {100 * number:g} %",
            "best-dice": "each method's best Dice on this scan (uses the truth)",
            "otsu": "Otsu on each method's map",
            "otsu-slice": "Otsu on each axial slice of each method's map",
        }[rule.kind]
