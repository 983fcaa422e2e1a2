"""Detect anomalies in one scan: what the window, the command line and scripts all call."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.detector import Detector
from ..core.errors import InputError, ModelError
from ..core.params import Params
from ..core.progress import Progress
from ..core.volume import Volume
from ..detectors.registry import create, method_class
from ..evaluation.report import Evaluation, evaluate_map
from ..io.checkpoint import load_checkpoint
from ..io.nifti import read_map
from ..postprocessing.params import PostParams
from ..postprocessing.pipeline import PostResult, filtered_score, postprocess
from .command import detect_command
from .devices import resolve_device
from .load import MaskInput, as_mask
from .models import Model, default_model, find_model, name_of, no_model, settings_for
from .ready import AUTO, make_ready

ParamsInput = Params | Mapping[str, Any] | None
HealthyInput = Sequence[AnomalyMap | str | Path]


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
    """

    volume: Volume
    map: AnomalyMap
    post: PostParams
    result: PostResult
    truth: NDArray[np.bool_] | None
    evaluation: Evaluation | None
    seconds: float
    command: str


def load_detector(
    method: str, *, params: ParamsInput = None, model: str | Path | None = None, sequence: str | None = None, device: str = "cpu"
) -> Detector:
    """A detector ready to score: created from its id, with its trained state when it needs one.

    Parameters
    ----------
    model : str or Path, optional
        A model's id or file; without it the default model for `sequence` is taken (`workflows.models.default_model`).
    device : str
        "cpu", "cuda" or "mps", as `workflows.devices.resolve_device` gives it.

    Raises
    ------
    InputError
        For an unknown method or setting, or a model for a method that takes none.
    ModelError
        If the method needs a model and there is none, or the file is damaged or another method's.
    """
    found, used = method_class(method), _model_for(method, model, sequence)
    if used is None:
        return _on(device, create(method, _as_params(found.Params, params)))
    checkpoint = load_checkpoint(used.path)
    own = settings_for(method, checkpoint.method, checkpoint.params)
    changed = params.as_dict() if isinstance(params, Params) else dict(params or {})
    detector = _on(device, create(method, found.Params.from_dict(own | changed)))
    detector.load_state(checkpoint.state)
    return detector


def _on(device: str, detector: Detector) -> Detector:
    detector.device = device
    return detector


