"""Methods over a folder of scans with ground truths: one table, per volume, mean and pooled."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import BrainUADError, InputError
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.volume import Volume
from ...evaluation.image_level import ImageLevel, image_level
from ...evaluation.pooled import Pooled, pool
from ...evaluation.protocols import Figures, Protocol, measured
from ...evaluation.significance import DRAWS, Auroc, Interval, bootstrap_mean, permutation_test, scan_auroc
from ...io.folders import temporary_folder
from ...io.streams import is_file
from ...postprocessing.ranking import Counts
from ..compare.distinct import check_distinct, specs_of
from ..execution.parallel import as_done
from ..execution.workers import Workers
from ..models.method_spec import MethodSpec
from ..report.cards import Used, add_used
from ..report.slices import ShownCase, ShownCases
from ..scans.load import MaskInput
from .case import Case, CaseFailure, CohortRow, told_apart
from .cases import cases_of as cases_of
from .kept_scores import KeptScores
from .scan_facts import ScanFacts
from .scan_figures import ScanFigures, ScanTask, scan_figures
from .study import ChosenThresholds, StudySettings, chosen_thresholds

_LOG = logging.getLogger(__name__)

SUMMARISED = ("best_dice", "best_dice_voxels", "dice", "auprc", "auroc", "pro", "lesion_recall", "false_positive_regions")
"""The columns whose means are given."""

TESTED = ("best_dice", "auprc")
"""The columns by which methods are tested against each other."""

MOST_PICTURES = 100
"""A method: each takes some 100 kB of the page."""


@dataclass(frozen=True)
class PairTest:
    """Paired permutation test between two methods over the scans that both have.

    `low` and `high` are the bounds of the 95 % bootstrap interval of the mean difference. Subjects are drawn, and their signs flipped,
    with all their scans.
    """

    first: str
    second: str
    column: str
    difference: float
    p: float
    scans: int
    low: float | None = None
    high: float | None = None
    subjects: int = 0
    paired: bool = True
    permutations: int = DRAWS


@dataclass(frozen=True, eq=False)
class Cohort:
    """What methods did on a cohort.

    Parameters
    ----------
    methods : tuple of str
        In the order asked for.
    rows : tuple of CohortRow
        Scan by scan.
    pooled : dict of str to Pooled
        Over all voxels of all scans, by method; empty when not asked for.
    failures : tuple of CaseFailure
    threshold : str
        The rule that all masks follow, in words.
    cases_sha256 : str
        See `cases_sha256`.
    warnings : tuple of (str, str)
        Names of scans, and what was found about them, their ground truths and results, in words.
    sequences : tuple of (str, str)
        Name of every scan, and its sequence and what says so.
    protocols : dict of str to dict
        By method and protocol: the figures as papers aggregate them; see `evaluation.protocols`.
    scans : tuple of ScanFacts
        Who and what every scan is.
    settings : StudySettings
        What is asked of the cohort as a study.
    chosen : dict of str to ChosenThresholds
        By method: what thresholds of other scans give; empty when not asked for.
    apart : dict of str to Cohort
        By sequence, when the scans are of several: the scans of each alone.
    shown : tuple of ShownCase
        The worst and best cases, when pictures were asked for.
    used : dict of str to Used
        By method: with which settings and models.
    """

    methods: tuple[str, ...]
    rows: tuple[CohortRow, ...]
    pooled: dict[str, Pooled]
    failures: tuple[CaseFailure, ...]
    threshold: str
    cases_sha256: str = ""
    warnings: tuple[tuple[str, str], ...] = ()
    sequences: tuple[tuple[str, str], ...] = ()
    protocols: dict[str, dict[str, Figures]] = field(default_factory=dict)
    scans: tuple[ScanFacts, ...] = ()
    settings: StudySettings = field(default_factory=StudySettings)
    chosen: dict[str, ChosenThresholds] = field(default_factory=dict)
    apart: dict[str, Cohort] = field(default_factory=dict)
    shown: tuple[ShownCase, ...] = ()
    used: dict[str, Used] = field(default_factory=dict)

    def values(self, method: str, column: str) -> dict[str, float]:
        """A column of one method by scan; undefined figures are left out."""
        own = {row.key: getattr(row.figures, column) for row in self.rows if row.figures.method == method}
        return {case: float(value) for case, value in own.items() if value is not None}

    def mean(self, method: str, column: str) -> Interval | None:
        """Mean over scans with its 95 % bootstrap interval over subjects."""
        values = self.values(method, column)
        return bootstrap_mean(list(values.values()), groups=self.people(values))

    def people(self, scans: Iterable[str]) -> list[str]:
        """Whose each scan is, by the scans' keys."""
        person = {row.key: row.person for row in self.rows}
        return [person[scan] for scan in scans]

    def pooled_dice(self, method: str) -> float | None:
        """Dice of all masks together: 2 sum TP / (2 sum TP + sum FP + sum FN)."""
        own = [row.counts for row in self.rows if row.figures.method == method and row.counts is not None]
        return Counts(sum(c.tp for c in own), sum(c.fp for c in own), sum(c.fn for c in own), sum(c.tn for c in own)).dice

    def pooled_lesion_recall(self, method: str) -> float | None:
        """Lesions of all scans that a mask touches / all lesions."""
        own = [row for row in self.rows if row.figures.method == method]
        total = sum(row.lesions for row in own)
        return sum(row.lesions_found for row in own) / total if total else None

    def scan_auroc(self, method: str) -> Auroc | None:
        """How well the verdict's score tells scans with lesions from healthy ones; None without both."""
        own = [(row.ill, row.strength) for row in self.rows if row.figures.method == method]
        healthy, sick = ([strength for ill, strength in own if ill is kind and strength is not None] for kind in (False, True))
        return scan_auroc(healthy, sick)

    def image_level(self, method: str) -> ImageLevel | None:
        """How well the highest scores of the maps tell scans with lesions from healthy ones; None without both."""
        own = [(row.figures.image_score, row.ill) for row in self.rows if row.figures.method == method]
        return image_level(own)

    def tests(self) -> tuple[PairTest, ...]:
        """Every pair of methods, by every column of `TESTED`; p-values are not corrected for their number."""
        found = []
        for column in TESTED:
            for first, second in combinations(self.methods, 2):
                a, b = self.values(first, column), self.values(second, column)
                both = [case for case in a if case in b]
                if len(both) > 1:
                    x, y = np.array([a[case] for case in both]), np.array([b[case] for case in both])
                    people = self.people(both)
                    spread = bootstrap_mean(x - y, groups=people)
                    bounds = (None, None) if spread is None else (spread.low, spread.high)
                    p = permutation_test(x, y, groups=people)
                    found.append(PairTest(first, second, column, float((x - y).mean()), p, len(both), *bounds, len(set(people))))
        return tuple(found)


