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
from ..models.models import find_model
from ..scans.listed import patients_of_list
from ..scans.load import load
from ..scans.names import output_folder
from ..scans.prepare import Patient, prepare_many
from ..train.train import train, training_params
from .people import LISTED, prepared_table
from .plan import EvaluateStep, Experiment, ModelStep, PrepareStep

_FORMAT = "napari-brain-uad reproduction step 1"
COHORT = "cohort.json"
PAGE = "cohort.html"
"""Of a test: all it gave as data, and as a page with pictures."""

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
        how: dict[str, Any] = {"device": device, "overwrite": overwrite, "progress": part}
        if isinstance(step, PrepareStep):
            work = partial(_prepare, step, experiment.out, jobs=jobs, overwrite=overwrite, progress=part)
        elif isinstance(step, ModelStep):
            work = partial(_train, step, experiment.out, **how)
        else:
            work = partial(_evaluate, step, experiment.out, jobs=jobs, **how)
        found = isolated(work)
        said = f"{number + 1} of {len(steps)}, {step.name}"
        if isinstance(found, BrainUADError):
            failed[step.name] = found
        tell(f"{said}: {found}")
    progress.update(1.0, "Reproduced")
    return failed


def _claim(record: _Record, what: str, overwrite: bool) -> None:
    """Raise `InputError` where the same step was begun or done with other input, and may not be replaced."""
    if record.begun() is False and not overwrite:
        why = "it was begun or made of other scans or settings there"
        raise InputError(what, why=why, fix="Choose another --out, or have it replaced (--overwrite)")
    record.write()


def _prepare(step: PrepareStep, out: Path, *, jobs: int | Workers, overwrite: bool, progress: Progress) -> str:
    record = _record(out, f"prepared-{step.training}", [step.preset, _contents(step.table)])
    people = patients_of_list(step.table)
    places = [step.out / one.name if len(people) > 1 else step.out for one in people]
    waiting = [one for one, place in zip(people, places, strict=True) if _prepared_in(place, step.preset, one) is None]
    if record.finished() and not waiting:
        return "finished before"
    _claim(record, f"{step.name} ({step.preset})", overwrite)
    # Of a single patient the results go to the folder itself.
    target = step.out / waiting[0].name if len(waiting) == 1 < len(people) else step.out
    how: dict[str, Any] = {"jobs": jobs, "figures": False, "overwrite": overwrite, "progress": progress}
    outcomes = prepare_many(waiting, step.preset, target, **how) if waiting else []
    without = {one.name for one in outcomes if one.errors}
    found = [
        None if one.name in without else _prepared_in(place, step.preset, one, new=True) for one, place in zip(people, places, strict=True)
    ]
    write_text(step.listed, prepared_table(layout(LISTED).subjects(step.table), found))
    failed = [f"{one.name} ({error})" for one in outcomes for error in one.errors]
    if not failed:
        record.write(step.listed)
    return "prepared" + (f"; failed: {', '.join(failed)}" if failed else "")


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


def _train(step: ModelStep, out: Path, *, device: str, overwrite: bool, progress: Progress) -> str:
    settings = training_params(step.spec, None)
    made_of: list[Any] = [str(step.spec), None if settings is None else settings.as_dict(), step.seed]
    made_of += [replace(step.data, path="").as_dict(), step.prepare, _contents(step.table)]
    record = _record(out, f"model-{step.out.parent.name}-{step.out.name}", made_of)
    if record.finished():
        return "finished before"
    begun = record.begun()
    _claim(record, f"{step.out.name} of {step.out.parent.name}", overwrite)
    left_out: list[str] = []
    train(
        step.spec,
        step.data,
        seed=step.seed,
        out=step.out,
        resume=begun is True,
        overwrite=overwrite and begun is not True,
        device=device,
        on_failure=lambda name, error: left_out.append(f"{name} ({error})"),
        progress=progress,
    )
    record.write(*checkpoint_files(step.out))
    return "trained" + (f"; left out: {', '.join(left_out)}" if left_out else "")


def _evaluate(step: EvaluateStep, out: Path, *, device: str, jobs: int | Workers, overwrite: bool, progress: Progress) -> str:
    models = {row: find_model(spec.model) for row, spec in step.specs.items() if spec.model and _modelled(spec.model)}
    specs = {row: spec for row, spec in step.specs.items() if not spec.model or row in models}
    if not specs:
        raise InputError(f"Nothing to {step.name}", why="no model was trained", fix="See why the trainings failed")
    told = {row: [str(replace(spec, model="")), models[row].sha256 if row in models else ""] for row, spec in specs.items()}
    made_of = [told, step.protocol, step.prepare, step.post.as_dict(), step.seed, _contents(step.table), code_sha256(), versions()]
    record = _record(out, f"test-{step.test.name}", made_of)
    if record.finished():
        return "finished before"
    cases, left_out = cases_of(step.table, layout_id=LISTED, sequence=step.sequence, need_truth=False)
    check_cohort_output(cases, step.out, overwrite=overwrite)
    cohort = evaluate_cohort(
        cases,
        specs.values(),
        protocols=(PROTOCOLS[step.protocol],),
        post=step.post,
        prepare_with=step.prepare,
        device=device,
        seed=step.seed,
        jobs=jobs,
        pictures=_PICTURES,
        progress=progress.part(0.0, 0.95),
    )
    command = shell.join(step.words(device))
    files = save_cohort(cohort, step.out, command=command, left_out=left_out, overwrite=overwrite, progress=progress.part(0.95, 1.0))
    if not cohort.failures:
        record.write(*files.values())
    failures = [f"{failure.case} {failure.method}: {failure.why}" for failure in cohort.failures]
    return "done" + (f"; failed: {'; '.join(failures)}" if failures else "")


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


def cohort_of(step: EvaluateStep) -> Mapping[str, Any]:
    """What a test gave, as it was written; empty when it gave nothing."""
    return _json(step.out / COHORT)
