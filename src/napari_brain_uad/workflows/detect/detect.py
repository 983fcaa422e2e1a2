"""Detect anomalies in one scan: what the window, the command line and scripts all call."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...calibration.reference import HealthyReference
from ...calibration.verdict import NOT_COMPARED, Verdict, judge, with_p_values
from ...core.anomaly_map import AnomalyMap
from ...core.checks import Finding
from ...core.errors import InputError
from ...core.memory import check_memory, told_as_error
from ...core.progress import Progress
from ...core.text import counted
from ...core.volume import Volume
from ...detectors.registry import method_class
from ...evaluation.report import Evaluation, evaluate_map
from ...postprocessing.edits import RegionEdits
from ...postprocessing.params import PostParams
from ...postprocessing.pipeline import PostResult, filtered_score, postprocess
from ...postprocessing.region_edits import edited
from ...postprocessing.thresholds import NO_REFERENCE
from ...preprocessing.mni_way import MniWay
from ...preprocessing.warp import Warp
from ..models.method_spec import MethodSpec, ParamsInput
from ..models.recommend import recommend, unfit
from ..models.references import Compared, compared_with_given, reference_for
from ..scans.load import MaskInput, as_volume, given_sequence
from ..scans.ready import AUTO, ReadyScan, make_ready
from ..scans.truth import as_truth
from .age import age_of, check_age, with_age
from .command import detect_command
from .edges import with_edges, with_scan
from .estimate import parts
from .given_healthy import HealthyInput, check_fits
from .given_healthy import read_healthy as read_healthy
from .pictures import Pictures, brought_back, check_pictures
from .region_names import with_names
from .score import ScoringRequest, model_for
from .score_volume import scored_volume
from .scored_map import ScoredMap

_READY = 0.4
"""Part of a run that the preparation of a whole head takes."""


@dataclass(frozen=True, eq=False)
class Detection:
    """Everything one run gave.

    Parameters
    ----------
    volume : Volume
        The scan, with the brain mask that was used.
    map : AnomalyMap
        The raw score.
    post : PostParams
        The post-processing asked for.
    result : PostResult
        Threshold, mask and regions.
    truth : array of bool or None
        The ground truth, on the scan's grid.
    evaluation : Evaluation or None
        Metrics against it.
    seconds : float
        Wall time of scoring and post-processing.
    command : str
        The command line that does the same.
    edits : RegionEdits or None
        What a person did to the regions; it is in `result` already, and not in `evaluation`.
    cached : bool
        Whether the map is one that was kept from an earlier run with the same inputs.
    verdict : Verdict
        What of it lies beyond healthy variation, as the method found it.
    pictures : mapping of str to array
        What the method compared, on the scan's grid, where that was asked for: "input" and "reconstruction", say.
    warp : Warp or None
        The deformation that the scan was prepared with.
    mni : MniWay or None
        The way to MNI space, where copies there are wanted; see `mni.with_mni`.
    reference : HealthyReference or None
        The healthy brains that the verdict rests on.
    """

    volume: Volume
    map: AnomalyMap
    post: PostParams
    result: PostResult
    truth: NDArray[np.bool_] | None
    evaluation: Evaluation | None
    seconds: float
    command: str
    edits: RegionEdits | None = None
    cached: bool = False
    verdict: Verdict = NOT_COMPARED
    pictures: Pictures = field(default_factory=dict)
    warp: Warp | None = None
    mni: MniWay | None = None
    reference: HealthyReference | None = None

    def __repr__(self) -> str:
        # Whoever types its name wants to know what was found, and not the arrays.
        volume = sum(region.volume_ml for region in self.result.regions)
        found = f"{counted(len(self.result.regions), 'region')}, {volume:.2f} ml above {self.result.threshold.value:.4g}"
        return f"<Detection of {self.map.name} by {self.map.method}: {found}. {self.verdict.line}>"

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What the user has to know about scan, method, result and ground truth."""
        of_method = unfit(self.map.method, self.volume.sequence, self.map.provenance.get("model"))
        found = (*self.volume.findings, of_method, *self.result.findings, *(() if self.evaluation is None else self.evaluation.findings))
        return tuple(finding for finding in found if finding is not None and finding.level != "info")