def score_volume(
    volume: Volume,
    method: str,
    *,
    params: ParamsInput = None,
    model: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> AnomalyMap:
    """The slow half of `detect`: the raw anomaly map of a prepared volume, its provenance completed."""
    used = _model_for(method, model, volume.sequence)
    place = resolve_device(device, method_class(method).INFO.devices).name
    detector = load_detector(method, params=params, model=None if used is None else used.path, device=place)
    amap = score_with(detector, volume, device=device, seed=seed, progress=progress)
    record = {} if used is None else {"model": {"name": used.id, "sha256": used.sha256}}
    return replace(amap, provenance={**amap.provenance, **record})


def score_with(detector: Detector, volume: Volume, *, device: str = "auto", seed: int = 0, progress: Progress | None = None) -> AnomalyMap:
    """`score_volume` with a detector that is loaded already."""
    used = resolve_device(device, detector.INFO.devices)
    detector.device = used.name
    amap = detector.score(volume, seed=seed, progress=progress or Progress())
    return replace(amap, provenance={**amap.provenance, "device": used.words})


def detect(
    scan: Volume | str | Path,
    method: str = "threshold",
    *,
    params: ParamsInput = None,
    mask: MaskInput | None = None,
    truth: MaskInput | None = None,
    model: str | Path | None = None,
    post: PostParams | None = None,
    healthy: HealthyInput | None = None,
    prepare_with: str = AUTO,
    device: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
) -> Detection:
    """Detect anomalies in one scan.

    Parameters
    ----------
    scan : Volume, str or Path
        The scan, or its file.
    method, params
        A method's id (``brain-uad methods`` lists them), and its settings; its defaults otherwise.
    mask, truth : array of bool, str or Path, optional
        The brain; without it, it is found (see `workflows.ready.make_ready`). The ground truth adds metrics, and allows the rule
        "best-dice".
    model : str or Path, optional
        Id or file of a trained model, for methods that need one; otherwise the default model for the scan's sequence.
    post : PostParams, optional
        Post-processing; the defaults otherwise.
    healthy : sequence of AnomalyMap or path, optional
        Maps of healthy scans made with the same method, for the threshold rule "healthy-fpr".
    prepare_with : str
        "auto": the method's preset when the scan shows the whole head; "never"; or a preset's id.
    device : str
        "auto", "cpu", "cuda" or "mps".
    seed : int
        Fixes everything random: the same seed gives the same map.

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        Each saying what failed, why, and what to do.
    """
    progress, post, start = progress or Progress(), post or PostParams(), time.perf_counter()
    progress.update(0.0, "Reading the scan")
    own = method_class(method).INFO.preset
    ready = make_ready(scan, mask, preset_id=own, prepare_with=prepare_with, progress=progress.part(0.0, 0.4))
    truth_array = None if truth is None else as_mask(truth, ready.scan, label="ground truth")
    healthy_scores = None if healthy is None else read_healthy(healthy, method, post)
    scores = score_volume(ready.scored, method, params=params, model=model, device=device, seed=seed, progress=progress.part(0.4, 0.6))
    amap = ready.bring_back(scores)
    used = amap.provenance.get("model", {}).get("name") if model is None else name_of(model)
    command = detect_command(
        amap, post, scan=scan, mask=mask, truth=truth, model=used, healthy=healthy, prepare_with=prepare_with, device=device
    )
    return finish_detection(
        ready.scan, amap, post, truth=truth_array, healthy=healthy_scores, command=command, started=start, progress=progress.part(0.6, 1.0)
    )


def finish_detection(
    volume: Volume,
    amap: AnomalyMap,
    post: PostParams,
    *,
    truth: NDArray[np.bool_] | None,
    command: str,
    healthy: Sequence[NDArray[np.float32]] | None = None,
    started: float | None = None,
    progress: Progress | None = None,
) -> Detection:
    """The quick half of `detect`: post-processing and metrics of a map that exists (a cached one, say).

    Parameters
    ----------
    healthy : sequence of arrays of float32, optional
        What `read_healthy` gave.
    started : float, optional
        ``time.perf_counter()`` when the run began; now when None.
    """
    start = time.perf_counter() if started is None else started
    progress = progress or Progress()
    progress.update(0.0, "Post-processing")
    result = postprocess(amap, post, truth=truth, healthy=healthy)
    seconds = time.perf_counter() - start
    evaluation = None
    if truth is not None:
        progress.update(0.3, "Evaluating")
        evaluation = evaluate_map(result.score, truth, amap.grid, threshold=result.threshold, post=result, progress=progress.part(0.3, 1.0))
    progress.update(1.0, "Done")
    return Detection(volume, amap, post, result, truth, evaluation, seconds, command)


def read_healthy(maps: HealthyInput, method: str, post: PostParams) -> list[NDArray[np.float32]]:
    """Brain scores of healthy maps, filtered as the scan's own map will be: what the rule "healthy-fpr" compares with.

    Raises
    ------
    InputError
        If a map cannot be read, or is another method's.
    """
    scores = []
    for given in maps:
        amap = given if isinstance(given, AnomalyMap) else read_map(Path(given))
        if amap.method != method:
            raise InputError(f"Healthy map {amap.name} was made with {amap.method}, not with {method}", fix=f"Give maps of {method}")
        score, brain = filtered_score(amap, post)
        scores.append(score[brain])
    return scores


def _model_for(method: str, given: str | Path | None, sequence: str | None) -> Model | None:
    """The model a run uses; None for a method that needs none."""
    if not method_class(method).INFO.trainable:
        if given is not None:
            raise InputError(f"{method} takes no model", why="it learns nothing from data", fix="Leave --model out")
        return None
    if given is None:
        default = default_model(method, sequence)
        if default is None:
            raise no_model(method, sequence)
        return default
    found = find_model(given)
    if found.method not in (method, *method_class(method).INFO.models_of):
        raise ModelError(f"{found.path.name} is a model of {found.method}, not of {method}", fix=f"Use --method {found.method}")
    return found


def _as_params(kind: type[Params], given: ParamsInput) -> Params:
    return given if isinstance(given, Params) else kind.from_dict(given or {})
