"""What methods give on one scan of a cohort, as a job of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...core.progress import Progress
from ...evaluation.lesions import scan_lesions
from ...evaluation.metrics import count
from ...evaluation.pooled import BrainScores
from ..compare.compare import Comparison, compare
from ..models.method_spec import MethodSpec
from ..report.cards import Used, used
from ..report.contents import ScanCurves
from ..report.slices import CaseSlices, case_slices
from .case import Case, CaseFailure, CohortRow, case_volume
from .scan_facts import ScanFacts, scan_facts


@dataclass(frozen=True, eq=False)
class ScanTask:
    """One scan and what is done to it; `options`: what `compare` takes besides. For the rest see `cohort.evaluate_cohort`."""

    case: Case
    specs: Sequence[MethodSpec]
    options: Mapping[str, Any]
    with_pooled: bool
    rest_healthy: bool
    with_slices: bool = False


@dataclass(frozen=True, eq=False)
class ScanFigures:
    """What methods gave on one scan; `scores` by method, for the figures over all scans together, when there is a ground truth.

    `slices` by method, for pictures, when asked for; `used` by method: with which settings and model.
    """

    rows: tuple[CohortRow, ...]
    failures: tuple[CaseFailure, ...]
    warnings: tuple[tuple[str, str], ...]
    facts: ScanFacts
    threshold: str
    scores: Mapping[str, BrainScores]
    slices: Mapping[str, CaseSlices] = field(default_factory=dict)
    used: Mapping[str, Used] = field(default_factory=dict)


def scan_figures(task: ScanTask, progress: Progress) -> ScanFigures:
    """Run the methods on one scan and measure them.

    Raises
    ------
    BrainUADError
        As `compare`.
    """
    case = task.case
    own: dict[str, Any] = {"truth": case.truth, "mask": case.mask, "age": case.covariates.age, "part_of_cohort": True}
    found = compare(case_volume(case), task.specs, **own, progress=progress, **task.options)
    found = found if case.thresholds is None else found.with_thresholds(case.thresholds)
    rows = tuple(_rows(case, found, task.rest_healthy))
    return ScanFigures(
        rows,
        tuple(CaseFailure(case.name, str(failure.spec), str(failure.error)) for failure in found.failures),
        tuple((case.name, finding.message) for finding in found.warnings),
        scan_facts(case, found.volume, rows[0].ill, rows[0].found),
        found.rule.words,
        _scores(found) if task.with_pooled else {},
        _slices(case.name, found) if task.with_slices else {},
        {run.title: used(run.spec, run.map) for run in found.runs},
    )


def _scores(found: Comparison) -> dict[str, BrainScores]:
    if found.truth is None:
        return {}
    return {run.title: BrainScores.of(run.result.score, found.truth, run.result.brain) for run in found.runs}


def _slices(name: str, found: Comparison) -> dict[str, CaseSlices]:
    cut = {run.title: case_slices(name, run.title, found.volume, run.map, run.result, found.truth) for run in found.runs}
    return {title: one for title, one in cut.items() if one is not None}


def _rows(case: Case, comparison: Comparison, rest_healthy: bool) -> list[CohortRow]:
    rows = []
    truth = comparison.truth
    said = False if rest_healthy and case.ill is None else case.ill
    ill = said if truth is None else bool(truth.any())
    for run, row in zip(comparison.runs, comparison.table(), strict=True):
        found = CohortRow(case.name, comparison.volume.sequence, row, None, 0, 0, run.verdict.rank, ill)
        found = replace(found, subject=case.person)
        if run.evaluation is not None and truth is not None:
            lesions, recall = int(run.evaluation["lesions"].value or 0), run.evaluation["lesion_recall"].value
            hit = 0 if recall is None else round(recall * lesions)
            by_lesion = scan_lesions(run.result.mask, truth, comparison.volume.grid.voxel_volume_mm3 / 1000.0)
            found = replace(found, counts=count(run.result.mask, truth), lesions=lesions, lesions_found=hit, found=by_lesion)
            ml = int(truth.sum()) * run.map.grid.voxel_volume_mm3 / 1000.0
            found = replace(found, true_ml=ml, curves=ScanCurves.of(run.evaluation))
        rows.append(found)
    return rows
