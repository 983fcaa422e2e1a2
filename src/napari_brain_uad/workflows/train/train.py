"""Train a method on healthy scans and save the model."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...core.checks import Finding
from ...core.detector import Detector, MethodInfo, State
from ...core.errors import BrainUADError, DeviceError, InputError
from ...core.isolation import isolated
from ...core.memory import told_as_error
from ...core.optional import require
from ...core.params import Params
from ...core.progress import Progress
from ...core.provenance import versions
from ...core.seed import check_seed
from ...core.volume import Volume
from ...detectors.base.detector import BaseDetector
from ...detectors.base.stages import GradientStage
from ...detectors.registry import method_class
from ...io.checkpoint import checkpoint_files, save_checkpoint
from ...io.results import check_output
from ...training.params import TrainingParams, check_precision
from ...training.session import TrainingSession, TrainingUpdate, check_shares
from ..execution.devices import Device, check_count, resolve_device
from ..models.method_spec import MethodSpec, ParamsInput
from ..models.models import card_file
from ..scans.lazy_volumes import OpenedData
from ..scans.names import output_folder
from .known_anomalies import AnomaliesInput, KnownAnomalies, open_anomalies, recorded, words_of
from .training_data import TrainingData, open_data, open_scans
from .training_record import checkpoints_in, claim, record_of, so_far

TrainingInput = TrainingParams | Mapping[str, Any] | None
DataInput = TrainingData | Sequence[Volume | str | Path] | str | Path

_SHARE = 0.1
"""Of scans given one by one, for validation."""


@dataclass(frozen=True)
class _Place:
    """Where the model goes, and the folder of checkpoints and log; both None when nothing is kept."""

    model: Path | None
    folder: Path | None


@told_as_error()
def train(
    method: str | MethodSpec,
    data: DataInput,
    *,
    params: ParamsInput = None,
    training: TrainingInput = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    report: Callable[[TrainingUpdate], None] | None = None,
    at_step: Callable[[int], None] | None = None,
    on_failure: Callable[[str, BrainUADError], None] | None = None,
    on_warning: Callable[[str, Finding], None] | None = None,
    progress: Progress | None = None,
    anomalies: AnomaliesInput = None,
) -> Detector:
    """Train a method on healthy scans.

    Parameters
    ----------
    method : str or MethodSpec
        A trainable method's id, or ``METHOD@PRESET@NAME=VALUE``, see `workflows.models.method_spec`. A preset holds for the training, too.
    data : TrainingData, a folder, or a sequence of Volume or path
        Healthy scans. Brains are found as in `detect`.
    params, training : Params or mapping, optional
        Settings of the method that `method` does not say, and of its network's training, over the preset's.
    out : str or Path, optional
        NAME of the model: it is saved as ``NAME.safetensors`` with ``NAME.json`` beside it. The folder ``NAME`` takes checkpoints and
        the log (``log.csv``) of a network's training.
    resume, overwrite : bool
        Go on with the training in the folder ``NAME``, and replace its model (from the start when there is neither yet); or replace any
        model of that name with its card, and any training in the folder.
    seed, device, devices, nodes
        The first fixes everything random. "auto", "cpu", "cuda" or "mps"; how many of them on each machine, and how many machines.
    report, at_step, progress : callables and Progress, optional
        The former two as of `TrainingSession`. Cancelling stops within two seconds, with a checkpoint to resume from and no model.
    on_failure, on_warning : callable, optional
        Told at the end which scans of `data` could not be read or used, and why: they are left out, and the model's record names them.
        Told, however it ends, which scans it learns from have a brain mask that is no brain's, or do not look like their sequence.
    anomalies : a folder, or a sequence of pairs, optional
        Known anomalies, see `known_anomalies.open_anomalies`. A scan of them that cannot be used ends the training.

    Returns
    -------
    Detector

    Raises
    ------
    InputError, ModelError, DeviceError
        If scans or settings do not fit, too few scans remain, `out` holds another training, it breaks down, or memory is too little.
    """
    spec = MethodSpec.of(method, params=params)
    detector, settings, used = prepared_detector(spec, training, device)
    order = _Order(spec.method, data, check_seed(seed), out, resume, overwrite, devices, nodes, anomalies)
    return _trained(order, detector, settings, used, _Told(report, at_step), Heard(on_failure, on_warning), progress or Progress())


@dataclass(frozen=True)
class _Order:
    """What `train` was asked for."""

    method: str
    data: DataInput
    seed: int
    out: str | Path | None
    resume: bool
    overwrite: bool
    devices: int
    nodes: int
    anomalies: AnomaliesInput


def _trained(
    order: _Order,
    detector: BaseDetector,
    settings: TrainingParams | None,
    used: Device,
    told: _Told,
    heard: Heard,
    progress: Progress,
) -> Detector:
    machines = order.devices * order.nodes
    _check_devices(detector, settings, used, order)
    place, first = _place(order.out, learns_in_steps=settings is not None), is_first_process(machines)
    if place.model is not None and first:
        check_output(place.model.parent)
        check_free(place.model, overwrite=order.overwrite, folder=place.folder, resume=order.resume)
    opened = _open(order.data, order.method, _SHARE if settings is not None else 0.0, order.seed, progress.part(0.0, 0.02))
    check_sequences(detector.INFO, opened.sequences)
    prepare = order.data.preset if isinstance(order.data, TrainingData) else ""
    known = open_anomalies(order.anomalies, order.method, opened.sequences, prepare, progress)
    if place.folder is not None:
        record = record_of(order.method, detector.params, order.data, order.seed) | recorded(order.anomalies) | opened.named()
        claim(place.folder, record, resume=order.resume, overwrite=order.overwrite, first=first)
    elif place.model is not None and first:
        output_folder(place.model.parent)
    session = TrainingSession(
        place.folder, order.resume, used.name, order.devices, order.nodes, opened.validation, told, known, told.at_step
    )
    try:
        opened, failure = _fitted(detector, opened, order.seed, settings, session, progress.part(0.02, 0.98))
    finally:  # a training that is stopped, to go on later, would only say so days after
        heard.warnings({**opened.warnings, **known.warnings})
    heard.failures(opened.failures)
    if failure is not None:
        raise failure
    if place.model is not None and first:
        steps, seconds = (None if place.folder is None else so_far(place.folder)) or (told.steps, told.seconds)
        meta = _meta(detector, opened, known, order.seed, settings) | {"steps": steps, "seconds": round(seconds, 1)}
        save_model(place.model, detector, detector.state(), meta | {"machine": machine_words(used.words, machines)})
    progress.update(1.0, "Trained")
    return detector


def _check_devices(detector: BaseDetector, settings: TrainingParams | None, used: Device, order: _Order) -> None:
    """Raise unless there are so many devices, and every network's batches can be shared among them; before any scan is read."""
    check_count(used.name, order.devices, order.nodes)
    for stage in detector.stages():
        if settings is not None and isinstance(stage, GradientStage):
            check_shares((settings if stage.training is None else stage.training(settings)).batch_size, order.devices * order.nodes)


