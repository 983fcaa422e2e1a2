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
from ...core.sequence import USER, check_sequence
from ...core.volume import Volume
from ...datasets.layout import LAYOUT, missed_files, unused_files
from ...datasets.registry import find_layout, layout
from ...evaluation.image_level import ImageLevel, image_level
from ...evaluation.pooled import Pooled, pool
from ...evaluation.protocols import Figures, Protocol, measured
from ...evaluation.significance import Auroc, Interval, bootstrap_mean, permutation_test, scan_auroc
from ...io.folders import temporary_folder
from ...io.streams import is_file
from ...postprocessing.ranking import Counts
from ..execution.parallel import as_done
from ..models.method_spec import MethodSpec, parse_specs
from ..scans.load import MaskInput
from .case import Case, CaseFailure, CohortRow
from .kept_scores import KeptScores
from .scan_figures import ScanFigures, ScanTask, scan_figures

_LOG = logging.getLogger(__name__)

SUMMARISED = ("best_dice", "best_dice_voxels", "dice", "auprc", "auroc", "pro", "lesion_recall", "false_positive_regions")
"""The columns whose means are given."""

TESTED = ("best_dice", "auprc")
"""The columns by which methods are tested against each other."""


@dataclass(frozen=True)
class PairTest:
    """Permutation test between two methods over the scans that both have."""

    first: str
    second: str
    column: str
    difference: float
    p: float
    scans: int


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

    def values(self, method: str, column: str) -> dict[str, float]:
        """A column of one method by scan; undefined figures are left out."""
        own = {_key(row): getattr(row.figures, column) for row in self.rows if row.figures.method == method}
        return {case: float(value) for case, value in own.items() if value is not None}

    def mean(self, method: str, column: str) -> Interval | None:
        """Mean over scans with its 95 % bootstrap interval."""
        return bootstrap_mean(list(self.values(method, column).values()))

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
                    found.append(PairTest(first, second, column, float((x - y).mean()), permutation_test(x, y), len(both)))
        return tuple(found)


def _key(row: CohortRow) -> str:
    return f"{row.case} {row.sequence or ''}".strip()


def cases_sha256(cases: Sequence[Case]) -> str:
    """What tells one set of scans from another: names, and names and sizes of the files; they are not read for it."""
    told = [[case.name, case.sequence, *(_file(one) for one in (case.scan, case.truth) if one is not None)] for case in cases]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _file(given: MaskInput | Volume) -> list[str | int]:
    if not isinstance(given, str | Path):
        return []
    path = Path(given)
    return [path.name, path.stat().st_size if is_file(path) else 0]


def cases_of(
    root: str | Path, *, layout_id: str | None = None, sequence: str | None = None, need_truth: bool = True
) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """The scans of a data set.

    Parameters
    ----------
    root : str or Path
        Its folder, or a CSV file; see `datasets`.
    layout_id : str, optional
        Its layout; found by its file names when None.
    sequence : str, optional
        Which sequence of each subject; the first it has when None. A subject's only scan, if its sequence is unknown, is taken to
        be this one.
    need_truth : bool
        Leave out subjects without a ground truth.

    Returns
    -------
    cases, left_out
        `left_out` says in words which subjects have no such scan or no truth, which files belong to none, and what could not be
        looked at.

    Raises
    ------
    InputError
        If nothing is left.
    """
    root, sequence = Path(root), None if sequence is None else check_sequence(sequence)
    found = find_layout(root) if layout_id is None else layout(layout_id)
    cases, left_out = [], []
    subjects = found.subjects(root)
    for subject in subjects:
        name = f"{subject.id}_{subject.session}" if subject.session else subject.id
        alone = list(subject.sequences) == ["unknown"]
        wanted = "unknown" if alone else sequence or next(iter(subject.sequences))
        if need_truth and subject.truth is None:
            left_out.append(f"{name}: no ground truth")
        elif wanted not in subject.sequences:
            left_out.append(f"{name}: no {wanted}")
        else:
            said = sequence if alone else None if wanted == "unknown" else wanted
            origin = USER if alone else LAYOUT
            cases.append(Case(name, subject.sequences[wanted], subject.truth, subject.brain_mask, said, origin, subject.ill))
    unknown = unused_files(subjects, root)
    if unknown:
        left_out.append(f"image files of no subject: {len(unknown)}, like {unknown[0].relative_to(root)}")
    left_out += missed_files(root)
    if not cases:
        fix = "Give scans with ground truths" if need_truth else "Choose another folder or sequence"
        raise InputError(f"{root.name} holds nothing to {'evaluate' if need_truth else 'work on'}", why="; ".join(left_out[:3]), fix=fix)
    return tuple(cases), tuple(left_out)


