"""Compare methods over one scan: what the window, the command line and scripts all call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...calibration.build import HealthyMap
from ...calibration.reference import HealthyReference
from ...calibration.verdict import NOT_COMPARED, Verdict
from ...core.anomaly_map import AnomalyMap
from ...core.checks import Finding
from ...core.errors import BrainUADError
from ...core.isolation import isolated
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.seed import check_seed
from ...core.threshold import ThresholdRule
from ...core.volume import Volume
from ...detectors.registry import method_class
from ...evaluation.agreement import agreement, difference, mutual_dice
from ...evaluation.image_level import image_score
from ...evaluation.report import Evaluation, evaluate_map
from ...postprocessing.params import PostParams
from ...postprocessing.pipeline import PostResult
from ..detect.age import check_age, with_age
from ..detect.detect import judged
from ..detect.map_cache import try_out
from ..detect.score import ScoringRequest, check_model
from ..detect.score_volume import scored_volume
from ..detect.scored_map import ScoredMap
from ..execution.parallel import in_processes
from ..execution.workers import Workers
from ..models.method_spec import MethodSpec
from ..scans.load import MaskInput, as_volume, given_sequence
from ..scans.ready import AUTO, ReadyScan, make_ready
from ..scans.truth import as_truth, check_brain_left
from .compare_command import compare_command
from .compare_healthy import healthy_count, healthy_ready, healthy_volumes, measured_healthy, reference_with
from .compare_table import Row, table_row
from .distinct import check_distinct, specs_of

Scan = Volume | str | Path


@dataclass(frozen=True, eq=False)
class MethodRun:
    """One method's part of a comparison.

    Parameters
    ----------
    spec : MethodSpec
        The method with its preset, settings and model.
    map : AnomalyMap
        Its raw map on the scan's grid.
    result : PostResult
        Threshold, mask and regions.
    evaluation : Evaluation or None
        Figures against the ground truth.
    seconds, peak_bytes, cached
        What scoring took; see `map_cache.ScoredMap`.
    healthy : tuple of HealthyReference
        How it scores the healthy scans that were given; one for each clean-up that was asked for.
    verdict : Verdict
        What of it lies beyond healthy variation.
    """

    spec: MethodSpec
    map: AnomalyMap
    result: PostResult
    evaluation: Evaluation | None
    seconds: float
    peak_bytes: int | None
    cached: bool
    healthy: tuple[HealthyReference, ...] = ()
    verdict: Verdict = NOT_COMPARED

    @property
    def title(self) -> str:
        """What to call it in figures and tables."""
        return self.spec.title

    def healthy_for(self, post: PostParams) -> HealthyReference | None:
        """How it scores the healthy scans that were given, where they count (`healthy_count`) and had the same clean-up."""
        return reference_with(self.healthy, post) if healthy_count(self.spec.method, post) else None


@dataclass(frozen=True)
class Failure:
    """A method that gave no map, and why."""

    spec: MethodSpec
    error: BrainUADError


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several methods over one scan.

    Parameters
    ----------
    volume : Volume
        The scan, with the brain mask that was used.
    truth : array of bool or None
        The ground truth, on the scan's grid.
    runs : tuple of MethodRun
        In the order asked for.
    failures : tuple of Failure
        The methods that gave no map.
    post : PostParams
        Filters, threshold rule and clean-up, the same for all.
    commanded : callable, optional
        Gives the command line that makes the same with other settings in place of `post`.
    """

    volume: Volume
    truth: NDArray[np.bool_] | None
    runs: tuple[MethodRun, ...]
    failures: tuple[Failure, ...]
    post: PostParams
    commanded: Callable[[PostParams], str] | None = field(default=None, repr=False)

    @property
    def command(self) -> str:
        """The command line that gives the same; empty where it is not known."""
        return "" if self.commanded is None else self.commanded(self.post)

    @property
    def rule(self) -> ThresholdRule:
        """The threshold rule that all follow."""
        return self.post.rule

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What the user has to know about scan, ground truth and results, each once."""
        found = [*self.volume.findings, *(one for run in self.runs if run.evaluation is not None for one in run.evaluation.findings)]
        found += [replace(one, message=f"{run.title}: {one.message}") for run in self.runs for one in run.result.findings]
        return tuple(dict.fromkeys(finding for finding in found if finding.level != "info"))

    def table(self) -> tuple[Row, ...]:
        """One row a method that gave a map; see `compare_table.Row`."""
        mutual = mutual_dice([run.result.mask for run in self.runs])
        return tuple(
            table_row(
                run.title,
                run.result,
                run.evaluation,
                run.map.grid,
                mutual=dice,
                seconds=run.seconds,
                peak_bytes=run.peak_bytes,
                cached=run.cached,
                verdict=run.verdict,
                image_score=image_score(run.map),
            )
            for run, dice in zip(self.runs, mutual, strict=True)
        )

    def agreement(self) -> NDArray[np.uint8]:
        """How many methods flag a voxel, shape (i, j, k)."""
        return agreement([run.result.mask for run in self.runs])

    def difference(self, first: int, second: int, scale: str = "percentile") -> NDArray[np.float32]:
        """Map of one run minus that of another; see `evaluation.agreement.difference`."""
        return difference(self.runs[first].map, self.runs[second].map, scale)

    def with_threshold(self, rule: str | ThresholdRule) -> Comparison:
        """The same maps under another threshold rule; ⌈Dice⌉, AUPRC, AUROC and PRO do not depend on it and are kept.

        Raises
        ------
        InputError
            If the rule is not understood, or needs a ground truth or healthy scans and has none.
        """
        post = self.post.with_rule(rule if isinstance(rule, ThresholdRule) else ThresholdRule.parse(rule))
        return replace(self, runs=tuple(self._under(run, post) for run in self.runs), post=post)

    def with_thresholds(self, values: Mapping[str, float]) -> Comparison:
        """The same maps at thresholds of their own: scores by `MethodRun.title`; the others stay as they are."""
        posts = {title: self.post.with_rule(ThresholdRule("value", value)) for title, value in values.items()}
        return replace(self, runs=tuple(self._under(run, posts[run.title]) if run.title in posts else run for run in self.runs))

    def _under(self, run: MethodRun, post: PostParams) -> MethodRun:
        result, verdict = _thresholded(run.map, post, self.truth, run.healthy_for(post))
        evaluation = None if run.evaluation is None or self.truth is None else run.evaluation.at(result, self.truth, run.map.grid)
        return replace(run, result=result, evaluation=evaluation, verdict=verdict)


@dataclass(frozen=True)
class _Settings:
    """What is the same for all methods."""

    post: PostParams
    prepare_with: str
    device: str
    seed: int
    use_cache: bool
    age: float | None
    further: tuple[PostParams, ...]
    part_of_cohort: bool


@dataclass(frozen=True, eq=False)
class _Job:
    """One method's work, as it is sent to a process."""

    spec: MethodSpec
    ready: ReadyScan
    truth: NDArray[np.bool_] | None
    healthy: tuple[ReadyScan, ...]
    given: _Settings