def _fitted(
    detector: BaseDetector,
    opened: OpenedData,
    seed: int,
    settings: TrainingParams | None,
    session: TrainingSession,
    progress: Progress,
) -> tuple[OpenedData, BrainUADError | None]:
    """Train on all scans that the method can use: the data without the others, and why there is no training, if there is none.

    A scan at which the method's own preparation fails is left out, and what was prepared before is prepared again: that is seldom, and the
    result is the same as without that scan.
    """
    while True:
        own = replace(session, validation=opened.validation)
        error = isolated(partial(detector.fit, opened.train, seed=seed, progress=progress, training=settings, session=own))
        # A lack of memory is no scan's fault.
        fewer = None if error is None or isinstance(error, DeviceError) else opened.without_failed(error)
        if fewer is None:
            return opened, error
        opened = fewer


@dataclass(frozen=True)
class Heard:
    """Who hears at the end of scans that were left out, and of those with something to know; None where nobody does."""

    on_failure: Callable[[str, BrainUADError], None] | None
    on_warning: Callable[[str, Finding], None] | None

    def failures(self, found: Mapping[str, BrainUADError]) -> None:
        """Tell of scans that were left out, by name."""
        for name, error in found.items():
            if self.on_failure is not None:
                self.on_failure(name, error)

    def warnings(self, found: Mapping[str, tuple[Finding, ...]]) -> None:
        """Tell of what was seen of scans, by name."""
        for name, findings in found.items():
            for finding in findings:
                if self.on_warning is not None:
                    self.on_warning(name, finding)


class _Told:
    """Passes updates and steps on, and remembers how far the training came."""

    def __init__(self, report: Callable[[TrainingUpdate], None] | None, at_step: Callable[[int], None] | None) -> None:
        self._report, self._at_step = report, at_step
        self._start = time.perf_counter()
        self._last: dict[str, TrainingUpdate] = {}
        """Of each stage."""

    def __call__(self, update: TrainingUpdate) -> None:
        self._last[update.stage] = update
        if self._report is not None:
            self._report(update)

    def at_step(self, step: int) -> None:
        if self._at_step is not None:
            self._at_step(step)

    @property
    def steps(self) -> int:
        return sum(update.step for update in self._last.values())

    @property
    def seconds(self) -> float:
        return sum(update.seconds for update in self._last.values()) if self._last else time.perf_counter() - self._start


def training_params(spec: MethodSpec, training: TrainingInput) -> TrainingParams | None:
    """How a method's network is trained, checked; None for methods that train in one go.

    Raises
    ------
    InputError
        For a setting it does not have, or settings for a method that has none.
    """
    kind = method_class(spec.method).Training
    given = training.as_dict() if isinstance(training, Params) else dict(training or {})
    if kind is None:
        if given:
            raise InputError(f"{spec.method} has no training settings", why="it is trained in one go", fix="Leave them out")
        return None
    return kind.from_dict(dict(kind.PRESETS.get(spec.preset, {})) | given)


