"""Doing a paper's experiment, step by step; what was finished before is left as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...core import shell
from ...core.errors import BrainUADError, InputError
from ...core.isolation import isolated
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.provenance import code_sha256, versions
from ...core.text import alike, told_of
from ...datasets.registry import layout
from ...evaluation.protocols import PROTOCOLS
from ...io.atomic import write_json, write_text
from ...io.checkpoint import checkpoint_files
from ...io.json_files import read_json
from ...io.results import check_output
from ...io.streams import file_sha256
from ..cohort.cohort import cases_of, evaluate_cohort
from ..cohort.cohort_report import check_cohort_output, save_cohort
from ..execution.workers import Workers
from ..models.method_spec import MethodSpec
from ..models.models import find_model
from ..scans.listed import patients_of_list
from ..scans.load import load
from ..scans.names import output_folder
from ..scans.prepare import Patient, prepare_many
from ..train.train import train, training_params
from .healthy import measured
from .people import LISTED, prepared_table
from .plan import Experiment
from .steps import EvaluateStep, HealthyStep, ModelStep, PrepareStep, Step, SuperposeStep, TestStep
from .synthetic import superpose

_FORMAT = "napari-brain-uad reproduction step 1"
PAGE = "cohort.html"
"""Of a test: what it gave as a page with pictures."""

_PICTURES = 3
"""As many as the command of the step shows."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class _Record:
    """What is kept of a step: from what it is made, and the SHA-256 of the files that it wrote, when it is done."""

    path: Path
    key: str

    def read(self) -> dict[str, Any]:
        found = _json(self.path)
        return found if found.get("format") == _FORMAT else {}

    def finished(self) -> bool:
        """Whether the step was done with the same input, and its files are as it wrote them."""
        found = self.read()
        files = found.get("files")
        if found.get("key") != self.key or not isinstance(files, dict) or not files:
            return False
        return all(file_sha256(self.path.parent.parent / name) == sha256 for name, sha256 in files.items())

    def begun(self) -> bool | None:
        """Whether the same step was begun here; None when none was."""
        found = self.read()
        return found.get("key") == self.key if found else None

    def write(self, *files: Path) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        told = {file.relative_to(self.path.parent.parent).as_posix(): file_sha256(file) for file in files}
        write_json(self.path, {"format": _FORMAT, "key": self.key, "files": told})


@told_as_error()
def reproduce(
    experiment: Experiment,
    *,
    device: str = "auto",
    jobs: int | Workers = 1,
    overwrite: bool = False,
    tell: Tell | None = None,
    at_step: Callable[[int], None] | None = None,
    on_warning: Callable[[str, str], None] | None = None,
    progress: Progress | None = None,
) -> dict[str, BrainUADError]:
    """Do all steps of an experiment, but for those that were finished before from the same input.

    Parameters
    ----------
    experiment : Experiment
        From `plan.plan_of`.
    device : str
        "auto", "cpu", "cuda" or "mps".
    jobs : int or Workers
        How many scans at a time in tests; see `execution.workers.Workers`.
    overwrite : bool
        Models and results that were made from other input may be replaced.
    tell : callable, optional
        Told in words what becomes of each step.
    at_step : callable, optional
        Told each step of a network's training, as by `workflows.train.train.train`: from then on a checkpoint would be lost.
    on_warning : callable, optional
        Told the scans of which preparation, training or test has something to say, and what: what the commands of these steps warn of.

    Returns
    -------
    dict of str to BrainUADError
        The steps that failed, by name; the others go on without what they would have given.

    Raises
    ------
    InputError, Cancelled
        If the folder cannot be written; if `progress` was cancelled: the same call goes on from there.
    """
    progress, tell = progress or Progress(), tell or (lambda _: None)
    check_output(experiment.out)
    output_folder(experiment.out / "scans")
    for path, text in experiment.tables.items():
        write_text(path, text)
    steps = experiment.steps
    failed: dict[str, BrainUADError] = {}
    for number, step in enumerate(steps):
        part = progress.part(number / len(steps), (number + 1) / len(steps))
        how = _How(experiment.out, device, jobs, overwrite, at_step, on_warning or (lambda name, text: None), part)
        work = partial(_WORK[type(step)], step, how)
        found = isolated(work)
        said = f"{number + 1} of {len(steps)}, {step.name}"
        if isinstance(found, BrainUADError):
            failed[step.name] = found
        tell(f"{said}: {found}")
    progress.update(1.0, "Reproduced")
    return failed


