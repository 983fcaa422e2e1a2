"""A grid of settings over a cohort: what preparation and post-processing do to the figures of each method.

A scan is prepared and scored once for each preparation; post-processing looks at the map that is there. The setting with the best mean is
an optimist: it was chosen on the scans that it is judged on. Beside it stands what choosing gives on a scan that had no say in the choice
(leave-one-scan-out).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import BrainUADError, InputError
from ...core.memory import told_as_error
from ...core.params import value_text
from ...core.progress import Progress
from ...core.text import did_you_mean
from ...evaluation.metrics import at_threshold
from ...evaluation.significance import Interval, bootstrap_mean
from ...postprocessing.params import FILTERS, PostParams, post_option
from ...postprocessing.pipeline import filtered_score
from ..compare.compare import MethodRun, compare
from ..compare.distinct import check_distinct, specs_of
from ..detect.detect import judged
from ..execution.parallel import as_done
from ..models.method_spec import MethodSpec
from ..scans.further import FURTHER, split_prepare
from ..scans.ready import AUTO
from .case import Case, CaseFailure, case_volume, told_apart
from .cohort import cases_sha256

MOST = 5_000
"""Settings of a grid: more are a mistake, or a search that no cohort of this size could judge."""

AS_IS = "as-is"
"""Of `FURTHER`: nothing is done."""


@dataclass(frozen=True)
class SweepSetting:
    """One point of the grid: the values of the names that are swept, as text."""

    values: tuple[tuple[str, str], ...]
    prepare_with: str
    post: PostParams

    @property
    def words(self) -> str:
        """Like "median=3 min_ml=0.1"."""
        return " ".join(f"{name}={value}" for name, value in self.values) or "the defaults"


@dataclass(frozen=True)
class SweepRow:
    """A method on a scan under a setting; figures are those of the mask against the ground truth. `person`: who was scanned."""

    case: str
    method: str
    setting: SweepSetting
    dice: float | None
    lesion_recall: float | None
    false_positive_regions: int | None
    flagged_ml: float
    threshold: float
    person: str = ""


@dataclass(frozen=True)
class SettingChoice:
    """What choosing a setting by the mean Dice gives a method.

    Parameters
    ----------
    best : SweepSetting
        The best in all scans, and `in_sample` its mean there.
    left_out : Interval
        Mean over scans of the Dice under the setting that is best in the others.
    default : Interval
        Of the first setting of the grid, which nobody chose.
    chosen : tuple of (str, int)
        The settings chosen without a scan, and how often.
    scans : int
        With a figure under every setting; others do not count.
    """

    method: str
    best: SweepSetting
    in_sample: Interval
    left_out: Interval
    default: Interval
    chosen: tuple[tuple[str, int], ...]
    scans: int


@dataclass(frozen=True, eq=False)
class Sweep:
    """What methods did on a cohort under every setting."""

    methods: tuple[str, ...]
    settings: tuple[SweepSetting, ...]
    rows: tuple[SweepRow, ...]
    failures: tuple[CaseFailure, ...]
    cases_sha256: str

    def dice(self, method: str) -> dict[SweepSetting, dict[str, float]]:
        """By setting and scan, where it is defined."""
        found: dict[SweepSetting, dict[str, float]] = {setting: {} for setting in self.settings}
        for row in self.rows:
            if row.method == method and row.dice is not None:
                found[row.setting][row.case] = row.dice
        return found

    def choice(self, method: str) -> SettingChoice | None:
        """See `SettingChoice`; None for scans of fewer than two people."""
        return choose(method, self.dice(method), {row.case: row.person or row.case for row in self.rows})


def choose(method: str, dice: Mapping[SweepSetting, Mapping[str, float]], people: Mapping[str, str] | None = None) -> SettingChoice | None:
    """The best setting, and what choosing it gives on scans that had no say; see `SettingChoice`. Of equals, the first counts.

    `people` says whose each scan is: no scan of a person has a say in what is chosen for another of theirs.
    """
    scans = sorted(set.intersection(*(set(by_scan) for by_scan in dice.values()))) if dice else []
    whose = {scan: (people or {}).get(scan, scan) for scan in scans}
    if len(set(whose.values())) < 2:
        return None
    settings = list(dice)

    def best(among: Sequence[str]) -> SweepSetting:
        return max(settings, key=lambda setting: sum(dice[setting][scan] for scan in among))

    def mean(values: Sequence[float]) -> Interval:
        found = bootstrap_mean(values)
        assert found is not None
        return found

    chosen = {scan: best([other for other in scans if whose[other] != whose[scan]]) for scan in scans}
    winner = best(scans)
    return SettingChoice(
        method,
        winner,
        mean([dice[winner][scan] for scan in scans]),
        mean([dice[chosen[scan]][scan] for scan in scans]),
        mean([dice[settings[0]][scan] for scan in scans]),
        tuple(Counter(setting.words for setting in chosen.values()).most_common()),
        len(scans),
    )


def parse_sweep(words: Sequence[str], post: PostParams, prepare_with: str = AUTO) -> tuple[SweepSetting, ...]:
    """The grid of what users write: ``NAME=VALUE,VALUE,...`` for each name.

    Parameters
    ----------
    words : sequence of str
        Names are those of the post-processing's settings (or their options: ``min_size_ml``), ``prepare``, ``spacing_mm`` and ``slices``.
    post, prepare_with
        What is not swept.

    Returns
    -------
    tuple of SweepSetting
        Values in the order given, the last name varying fastest; two spellings of one setting (``1`` and ``1.0``) are one.

    Raises
    ------
    InputError
        For unknown names and values, a rule that uses the ground truth, or a grid that is too large.
    """
    axes: dict[str, list[str]] = {}
    spelled = {post_option(name).removeprefix("--").replace("-", "_"): name for name in post.as_dict()}
    known = {**spelled, **{name: name for name in (*post.as_dict(), "prepare", *FURTHER)}}
    for word in words:
        name, equals, values = word.partition("=")
        if name not in known or not equals:
            fix = f"{did_you_mean(name, known)}Write for example --sweep median=0,3,5"
            raise InputError(f"--sweep {word}", why="there is no such setting" if equals else "it is not NAME=VALUE,VALUE", fix=fix)
        axes[known[name]] = list(dict.fromkeys(value.strip() for value in values.split(",") if value.strip()))
        if not axes[known[name]]:
            raise InputError(f"--sweep {word}", why="it has no value", fix="Write for example --sweep median=0,3,5")
    count = 1
    for values_of in axes.values():
        count *= len(values_of)
    if count > MOST:
        raise InputError(f"The sweep has {count:,} settings", why=f"at most {MOST:,} are tried", fix="Sweep fewer names or values at once")
    settings = [_setting(tuple(zip(axes, point, strict=True)), post, prepare_with) for point in product(*axes.values())]
    first: dict[str, SweepSetting] = {}
    for setting in settings:
        first.setdefault(_meaning(setting), setting)
    return tuple(first.values())


def _meaning(setting: SweepSetting) -> str:
    return repr((split_prepare(setting.prepare_with), setting.post.rule, {**setting.post.as_dict(), "threshold": ""}))


def _setting(point: tuple[tuple[str, str], ...], post: PostParams, prepare_with: str) -> SweepSetting:
    values = dict(point)
    base = values.pop("prepare", prepare_with)
    further = [f"{name}={values.pop(name)}" for name in FURTHER if values.get(name, AS_IS) != AS_IS]
    named = {name: value for name, value in values.items() if name not in FURTHER}
    plain = {name: value_text(value) for name, value in post.as_dict().items()}
    own = PostParams.from_strings({**plain, **named})
    if own.rule.needs_truth:
        raise InputError(f"Threshold {own.threshold}", why="it uses the ground truth that a setting is judged by", fix="Sweep other rules")
    prepared = "+".join([base, *further])
    split_prepare(prepared)
    return SweepSetting(point, prepared, own)


@dataclass(frozen=True, eq=False)
class _Task:
    case: Case
    specs: Sequence[MethodSpec]
    settings: tuple[SweepSetting, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Swept:
    rows: tuple[SweepRow, ...]
    failures: tuple[CaseFailure, ...]


@told_as_error()
def sweep_cohort(
    cases: Sequence[Case],
    methods: Iterable[str | MethodSpec],
    settings: Sequence[SweepSetting],
    *,
    progress: Progress | None = None,
    **options: Any,
) -> Sweep:
    """Run methods on every scan under every setting.

    Parameters
    ----------
    cases : sequence of Case
        Those without a ground truth tell what is flagged, and choose nothing.
    methods, options
        As in `cohort.evaluate_cohort`; ``post`` and ``prepare_with`` are the settings'.
    settings : sequence of SweepSetting
        From `parse_sweep`.

    Returns
    -------
    Sweep

    Raises
    ------
    InputError, Cancelled
        As `cohort.evaluate_cohort`.
    BrainUADError
        The first failure, when nothing succeeds.
    """
    specs, jobs = specs_of(methods, options.get("models")), options.pop("jobs", 1)
    check_distinct(specs, (case.known_sequence for case in cases))
    left = {name: value for name, value in options.items() if name not in ("post", "prepare_with")}
    shown = told_apart(cases)
    tasks = [_Task(case, specs, tuple(settings), left) for case in shown]
    found: dict[int, _Swept | BrainUADError] = {}
    with closing(as_done(_swept, tasks, jobs, progress or Progress())) as done:
        found = dict(done)
    rows: list[SweepRow] = []
    failures: list[CaseFailure] = []
    for number, case in enumerate(shown):
        one = found[number]
        if isinstance(one, BrainUADError):
            failures.append(CaseFailure(case.name, "", str(one)))
        else:
            rows += one.rows
            failures += one.failures
    if not rows:
        first = next((one for _, one in sorted(found.items()) if isinstance(one, BrainUADError)), None)
        raise first or InputError("Nothing to sweep", fix="Give scans with ground truths")
    titles = tuple(dict.fromkeys(row.method for row in rows))
    return Sweep(titles, tuple(settings), tuple(rows), tuple(failures), cases_sha256(cases))


def _swept(task: _Task, progress: Progress) -> _Swept:
    """One scan: scored once for each preparation, under all settings that have it."""
    case, volume = task.case, case_volume(task.case)
    by_preparation: dict[str, list[SweepSetting]] = {}
    for setting in task.settings:
        by_preparation.setdefault(setting.prepare_with, []).append(setting)
    rows: list[SweepRow] = []
    failures: list[CaseFailure] = []
    for number, (prepare_with, settings) in enumerate(by_preparation.items()):
        part = progress.part(number / len(by_preparation), (number + 1) / len(by_preparation))
        # Healthy scans that were given are measured with the clean-up of each setting; a rule that asks for them counts for all methods.
        asking = sorted((setting.post for setting in settings), key=lambda post: not post.rule.needs_healthy)
        how = {"prepare_with": prepare_with, "post": asking[0], "further": asking[1:], "age": case.covariates.age, **task.options}
        try:
            found = compare(volume, task.specs, truth=case.truth, mask=case.mask, part_of_cohort=True, progress=part, **how)
        except InputError as error:
            failures.append(CaseFailure(case.name, prepare_with, str(error)))
            continue
        failures += [CaseFailure(case.name, str(failure.spec), str(failure.error)) for failure in found.failures]
        for run in found.runs:
            rows += _rows(case, run, found.truth, settings, part)
    order = {setting: number for number, setting in enumerate(task.settings)}
    return _Swept(tuple(sorted(rows, key=lambda row: order[row.setting])), tuple(failures))


def _rows(
    case: Case, run: MethodRun, truth: NDArray[np.bool_] | None, settings: Sequence[SweepSetting], progress: Progress
) -> Iterator[SweepRow]:
    """One map under all settings of the post-processing; each filter is run once."""
    filtered: dict[tuple[Any, ...], Any] = {}
    for setting in settings:
        progress.check()
        filters = tuple(getattr(setting.post, filter_) for filter_ in FILTERS)
        if filters not in filtered:
            filtered[filters] = filtered_score(run.map, setting.post)
        healthy = run.healthy_for(setting.post)
        result = judged(run.map, setting.post, truth=truth, healthy=healthy, filtered=filtered[filters]).result
        metrics = () if truth is None else at_threshold(result.mask, truth, None, run.map.grid)
        known = {metric.name: metric.value for metric in metrics}
        false_regions, flagged = known.get("false_positive_regions"), int(result.mask.sum()) * run.map.grid.voxel_volume_mm3 / 1000.0
        counts = None if false_regions is None else int(false_regions)
        found = known.get("dice"), known.get("lesion_recall"), counts, flagged, result.threshold.value
        yield SweepRow(case.name, run.title, setting, *found, case.person)