def prepared_detector(spec: MethodSpec, training: TrainingInput, device: str) -> tuple[BaseDetector, TrainingParams | None, Device]:
    """An untrained detector on its device, and how its network is trained; all settings checked.

    Raises
    ------
    InputError
        If the method learns nothing, a model is named, a setting cannot be used (there, too), or what training needs is not installed.
    DeviceError
        If the device is not there.
    ModelError
        If weights that a setting names are not there, or not its own.
    """
    found = method_class(spec.method)
    if not found.INFO.trainable:
        raise InputError(f"{spec.method} learns nothing from data", fix="Use it as it is, without training")
    if spec.model:
        why = f"a training begins without a model, and '{spec}' names {spec.model}"
        raise InputError(f"{spec.method} cannot be trained like that", why=why, fix="Leave the ':' and what follows it out")
    settings = training_params(spec, training)
    if settings is not None:
        require("torch", "lightning_fabric", what_for=f"{spec.method} cannot be trained here")
    detector = found(found.Params.from_dict(spec.params()))
    used = resolve_device(device, found.INFO.devices)
    if settings is not None:
        check_precision(settings.precision, used.name)
    detector.device = used.name
    detector.check_parts()
    return detector, settings, used


def _place(out: str | Path | None, *, learns_in_steps: bool) -> _Place:
    if out is None:
        return _Place(None, None)
    tensors = checkpoint_files(Path(out))[0]
    return _Place(tensors, tensors.with_suffix("") if learns_in_steps else None)


def check_free(model: Path, *, overwrite: bool, folder: Path | None = None, resume: bool = False) -> None:
    """Raise `InputError` where a model, or a card of one, is that may not be replaced.

    Parameters
    ----------
    model : Path
        Where the model goes.
    overwrite : bool
        Anything may be replaced.
    folder : Path, optional
        Of the model's training. Where its checkpoint is, going on with it replaces the model that it gave before.
    resume : bool
        The training is to go on.
    """
    there = next((file for file in (*checkpoint_files(model), card_file(checkpoint_files(model)[0])) if file.exists()), None)
    can_go_on = folder is not None and bool(checkpoints_in(folder))
    if there is None or overwrite or (resume and can_go_on):
        return
    why = f"{there} would be replaced" + (", and its training has no checkpoint to go on from" if resume else "")
    fix = f"Choose another name, {'go on with its training (--resume), ' if can_go_on else ''}or have it replaced (--overwrite)"
    raise InputError(f"There is a model {model.stem} already", why=why, fix=fix)


def _open(data: DataInput, method: str, share: float, seed: int, progress: Progress) -> OpenedData:
    if isinstance(data, str | Path):
        data = TrainingData("folder", str(data), seed=seed)
    if isinstance(data, TrainingData):
        # A method that is trained in one go has no use for scans that are kept apart.
        return open_data(data if share else replace(data, validation=0.0), method, progress=progress)
    return open_scans(data, method, validation=share, seed=seed)


def is_first_process(processes: int) -> bool:
    """Whether this is the process that writes: torchrun, SLURM and Fabric tell each its number."""
    names = ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")
    return processes == 1 or not any(int(os.environ.get(name) or 0) for name in names)


def check_sequences(info: MethodInfo, sequences: Sequence[str]) -> None:
    """Raise `InputError` if a method that learns from some sequences alone is given others."""
    known = info.learns_from
    if other := [name for name in sequences if known and name not in known]:
        why = f"it learns from healthy {' or '.join(known)} scans, and these are {', '.join(other)}"
        raise InputError(f"{info.name} cannot be trained", why=why, fix=f"Give healthy {' or '.join(known)} scans")


def _meta(detector: BaseDetector, opened: OpenedData, known: KnownAnomalies, seed: int, settings: TrainingParams | None) -> dict[str, Any]:
    """How the model came about, for its record: no paths and no names of machines."""
    return {
        "seed": seed,
        "versions": versions(),
        "data": opened.words + words_of(known),
        "sequences": list(detector.INFO.sequences if detector.INFO.learns_from else opened.sequences),
        "scans": opened.train.seen(),
        "validation_scans": opened.validation.seen(),
        "left_out": list(opened.failures),
        **({"known_anomalies": known.seen()} if known else {}),
        "training": {} if settings is None else settings.as_dict(),
    }


def save_model(path: Path, detector: BaseDetector, state: State, meta: dict[str, Any]) -> None:
    """Write a model; the card of the one that was there goes before it does, for it would be read as this one's."""
    try:
        card_file(path).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{card_file(path).name} cannot be replaced", why=error.strerror or str(error), fix="Choose another name"
        ) from error
    save_checkpoint(path, method=detector.INFO.id, params=detector.params.as_dict(), state=state, meta=meta)


def machine_words(words: str, devices: int = 1) -> str:
    """What a record says of the machine: no name."""
    several = f"{devices} x " if devices > 1 else ""
    return f"{several}{words}; {os.cpu_count()} cores, {platform.machine()}"