@dataclass(frozen=True)
class _How:
    """What all steps are given."""

    out: Path
    device: str
    jobs: int | Workers
    overwrite: bool
    at_step: Callable[[int], None] | None
    warn: Callable[[str, str], None]
    progress: Progress


def _claim(record: _Record, what: str, overwrite: bool) -> None:
    """Raise `InputError` where the same step was begun or done with other input, and may not be replaced."""
    if record.begun() is False and not overwrite:
        why = "it was begun or made of other scans or settings there"
        raise InputError(what, why=why, fix="Choose another --out, or have it replaced (--overwrite)")
    record.write()


def _prepare(step: PrepareStep, how: _How) -> str:
    record = _record(how.out, f"prepared-{step.group}", [step.preset, _contents(step.table)])
    people = patients_of_list(step.table)
    places = [step.out / one.name if len(people) > 1 else step.out for one in people]
    waiting = [one for one, place in zip(people, places, strict=True) if _prepared_in(place, step.preset, one) is None]
    if record.finished() and not waiting:
        return "finished before"
    _claim(record, f"{step.name} ({step.preset})", how.overwrite)
    # Of a single patient the results go to the folder itself.
    target = step.out / waiting[0].name if len(waiting) == 1 < len(people) else step.out
    more: dict[str, Any] = {"jobs": how.jobs, "figures": False, "overwrite": how.overwrite, "progress": how.progress}
    outcomes = prepare_many(waiting, step.preset, target, **more) if waiting else []
    for one in outcomes:
        for text in one.warnings:
            how.warn(one.name, text)
    without = {one.name for one in outcomes if one.errors}
    found = [
        None if one.name in without else _prepared_in(place, step.preset, one, new=True) for one, place in zip(people, places, strict=True)
    ]
    write_text(step.listed, prepared_table(layout(LISTED).subjects(step.table), found))
    failed = [told_of(one.name, error) for one in outcomes for error in one.errors]
    if not failed:
        record.write(step.listed)
    return "prepared" + (f"; failed: {'; '.join(failed)}" if failed else "")


def _prepared_in(place: Path, preset: str, patient: Patient, *, new: bool = False) -> Path | None:
    """What the preset made of a patient's scan, when it lies in the folder with all that was written with it.

    `new`: it was just made, and is of no earlier scan of that name.
    """
    (scan,) = patient.scans.values()
    for manifest in sorted(place.glob(f"*_{preset}_preparation_manifest.json")):
        told = _json(manifest)
        files, given = told.get("files", {}), told.get("input", {})
        scans = [place / str(name) for name in files if str(name).endswith("_prepared.nii.gz")]
        if scans and all((place / name).is_file() for name in files) and (new or given.get("sha256") == _input(scan)):
            return scans[0]
    return None


def _input(scan: Path) -> str:
    """What results say that they were made from; empty where it cannot be read."""
    volume = isolated(partial(load, scan))
    return "" if isinstance(volume, BrainUADError) or volume.source is None else volume.source.sha256


def _train(step: ModelStep, how: _How) -> str:
    settings = training_params(step.spec, None)
    made_of: list[Any] = [str(step.spec), None if settings is None else settings.as_dict(), step.seed]
    made_of += [replace(step.data, path="").as_dict(), step.prepare, _contents(step.table)]
    made_of += [_contents(step.anomalies)] if step.anomalies else []
    record = _record(how.out, f"model-{step.out.parent.name}-{step.out.name}", made_of)
    if record.finished():
        return "finished before"
    begun = record.begun()
    _claim(record, f"{step.out.name} of {step.out.parent.name}", how.overwrite)
    left_out: list[str] = []
    train(
        step.spec,
        step.data,
        seed=step.seed,
        out=step.out,
        # The record says that it is the same training: a model that was written just before an end has no checkpoint with every method.
        resume=begun is True,
        overwrite=how.overwrite or begun is True,
        device=how.device,
        on_failure=lambda name, error: left_out.append(told_of(name, error)),
        on_warning=lambda name, finding: how.warn(name, f"{finding.message}.{f' {finding.fix}.' if finding.fix else ''}"),
        at_step=how.at_step,
        progress=how.progress,
        anomalies=step.anomalies,
    )
    record.write(*checkpoint_files(step.out))
    return "trained" + (f"; left out: {'; '.join(left_out)}" if left_out else "")


