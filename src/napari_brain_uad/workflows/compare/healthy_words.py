"""What the healthy scans beside a comparison are used for, in words."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.text import counted
from .compare import Comparison, MethodRun


def healthy_words(comparison: Comparison, given: int) -> str:
    """Which thresholds and verdicts rest on the healthy scans, under the rule as it is; empty where none were given.

    Parameters
    ----------
    comparison : Comparison
        At rest.
    given : int
        How many healthy scans were given with it.
    """
    if not given:
        return ""
    who = f"the {counted(given, 'healthy scan')} given"
    runs = [run for run in comparison.runs if run.healthy_for(comparison.post) is not None]
    if not runs:
        return f"Under this rule nothing rests on {who}: scores of these methods cannot be compared between brains"
    thresholds = [run for run in runs if run.result.threshold.rule.needs_healthy]
    verdicts = [run for run in runs if run.verdict.applies]
    alike = thresholds == verdicts
    parts = {"thresholds and verdicts": verdicts} if alike else {"thresholds": thresholds, "verdicts": verdicts}
    told = " and ".join(f"{what}{_whose(those, comparison)}" for what, those in parts.items() if those)
    if not told:
        return f"Nothing rests on {who}: {runs[0].verdict.why_not}"
    return f"{told[:1].upper()}{told[1:]} rest on {who}, in place of the methods' own references"


def _whose(runs: Sequence[MethodRun], comparison: Comparison) -> str:
    return "" if len(runs) == len(comparison.runs) else f" of {', '.join(run.title for run in runs)}"