@told_as_error()
def detect(
    scan: Volume | str | Path,
    method: str | MethodSpec | None = None,
    *,
    params: ParamsInput = None,
    mask: MaskInput | None = None,
    truth: MaskInput | None = None,
    sequence: str | None = None,
    model: str | Path | None = None,
    threshold: str | float | None = None,
    post: PostParams | None = None,
    healthy: HealthyInput | None = None,
    age: float | None = None,
    prepare_with: str = AUTO,
    device: str = "auto",
    seed: int = 0,
    use_cache: bool = False,
    reconstruct: bool = False,
    progress: Progress | None = None,
) -> Detection:
    """Detect anomalies in one scan.

    Parameters
    ----------
    scan : Volume, str or Path
        The scan, or its file.
    method : str or MethodSpec, optional
        A method's id, or ``METHOD@PRESET@NAME=VALUE:MODEL`` (`workflows.models.method_spec`); by default the one recommended.
    params, model : optional
        Settings, and a trained model's id or file, that `method` does not say; by default the model for the sequence, with its settings.
    mask, truth : array of bool, shape (i, j, k) in RAS+ axes, str or Path, optional
        The brain; without it, it is found (`workflows.scans.ready.make_ready`). The truth adds metrics, and allows the rule "best-dice".
    sequence : str, optional
        "FLAIR", "T1", "T1c", "T2" or "PD", where what tags and name say is wrong or missing.
    threshold, post : str or float, PostParams, optional
        "percentile:98", "healthy-ml:3", a score, ..., in place of the rule of `post`: filters (mm), threshold rule, clean-up (ml).
    healthy, age : optional
        Maps of healthy scans made alike (or their files), in place of the method's healthy reference; years, which the verdict compares.
    prepare_with, device, seed : str, str, int
        "auto" (the method's preset where the scan shows the whole head), "never" or a preset's id; "auto", "cpu", "cuda" or "mps"; what
        fixes everything random.
    use_cache, reconstruct, progress : bool, bool, Progress, optional
        Keep maps, as the window does; give what the method compares, too; told how far it is: cancelling it stops the run in two seconds.

    Returns
    -------
    Detection
        Map, mask and regions on the scan's own grid; volumes in ml, places in mm (RAS+).

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        If scan, mask, truth or settings cannot be used; there is no model that fits; the device is not there or has too little memory.
    """
    if method is None:
        scan, method = _recommended(scan, sequence, params or model)
    request = ScoringRequest.of(method, params=params, model=model, seed=seed, use_cache=use_cache, device=device, reconstruct=reconstruct)
    given = {"mask": mask, "truth": truth, "healthy": healthy, "prepare_with": prepare_with, "device": device, "reconstruct": reconstruct}
    return _detected(scan, sequence, request, _post(post, threshold), age, given, progress or Progress())


def _post(post: PostParams | None, threshold: str | float | None) -> PostParams:
    post = post or PostParams()
    return post if threshold is None else replace(post, threshold=str(threshold))


def _recommended(scan: Volume | str | Path, sequence: str | None, of_method: object) -> tuple[Volume, str]:
    """The scan, read, and the method to take where none is named: one that nothing was said of."""
    if of_method:
        raise InputError("Settings or a model without a method", why="they belong to one", fix="Name the method, too")
    volume = as_volume(scan, sequence)
    return volume, recommend(volume.sequence)[0]


def _detected(
    scan: Volume | str | Path,
    sequence: str | None,
    request: ScoringRequest,
    post: PostParams,
    age: float | None,
    given: dict[str, Any],
    progress: Progress,
) -> Detection:
    """For the parameters see `detect`."""
    start, spec, info = time.perf_counter(), request.spec, method_class(request.spec.method).INFO
    check_pictures(info.id, request.reconstruct)
    check_age(age)
    progress.update(0.0, "Reading the scan")
    volume = as_volume(scan, sequence)
    model_for(info.id, spec.model or None, volume.sequence)  # said now, not after the preparation of a whole head
    healthy = read_healthy(given["healthy"], info.id, post) if given["healthy"] else None
    if healthy is not None:
        check_fits(healthy, spec, volume.sequence, post)
    how = {"preset_id": info.preset, "prepare_with": given["prepare_with"]}
    ready = make_ready(volume, given["mask"], **how, progress=progress.part(0.0, _READY))
    truth = None if given["truth"] is None else as_truth(given["truth"], ready.scan)
    half, rest = _halves(info.id, ready, truth is not None, progress)
    scored = _on_own_grid(ready, scored_volume(ready.scored, request, half))
    amap = with_age(scored.map, age)
    command = detect_command(amap, post, scan=scan, sequence=given_sequence(volume), model=spec.model, **given)
    known: dict[str, Any] = {"truth": truth, "healthy": healthy, "started": start, "progress": rest}
    found = finish_detection(ready.scan, amap, post, command=command, **known)
    warp = None if ready.prepared is None else ready.prepared.warp
    return replace(found, cached=scored.cached, pictures=scored.pictures, warp=warp)


def _on_own_grid(ready: ReadyScan, scored: ScoredMap) -> ScoredMap:
    """A map and its pictures on the grid of the scan that was made ready."""
    return replace(scored, map=ready.bring_back(scored.map), pictures=brought_back(scored.pictures, scored.map, ready.bring_back))