@told_as_error()
def compare(
    scan: Scan,
    methods: str | MethodSpec | Iterable[str | MethodSpec],
    *,
    truth: MaskInput | None = None,
    mask: MaskInput | None = None,
    sequence: str | None = None,
    models: Mapping[str, str | Path] | None = None,
    healthy: Sequence[Scan] = (),
    age: float | None = None,
    post: PostParams | None = None,
    further: Sequence[PostParams] = (),
    prepare_with: str = AUTO,
    device: str = "auto",
    seed: int = 0,
    jobs: int | Workers = 1,
    use_cache: bool = True,
    part_of_cohort: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Run several methods on one scan and measure them alike.

    Parameters
    ----------
    scan : Volume, str or Path
        The scan, or its file.
    methods : str or MethodSpec, or iterable of these
        Like ``["threshold", "vae@code", "vae:my-model"]``; one alone is a list of one.
    truth, mask, sequence : optional
        Ground truth, brain and sequence, as in `detect`. Without truth the rows hold what can be known.
    models : mapping, optional
        Method id to model (id or file), for specs that name none.
    healthy : sequence of Volume or path
        Healthy scans, in place of the methods' references: every method scores them too. Where its scores cannot be compared between
        brains, they count for rules that need healthy brains alone.
    age : float, optional
        Of the person scanned, in years, as in `detect`.
    post, further : optional
        Filters, threshold rule and clean-up for all; other settings that healthy scans are measured for, too (`MethodRun.healthy_for`).
    prepare_with, device, seed
        As in `detect`.
    jobs, use_cache, part_of_cohort
        Methods at a time, each in its own process, or where else. Take kept maps, and keep new ones. Let two specs be one method here.

    Returns
    -------
    Comparison
        A method that fails is in its `failures` and does not stop the others.

    Raises
    ------
    InputError, Cancelled
        If scan, mask, age or a spec cannot be used, two specs are one method, or a healthy scan or its mask does not fit.
    BrainUADError
        The first failure, when every method fails.
    """
    check_age(age)
    given = _Settings(post or PostParams(), prepare_with, device, check_seed(seed), use_cache, age, tuple(further), part_of_cohort)
    return _compare(scan, sequence, specs_of(methods, models), truth, mask, tuple(healthy), given, jobs, progress or Progress())


def _compare(
    scan: Scan,
    sequence: str | None,
    specs: Sequence[MethodSpec],
    truth: MaskInput | None,
    mask: MaskInput | None,
    healthy: Sequence[Scan],
    given: _Settings,
    jobs: int | Workers,
    progress: Progress,
) -> Comparison:
    progress.update(0.0, "Reading the scan")
    volume = as_volume(scan, sequence)
    if not given.part_of_cohort:
        check_distinct(specs, [volume.sequence])
    truth_array = None if truth is None else as_truth(truth, volume)
    alike = healthy_volumes(healthy, volume)
    prepared, failures = _make_ready(specs, volume, mask, given.prepare_with, progress.part(0.0, 0.1))
    own = next(iter(prepared.values())).scan
    if truth_array is not None and own.mask is not None:
        check_brain_left(truth_array, own.mask)
    others = healthy_ready(alike, map(_preset_id, prepared), given.prepare_with, progress.part(0.1, 0.2))
    counted = {spec: others[_preset_id(spec)] if healthy_count(spec.method, given.post) else () for spec in prepared}
    work = [_Job(spec, prepared[spec], truth_array, counted[spec], given) for spec in prepared]
    if given.use_cache and Workers.of(jobs).several:
        try_out()
    outcomes = in_processes(_run_one, work, jobs, progress.part(0.2, 1.0))
    # From other processes each map brings a copy of the scan along.
    runs = tuple(replace(one, map=replace(one.map, scan=own.data)) for one in outcomes if isinstance(one, MethodRun))
    failures += [Failure(job.spec, one) for job, one in zip(work, outcomes, strict=True) if isinstance(one, BrainUADError)]
    if not runs:
        raise failures[0].error
    commanded = partial(
        compare_command,
        specs,
        scan=scan,
        sequence=given_sequence(volume),
        mask=mask,
        truth=truth,
        healthy=healthy,
        age=given.age,
        prepare_with=given.prepare_with,
        device=given.device,
        seed=given.seed,
    )
    return Comparison(own, truth_array, runs, tuple(failures), given.post, commanded)


def _preset_id(spec: MethodSpec) -> str:
    return method_class(spec.method).INFO.preset


def _make_ready(
    specs: Sequence[MethodSpec], volume: Volume, mask: MaskInput | None, prepare_with: str, progress: Progress
) -> tuple[dict[MethodSpec, ReadyScan], list[Failure]]:
    """What each method is given: the same thing, except where methods prepare a raw head differently."""
    by_preset: dict[str, ReadyScan | BrainUADError] = {}
    found: dict[MethodSpec, ReadyScan] = {}
    failures = []
    same: ReadyScan | None = None
    for spec in specs:
        wrong = isolated(partial(check_model, spec.method, spec.model or None))
        if wrong is not None:
            failures.append(Failure(spec, wrong))
            continue
        preset_id = _preset_id(spec)
        if same is None and preset_id not in by_preset:
            ready = isolated(partial(make_ready, volume, mask, preset_id=preset_id, prepare_with=prepare_with, progress=progress))
            by_preset[preset_id] = ready
            same = ready if isinstance(ready, ReadyScan) and ready.prepared is None else None
        one = same or by_preset[preset_id]
        if isinstance(one, ReadyScan):
            found[spec] = one
        else:
            failures.append(Failure(spec, one))
    if not found:
        raise failures[0].error
    return found, failures


def _run_one(job: _Job, progress: Progress) -> MethodRun:
    """Score, threshold and evaluate one method."""
    scored = _scored(job, job.ready.scored, progress.part(0.0, 0.6))
    healthy = _healthy(job, progress.part(0.6, 0.7)) if job.healthy else ()
    amap = with_age(job.ready.bring_back(scored.map), job.given.age)
    result, verdict = _thresholded(amap, job.given.post, job.truth, healthy[0] if healthy else None)
    evaluation = None
    if job.truth is not None:
        part = progress.part(0.7, 1.0)
        evaluation = evaluate_map(
            result.score, job.truth, amap.grid, threshold=result.threshold, post=result, brain=amap.mask, progress=part
        )
    return MethodRun(job.spec, amap, result, evaluation, scored.seconds, scored.peak_bytes, scored.cached, healthy, verdict)


def _scored(job: _Job, volume: Volume, progress: Progress) -> ScoredMap:
    given = job.given
    return scored_volume(volume, ScoringRequest(job.spec, given.device, given.seed, given.use_cache), progress)


def _healthy(job: _Job, progress: Progress) -> tuple[HealthyReference, ...]:
    """How the method scores the healthy scans, on their own grids, with the clean-up of the scan's and the further ones."""
    maps = []
    for number, ready in enumerate(job.healthy):
        part = progress.part(number / len(job.healthy), (number + 1) / len(job.healthy))
        maps.append(HealthyMap(ready.bring_back(_scored(job, ready.scored, part).map)))
    return measured_healthy(maps, (job.given.post, *job.given.further))


def _thresholded(
    amap: AnomalyMap, post: PostParams, truth: NDArray[np.bool_] | None, healthy: HealthyReference | None
) -> tuple[PostResult, Verdict]:
    """Post-processing under the shared rule."""
    found = judged(amap, post, truth=truth, healthy=healthy)
    return found.result, found.verdict