def cases_sha256(cases: Sequence[Case]) -> str:
    """What tells one set of scans from another: names, and names and sizes of the files; they are not read for it."""
    told = [[case.name, case.sequence, *(_file(one) for one in (case.scan, case.truth) if one is not None)] for case in cases]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _file(given: MaskInput | Volume) -> list[str | int]:
    if not isinstance(given, str | Path):
        return []
    path = Path(given)
    return [path.name, path.stat().st_size if is_file(path) else 0]


@told_as_error()
def evaluate_cohort(
    cases: Sequence[Case],
    methods: Iterable[str | MethodSpec],
    *,
    with_pooled: bool = True,
    protocols: Sequence[Protocol] = (),
    rest_healthy: bool = False,
    study: StudySettings | None = None,
    pictures: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> Cohort:
    """Run methods on every scan and measure them alike.

    Parameters
    ----------
    cases : sequence of Case
        The scans.
    methods : iterable of str or MethodSpec
        See `workflows.compare.compare.compare`.
    with_pooled : bool
        Give the figures over all voxels too. Scores wait for them on disk: some 15 MB a scan of 1 mm and method.
    protocols : sequence of Protocol
        Give the figures as these papers aggregate them, too; they need `with_pooled`.
    rest_healthy : bool
        Scans without a ground truth are healthy: they count where scans are told apart. Otherwise it is not known what they are.
    study : StudySettings, optional
        What is asked of the cohort besides: sizes of lesions, thresholds chosen on other scans (they need `with_pooled`), effects.
    pictures : int
        Show so many of the worst scans of each method, and its best one; 0 for none.
    **options
        What `compare` takes besides: models, healthy, post, prepare_with, device, seed, use_cache; and jobs, which says how many scans at
        a time, or where else (methods, when there is one scan).

    Returns
    -------
    Cohort
        Scans and methods that fail are in its `failures` and do not stop the others.

    Raises
    ------
    InputError, Cancelled
        If a method or an option cannot be used, two methods are one, two cases share name and sequence, or `study` asks too much of them.
    BrainUADError
        The first failure, when nothing succeeds.
    """
    progress, specs = progress or Progress(), specs_of(methods, options.get("models"))
    check_distinct(specs, (case.known_sequence for case in cases))
    settings = _checked(cases, study or StudySettings(), pictures)
    # Scans go to processes of their own; the methods do when there is one scan.
    jobs, options = (options.get("jobs", 1), options | {"jobs": 1}) if len(cases) > 1 else (1, options)
    tasks = [ScanTask(case, specs, options, with_pooled, rest_healthy, pictures > 0) for case in cases]
    with temporary_folder() as folder:
        gathered = _Gathered(cases, KeptScores(folder) if with_pooled else None, ShownCases(pictures))
        gathered.add_all(tasks, jobs, progress.part(0.0, 0.95))
        progress.update(0.95, "Pooling")
        cohort = replace(gathered.cohort(protocols, settings), cases_sha256=cases_sha256(cases))
    progress.update(1.0, "Evaluated")
    return cohort


def _checked(cases: Sequence[Case], study: StudySettings, pictures: int) -> StudySettings:
    """What is asked, if the scans allow it."""
    if not 0 <= pictures <= MOST_PICTURES:
        raise InputError(f"{pictures} pictures a method", why="that is no sensible number", fix=f"Ask for 0 to {MOST_PICTURES}")
    told_apart(cases)
    study.check(cases)
    return study


class _Gathered:
    """What the scans gave so far, in whatever order they come."""

    def __init__(self, cases: Sequence[Case], waiting: KeptScores | None, shown: ShownCases) -> None:
        self._cases = cases
        self._waiting, self._shown = waiting, shown
        self._found: dict[int, ScanFigures] = {}
        self._failed: dict[int, BrainUADError] = {}

    def add_all(self, tasks: Sequence[ScanTask], jobs: int | Workers, progress: Progress) -> None:
        """Do the work, and take what comes."""
        with closing(as_done(scan_figures, tasks, jobs, progress)) as done:
            for number, found in done:
                self.add(number, found)

    def add(self, number: int, found: ScanFigures | BrainUADError) -> None:
        """What the methods did on one scan, all of it or, when it failed, nothing."""
        if isinstance(found, BrainUADError):
            self._failed[number] = found
            return
        try:
            if self._waiting is not None:
                self._waiting.add(number, found.scores)
        except OSError as error:
            self._waiting = None
            why = error.strerror or str(error)
            _LOG.warning("The figures over all scans together are left out: temporary files cannot be written (%s)", why)
        for row in found.rows:
            self._shown.add(number, found.slices.get(row.figures.method), row.figures, row.lesions)
        self._found[number] = replace(found, scores={}, slices={})

    def cohort(self, protocols: Sequence[Protocol], settings: StudySettings) -> Cohort:
        if not self._found:
            first = next((self._failed[number] for number in sorted(self._failed)), None)
            raise first or InputError("Nothing to evaluate", fix="Give scans with ground truths")
        failures: dict[int, tuple[CaseFailure, ...]] = {
            number: (CaseFailure(self._cases[number].name, "", str(error)),) for number, error in self._failed.items()
        }
        failures |= {number: one.failures for number, one in self._found.items()}
        by_sequence: dict[str, list[int]] = {}
        for number in sorted(self._found):
            by_sequence.setdefault(self._found[number].facts.sequence or "unknown", []).append(number)
        apart = by_sequence if len(by_sequence) > 1 else {}
        whole = self._of(sorted(self._found), protocols, settings)
        return replace(
            whole,
            failures=tuple(one for number in sorted(failures) for one in failures[number]),
            apart={sequence: self._of(numbers, protocols, settings) for sequence, numbers in apart.items()},
            shown=self._shown.shown(whole.methods),
        )

    def _of(self, numbers: Sequence[int], protocols: Sequence[Protocol], settings: StudySettings) -> Cohort:
        """Some of the scans as a cohort."""
        inside = set(numbers)
        found = [self._found[number] for number in numbers]
        rows = tuple(row for one in found for row in one.rows)
        titles = tuple(dict.fromkeys(row.figures.method for row in rows))
        kept = self._waiting
        having = [] if kept is None else [title for title in titles if inside & set(kept.numbers(title))]
        cohort = Cohort(
            titles,
            rows,
            {} if kept is None else {title: pool(kept.scans(title, inside)) for title in having},
            (),
            found[-1].threshold,
            warnings=tuple(one for scan in found for one in scan.warnings),
            sequences=tuple((one.facts.scan, one.facts.sequence_from) for one in found),
            scans=tuple(one.facts for one in found),
            settings=settings,
            used=add_used(one.used for one in found),
        )
        if kept is None:
            return cohort
        protocol_figures = {title: measured(kept.scans(title, inside), protocols) for title in having} if protocols else {}
        chosen = {title: self._chosen(title, kept, numbers, settings) for title in having} if settings.chooses else {}
        return replace(cohort, protocols=protocol_figures, chosen=chosen)

    def _chosen(self, title: str, kept: KeptScores, numbers: Sequence[int], settings: StudySettings) -> ChosenThresholds:
        rows = {number: row for number in numbers for row in self._found[number].rows if row.figures.method == title}
        return chosen_thresholds(title, kept, {number: self._cases[number] for number in numbers}, rows, settings)