@told_as_error()
def evaluate_cohort(
    cases: Sequence[Case],
    methods: Iterable[str | MethodSpec],
    *,
    with_pooled: bool = True,
    protocols: Sequence[Protocol] = (),
    rest_healthy: bool = False,
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
        If a method or an option cannot be used, or two cases have the same name and sequence.
    BrainUADError
        The first failure, when nothing succeeds.
    """
    progress = progress or Progress()
    specs = parse_specs(methods)
    _check_names(cases)
    # Scans go to processes of their own; the methods do when there is one scan.
    jobs = options.get("jobs", 1) if len(cases) > 1 else 1
    options = options | {"jobs": 1 if len(cases) > 1 else options.get("jobs", 1)}
    tasks = [ScanTask(case, specs, options, with_pooled, rest_healthy) for case in cases]
    with temporary_folder() as folder:
        gathered = _Gathered(KeptScores(folder) if with_pooled else None)
        with closing(as_done(scan_figures, tasks, jobs, progress.part(0.0, 0.95))) as done:
            for number, found in done:
                gathered.add(number, cases[number], found)
        progress.update(0.95, "Pooling")
        cohort = replace(gathered.cohort(protocols), cases_sha256=cases_sha256(cases))
    progress.update(1.0, "Evaluated")
    return cohort


def _check_names(cases: Sequence[Case]) -> None:
    """Of two scans of one name, the figures of one would replace those of the other."""
    seen: dict[tuple[str, str | None], Case] = {}
    for case in cases:
        other = seen.setdefault((case.name, case.sequence), case)
        if other is not case:
            files = [one.scan.name if isinstance(one.scan, Volume) else str(one.scan) for one in (other, case)]
            raise InputError(f"Two scans are called {case.name}", why=f"{files[0]} and {files[1]}", fix="Give them different names")


class _Gathered:
    """What the scans gave so far, in whatever order they come."""

    def __init__(self, waiting: KeptScores | None) -> None:
        self._waiting = waiting
        self._found: dict[int, ScanFigures] = {}
        self._failed: dict[int, tuple[str, BrainUADError]] = {}

    def add(self, number: int, case: Case, found: ScanFigures | BrainUADError) -> None:
        """What the methods did on one scan, all of it or, when it failed, nothing."""
        if isinstance(found, BrainUADError):
            self._failed[number] = case.name, found
            return
        try:
            if self._waiting is not None:
                self._waiting.add(number, found.scores)
        except OSError as error:
            self._waiting = None
            why = error.strerror or str(error)
            _LOG.warning("The figures over all scans together are left out: temporary files cannot be written (%s)", why)
        self._found[number] = replace(found, scores={})

    def cohort(self, protocols: Sequence[Protocol]) -> Cohort:
        found = [self._found[number] for number in sorted(self._found)]
        rows = tuple(row for one in found for row in one.rows)
        if not rows:
            first = next((self._failed[number][1] for number in sorted(self._failed)), None)
            raise first or InputError("Nothing to evaluate", fix="Give scans with ground truths")
        titles = tuple(dict.fromkeys(row.figures.method for row in rows))
        kept = self._waiting
        having = [] if kept is None else [title for title in titles if kept.has(title)]
        failures: dict[int, tuple[CaseFailure, ...]] = {
            number: (CaseFailure(name, "", str(error)),) for number, (name, error) in self._failed.items()
        }
        failures |= {number: one.failures for number, one in self._found.items()}
        return Cohort(
            titles,
            rows,
            {} if kept is None else {title: pool(kept.scans(title)) for title in having},
            tuple(one for number in sorted(failures) for one in failures[number]),
            found[-1].threshold,
            warnings=tuple(one for scan in found for one in scan.warnings),
            sequences=tuple((scan.rows[0].case, scan.sequence) for scan in found),
            protocols={} if kept is None or not protocols else {title: measured(kept.scans(title), protocols) for title in having},
        )