def _superpose(step: SuperposeStep, how: _How) -> str:
    made_of = [step.prepare, _contents(step.table), _contents(step.patients), code_sha256(), versions()]
    record = _record(how.out, f"superposed-{step.test.name}", made_of)
    if record.finished():
        return "finished before"
    _claim(record, step.name, how.overwrite)
    files, failed = superpose(step, how.progress)
    if not failed:
        record.write(*files)
    return "added" + (f"; failed: {'; '.join(failed)}" if failed else "")


def _models_of(step: TestStep) -> tuple[dict[str, MethodSpec], list[Any]]:
    """The methods that have their model, by row, and what they are made of.

    Raises
    ------
    InputError
        If there is none.
    """
    models = {row: find_model(spec.model) for row, spec in step.specs.items() if spec.model and _modelled(spec.model)}
    specs = {row: spec for row, spec in step.specs.items() if not spec.model or row in models}
    if not specs:
        raise InputError(f"Nothing to {step.name}", why="no model was trained", fix="See why the trainings failed")
    told = {row: [str(replace(spec, model="")), models[row].sha256 if row in models else ""] for row, spec in specs.items()}
    return specs, [told, step.seed, _contents(step.scans), code_sha256(), versions()]


def _evaluate(step: EvaluateStep, how: _How) -> str:
    specs, made_of = _models_of(step)
    record = _record(how.out, f"test-{step.out.name}", [*made_of, step.protocol, step.prepare, step.post.as_dict()])
    if record.finished():
        return "finished before"
    cases, left_out = cases_of(step.scans, layout_id=LISTED, sequence=step.sequence, need_truth=False)
    check_cohort_output(cases, step.out, overwrite=how.overwrite)
    cohort = evaluate_cohort(
        cases,
        specs.values(),
        protocols=(PROTOCOLS[step.protocol],),
        post=step.post,
        prepare_with=step.prepare,
        device=how.device,
        seed=step.seed,
        jobs=how.jobs,
        pictures=_PICTURES,
        progress=how.progress.part(0.0, 0.95),
    )
    for name, text in cohort.warnings:
        how.warn(name, text)
    more: dict[str, Any] = {"overwrite": how.overwrite, "progress": how.progress.part(0.95, 1.0)}
    files = save_cohort(cohort, step.out, command=shell.join(step.words(how.device)), left_out=left_out, **more)
    if not cohort.failures:
        record.write(*files.values())
    failures = alike((failure.who, failure.why) for failure in cohort.failures)
    return "done" + (f"; failed: {'; '.join(failures)}" if failures else "")


def _measure(step: HealthyStep, how: _How) -> str:
    specs, made_of = _models_of(step)
    record = _record(how.out, f"test-{step.out.name}", made_of)
    if record.finished():
        return "finished before"
    more: dict[str, Any] = {"device": how.device, "seed": step.seed, "progress": how.progress}
    found, failed = measured(step.scans, step.sequence, list(specs.values()), **more)
    if not found["scans"]:
        raise InputError(step.name, why="; ".join(failed) or "no scan was there", fix="See what is wrong with the scans")
    step.out.mkdir(parents=True, exist_ok=True)
    write_json(step.figures, found)
    if not failed:
        record.write(step.figures)
    return "done" + (f"; failed: {'; '.join(failed)}" if failed else "")


_WORK: Mapping[type[Step], Callable[[Any, _How], str]] = {
    PrepareStep: _prepare,
    SuperposeStep: _superpose,
    ModelStep: _train,
    EvaluateStep: _evaluate,
    HealthyStep: _measure,
}


def _modelled(model: str) -> bool:
    return all(file.is_file() for file in checkpoint_files(Path(model)))


def _json(path: Path) -> dict[str, Any]:
    """A file's content; empty when there is none that can be read."""
    try:
        found = read_json(path)
    except InputError:
        return {}
    return found if isinstance(found, dict) else {}


def _record(out: Path, name: str, made_of: Any) -> _Record:
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return _Record(out / "steps" / f"{name}.json", key)


def _contents(table: Path) -> list[Any]:
    """What a list of scans names: people, and names and sizes of their files, wherever they lie."""
    found = []
    for one in layout(LISTED).subjects(table):
        files = [*one.sequences.values(), one.brain_mask, one.truth]
        found.append([one.id, one.session, *([path.name, path.stat().st_size] for path in files if path is not None)])
    return found


def cohort_of(step: TestStep) -> Mapping[str, Any]:
    """What a test gave, as it was written; empty when it gave nothing."""
    return _json(step.figures)