def _halves(method: str, ready: ReadyScan, truth: bool, progress: Progress) -> tuple[Progress, Progress]:
    """What is left of a run's progress for scoring and for what follows, as the time they take."""
    # Only a preparation has said anything so far.
    begun = _READY if ready.prepared is not None else 0.02
    took = parts(method, ready.scored, truth=truth)
    middle = begun + (1.0 - begun) * took.score / (took.score + took.finish)
    return progress.part(begun, middle), progress.part(middle, 1.0)


@told_as_error()
def finish_detection(
    volume: Volume,
    amap: AnomalyMap,
    post: PostParams,
    *,
    truth: NDArray[np.bool_] | None,
    command: str,
    healthy: HealthyReference | None = None,
    edits: RegionEdits | None = None,
    started: float | None = None,
    progress: Progress | None = None,
) -> Detection:
    """The quick half of `detect`: post-processing and metrics of a map that exists (a cached one, say).

    Parameters
    ----------
    healthy : HealthyReference, optional
        What `read_healthy` gave; the method's own reference when None.
    edits : RegionEdits, optional
        What a person did to regions of this map. The metrics are those of the method, without it.
    started : float, optional
        ``time.perf_counter()`` when the run began, in seconds; now when None.

    Returns
    -------
    Detection
        As `detect` gives it.

    Raises
    ------
    InputError, DeviceError, Cancelled
        If the rule lacks what it needs, shapes differ, or memory is too little.
    """
    start = time.perf_counter() if started is None else started
    progress = progress or Progress()
    progress.update(0.0, "Post-processing")
    check_memory(volume.name, 16 * volume.data.size, "post-processing its map")
    amap = with_scan(amap, volume)
    found = judged(amap, post, truth=truth, healthy=healthy)
    result = found.result
    seconds = time.perf_counter() - start
    evaluation = None
    if truth is not None:
        progress.update(0.3, "Evaluating")
        part = progress.part(0.3, 1.0)
        evaluation = evaluate_map(result.score, truth, amap.grid, threshold=result.threshold, post=result, brain=amap.mask, progress=part)
    result = with_names(edited(result, edits, amap.grid, truth=truth), amap, found.reference)
    progress.update(1.0, "Done")
    own = Detection(volume, amap, post, result, truth, evaluation, seconds, command, edits)
    return replace(own, verdict=found.verdict, reference=found.reference)


@dataclass(frozen=True, eq=False)
class Judged:
    """What was found in a map, and what is said of it.

    Parameters
    ----------
    result : PostResult
        With the regions' p-values.
    verdict : Verdict
        Of the scan.
    reference : HealthyReference or None
        The healthy brains that it was compared with.
    """

    result: PostResult
    verdict: Verdict
    reference: HealthyReference | None


def judged(
    amap: AnomalyMap,
    post: PostParams,
    *,
    truth: NDArray[np.bool_] | None = None,
    healthy: HealthyReference | None = None,
    filtered: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None,
) -> Judged:
    """Post-process a map and compare what was found with healthy brains: the one road of window, command line and scripts.

    Brains of similar age count where the map's record has one (`age.with_age`).

    Parameters
    ----------
    truth, filtered
        See `postprocessing.pipeline.postprocess`.
    healthy
        See `finish_detection`.

    Raises
    ------
    InputError
        If healthy maps that were given are another model's, or the rule needs healthy brains and none fit this map.
    """
    filtered = filtered_score(amap, post) if filtered is None else filtered
    compared = reference_for(amap, filtered, post) if healthy is None else compared_with_given(healthy, amap, filtered, post)
    return judged_by(compared, amap, post, truth=truth, filtered=filtered)


def judged_by(
    compared: Compared,
    amap: AnomalyMap,
    post: PostParams,
    *,
    truth: NDArray[np.bool_] | None = None,
    filtered: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None,
) -> Judged:
    """The same by healthy brains that were chosen already (`references.compared`); for the parameters see `judged`."""
    if compared.reference is None and compared.why_none and post.rule.needs_healthy:
        fix = f"{compared.fix}, give healthy scans (--healthy), or choose another rule" if compared.fix else NO_REFERENCE
        raise InputError(f"Threshold '{post.rule}'", why=compared.why_none, fix=fix)
    if compared.reference is not None and compared.why_none and post.rule.kind == "fdr":
        # It rests on p-values, which mean nothing here, unlike volumes.
        fix = "Choose a rule that needs no p-values, like healthy-ml:3"
        raise InputError(f"Threshold '{post.rule}'", why=compared.why_none, fix=fix)
    age, healthy = age_of(amap), compared.reference
    peers = None if healthy is None else healthy.of_age(age)[0]  # whose p-values the verdict gives
    result = postprocess(amap, post, truth=truth, healthy=healthy, peers=peers, filtered=filtered)
    verdict = judge(result, compared.reference, why_none=compared.why_none, note=compared.note, age=age, fix=compared.fix)
    result, verdict = with_edges(result, verdict, amap, post, truth)
    return Judged(with_p_values(result, verdict), verdict, compared.reference)
