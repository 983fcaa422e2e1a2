"""How far methods hold on scans as other scanners and restless people would give them: apart from how well they find lesions.

Every scan is evaluated as it is, then with each alteration at three strengths, by the code that evaluates any cohort. Thresholds are those
of the scan as it is: a rule that looks at each scan anew (a percentile) would flag the same volume whatever happens to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...calibration.verdict import ALPHA
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.seed import check_seed
from ...evaluation.significance import Interval, bootstrap_mean
from ..models.method_spec import MethodSpec
from .alter import KINDS, Alteration
from .case import Case, CaseFailure, CohortRow, told_apart
from .cohort import cases_sha256, evaluate_cohort

AS_IS = ""
"""The kind of a scan that nothing was done to; its level is 0."""


@dataclass(frozen=True)
class StressRow:
    """A method on a scan as it is, or altered."""

    case: str
    kind: str
    level: int
    row: CohortRow

    @property
    def strength(self) -> float:
        """In the unit of the kind; 0 as it is."""
        return KINDS[self.kind].strengths[self.level - 1] if self.level else 0.0


@dataclass(frozen=True)
class StressFigures:
    """A method under an alteration at a strength; `level` 0 is as it is.

    Parameters
    ----------
    flagged_ml, flagged_change : Interval or None
        Volume flagged in healthy scans, and how much more than in the same scans as they are.
    beyond : float or None
        The part of healthy scans whose verdict is "beyond healthy variation"; None where no healthy reference applies.
    dice, dice_change : Interval or None
        Of the masks in ill scans, and how much more than as they are.
    """

    method: str
    kind: str
    level: int
    strength: float
    flagged_ml: Interval | None
    flagged_change: Interval | None
    beyond: float | None
    dice: Interval | None
    dice_change: Interval | None


@dataclass(frozen=True, eq=False)
class Stress:
    """What methods gave on a cohort as it is and altered.

    Parameters
    ----------
    methods, kinds : tuple of str
    rows : tuple of StressRow
        Scan by scan.
    failures : tuple of CaseFailure
        Altered scans have the name of the scan, the kind and the level.
    threshold : str
        The rule, in words; applied to scans as they are.
    kept : bool
        Whether altered scans keep that threshold; otherwise the rule is applied to each anew.
    """

    methods: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: tuple[StressRow, ...]
    failures: tuple[CaseFailure, ...]
    threshold: str
    kept: bool
    cases_sha256: str
    warnings: tuple[tuple[str, str], ...] = ()

    def figures(self) -> tuple[StressFigures, ...]:
        """A line a method, kind and level, those as they are among them."""
        return tuple(
            self._figures(method, kind, level)
            for method in self.methods
            for kind, level in ((AS_IS, 0), *((kind, level) for kind in self.kinds for level in (1, 2, 3)))
        )

    def _figures(self, method: str, kind: str, level: int) -> StressFigures:
        own = {one.case: one.row for one in self.rows if (one.row.figures.method, one.kind, one.level) == (method, kind, level)}
        plain = {one.case: one.row for one in self.rows if one.row.figures.method == method and not one.level}
        healthy = {case: row for case, row in own.items() if row.ill is False}
        ill = {case: row.figures.dice for case, row in own.items() if row.ill and row.figures.dice is not None}
        before = {case: plain[case].figures.dice for case in ill if case in plain}
        p_values = [row.figures.scan_p for row in healthy.values() if row.figures.scan_p is not None]

        def mean(values: Mapping[str, float]) -> Interval | None:
            return bootstrap_mean(list(values.values()), groups=[own[case].person for case in values])

        return StressFigures(
            method,
            kind,
            level,
            KINDS[kind].strengths[level - 1] if level else 0.0,
            mean({case: row.figures.flagged_ml for case, row in healthy.items()}),
            mean({case: row.figures.flagged_ml - plain[case].figures.flagged_ml for case, row in healthy.items() if case in plain}),
            sum(p <= ALPHA for p in p_values) / len(p_values) if p_values else None,
            mean(ill),
            mean({case: ill[case] - value for case, value in before.items() if value is not None}),
        )


@told_as_error()
def stress_cohort(
    cases: Sequence[Case],
    methods: Iterable[str | MethodSpec],
    *,
    kinds: Sequence[str] = (),
    keep_thresholds: bool = True,
    rest_healthy: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> Stress:
    """Run methods on every scan as it is and altered.

    Parameters
    ----------
    cases : sequence of Case
        Healthy scans, and ill ones with a ground truth.
    methods, options
        As in `cohort.evaluate_cohort`.
    kinds : sequence of str
        Keys of `alter.KINDS`; all when empty.
    keep_thresholds : bool
        Altered scans are thresholded where the scan as it is was. Otherwise the rule is applied to each anew.
    rest_healthy : bool
        Scans without a ground truth are healthy.
    seed : int
        Of the alterations too: a scan has the same noise and field at all strengths.

    Returns
    -------
    Stress

    Raises
    ------
    InputError, Cancelled, BrainUADError
        As `cohort.evaluate_cohort`.
    """
    progress, kinds, shown = progress or Progress(), tuple(kinds or KINDS), told_apart(cases)
    how: dict[str, Any] = {"with_pooled": False, "rest_healthy": rest_healthy, "seed": check_seed(seed), **options}
    share = 1.0 / (1.0 + 3.0 * len(kinds))
    plain = evaluate_cohort(shown, methods := tuple(methods), progress=progress.part(0.0, share), **how)
    thresholds: dict[str, dict[str, float]] = {}
    for row in plain.rows:
        thresholds.setdefault(row.case, {})[row.figures.method] = row.figures.threshold
    given = {f"{name} {kind}-{level}": (name, kind, level) for name in thresholds for kind in kinds for level in (1, 2, 3)}
    changed = _changed(shown, given, thresholds if keep_thresholds else {}, seed)
    after = evaluate_cohort(changed, methods, progress=progress.part(share, 1.0), **how)
    rows = [StressRow(row.case, AS_IS, 0, row) for row in plain.rows]
    rows += [StressRow(*given[row.case], row) for row in after.rows]
    return Stress(
        plain.methods,
        kinds,
        tuple(rows),
        (*plain.failures, *after.failures),
        plain.threshold,
        keep_thresholds,
        cases_sha256(cases),
        (*plain.warnings, *after.warnings),
    )


def _changed(
    cases: Sequence[Case], given: Mapping[str, tuple[str, str, int]], thresholds: Mapping[str, Mapping[str, float]], seed: int
) -> list[Case]:
    """The altered scans, by the names that `given` has for scan, kind and level."""
    by_name = {case.name: case for case in cases}
    return [
        replace(by_name[name], name=title, alteration=Alteration(kind, level, name, seed), thresholds=thresholds.get(name))
        for title, (name, kind, level) in given.items()
    ]
