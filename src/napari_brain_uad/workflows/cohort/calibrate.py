"""Make a healthy reference from a folder of healthy scans: what ``brain-uad calibrate`` and the Models dock call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ...calibration.build import HealthyMap, LeaveOneOut, build_reference, leave_one_out, source_of
from ...calibration.files import save_reference
from ...calibration.names import reference_file
from ...calibration.reference import ROUNDING, HealthyReference
from ...core.errors import BrainUADError, DeviceError, InputError, ModelError
from ...core.memory import check_memory, told_as_error
from ...core.params import same_value, value_text
from ...core.progress import Progress
from ...core.text import told_of
from ...datasets.covariates import covariates_of, participants
from ...detectors.registry import method_class
from ...io.checkpoint import checkpoint_files, read_record
from ...io.results import check_output
from ...io.streams import is_file
from ...postprocessing.params import PostParams
from ..detect.mni import to_mni_of
from ..detect.region_names import mni_relation
from ..detect.score import ScoringRequest, check_model, model_for
from ..detect.score_volume import scored_volume
from ..execution.devices import resolve_device
from ..execution.parallel import in_processes
from ..execution.workers import Workers
from ..models.method_spec import MethodSpec
from ..models.models import Model, user_dir
from ..models.references import COMPARABLE, check_healthy, load_for, places_for, stem_of
from ..scans.further import split_prepare
from ..scans.load import as_mask
from ..scans.ready import AUTO, make_ready
from .case import Case, case_volume
from .cohort import cases_of

Failed = Callable[[str, BrainUADError], None]
"""Told the name of a scan that could not be scored, and why."""

FEWEST = 2
_BYTES = 5
"""A voxel of a map and its mask."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """One reference that was made.

    Parameters
    ----------
    reference : HealthyReference
        Of one sequence.
    left_out : LeaveOneOut or None
        The check; None without two real people.
    files : tuple of Path
        What was written.
    replaced : str
        Which earlier reference they took the place of, in a sentence; empty where there was none.
    steps_back : str
        Which reference that comes with the package counts no longer, in a sentence; empty where there is none.
    """

    reference: HealthyReference
    left_out: LeaveOneOut | None
    files: tuple[Path, ...]
    replaced: str = ""
    steps_back: str = ""

    def places_told(self, asked: bool) -> str:
        """What is said of the mean map in MNI152: that there is none only where scans were to be registered for it (`asked`)."""
        return self.reference.places_words or ("No mean map in MNI152: no scan could be registered there" if asked else "")


@told_as_error()
def calibrate(
    method: str | MethodSpec,
    healthy: str | Path | Sequence[Case],
    *,
    sequence: str | None = None,
    title: str = "",
    kind: str = "real",
    post: PostParams | None = None,
    prepare_with: str = AUTO,
    device: str = "auto",
    seed: int = 0,
    mni: bool = False,
    out: str | Path | None = None,
    jobs: int | Workers = 1,
    on_failure: Failed | None = None,
    progress: Progress | None = None,
) -> tuple[tuple[Calibration, ...], tuple[str, ...]]:
    """One calibration a sequence, kept beside the model and checked by leaving one scan out at a time; which scans are not in it, and why.

    Parameters
    ----------
    method : str or MethodSpec
        ``METHOD@PRESET@NAME=VALUE:MODEL``; see `workflows.models.method_spec`.
    healthy : str, Path or sequence of Case
        A folder of healthy scans in any layout (see `datasets`; with ages, or a ``participants.tsv``), or the scans. Several of one person
        count as one brain, that of the voxel size closest to the scan judged; copies of one scan count once.
    sequence, title, kind : optional
        Which sequence of each subject; who they are, as verdicts name them (no person's name); "real" or "simulated" (no p-value then).
    post, prepare_with, device, seed
        As in `detect`.
    mni : bool
        Register every scan to MNI152 (affine, some ten seconds each) for the mean map there; those that lie there count all the same.
    out, jobs : optional
        The folder to write into, else that of the user's models. How many scans at a time, and where: see `execution.workers.Workers`.
    on_failure : callable, optional
        Told the scans that should be in it and are not, as they cannot be read or scored, or would get no verdict (mask or image unlike).

    Raises
    ------
    InputError, ModelError
        If the method can have no reference, it or its model, settings, preparation or device cannot be used, or too few people are left.
    """
    progress, spec = progress or Progress(), MethodSpec.of(method)
    _check_usable(spec, prepare_with, device)
    cases, left_out, ages = _healthy(healthy, sequence)
    check_output(folder := user_dir() if out is None else Path(out))  # not after minutes of scoring
    tasks = [_Task(case, spec, prepare_with, device, seed, len(cases), mni) for case in cases]
    maps, unused = _all_scored(tasks, kind, ages, jobs, progress.part(0.0, 0.9), on_failure or (lambda name, error: None))
    missed, made = [*left_out, *unused], []
    for of, scored in sorted(maps.items()):
        if len({one.person for one, _ in scored}) < FEWEST:
            missed.append(f"{of}: one person only")
        else:
            made.append(_made(of, scored, post or PostParams(), title, folder, progress.part(0.9, 1.0)))
    if not made:
        why = "; ".join(missed[:3]) or "no scan was given"
        raise InputError("No healthy reference was made", why=why, fix=f"Give scans of at least {FEWEST} healthy people, of one sequence")
    progress.update(1.0, "Calibrated")
    return tuple(made), tuple(missed)


def _healthy(healthy: str | Path | Sequence[Case], sequence: str | None) -> tuple[list[Case], list[str], Mapping[str, float]]:
    """The scans but for those that the data set calls ill, who is left out, and ages by subject."""
    ages: Mapping[str, float] = {}
    left_out: Sequence[str] = ()
    if isinstance(healthy, str | Path):
        ages = _ages(Path(healthy))
        healthy, left_out = cases_of(healthy, sequence=sequence, need_truth=False)
    ill = [f"{case.name}: the data set says that it is ill: it is not healthy" for case in healthy if case.ill]
    return [case for case in healthy if not case.ill], [*left_out, *ill], ages


def _check_usable(spec: MethodSpec, prepare_with: str, device: str) -> None:
    """Raise what would fail for every scan alike, after minutes and with each scan's name."""
    found = method_class(spec.method)
    if why := found.INFO.incomparable:
        raise InputError(f"{spec.method} can have no healthy reference", why=why, fix=COMPARABLE)
    found.Params.from_dict(spec.params())
    check_model(spec.method, spec.model or None)
    split_prepare(prepare_with)
    with suppress(DeviceError):  # one that is not here the workers may have
        resolve_device(device, found.INFO.devices)


class _NotOfUse(InputError):
    """The scan is none that a reference is made of: nothing failed."""


@dataclass(frozen=True, eq=False)
class _Task:
    """One healthy scan's share, as it is sent to a process."""

    case: Case
    spec: MethodSpec
    prepare_with: str
    device: str
    seed: int
    scans: int
    mni: bool


def _all_scored(
    tasks: Sequence[_Task], kind: str, ages: Mapping[str, float], jobs: int | Workers, progress: Progress, on_failure: Failed
) -> tuple[dict[str, list[tuple[HealthyMap, Model | None]]], list[str]]:
    """The maps by sequence, and which scans have none and why."""
    maps: dict[str, list[tuple[HealthyMap, Model | None]]] = {}
    missed = []
    numbers: dict[str, int] = {}
    sources: dict[str, str] = {}
    for task, found in zip(tasks, in_processes(_scored, tasks, jobs, progress), strict=True):
        name = task.case.name
        if isinstance(found, BrainUADError):
            missed.append(told_of(name, found))
            if not isinstance(found, _NotOfUse):
                on_failure(name, found)
            continue
        one, model, of = found
        first = sources.setdefault(source_of(one.map) or name, name)
        if first != name:
            missed.append(f"{name}: it is the same scan as {first}, which counts once")
            continue
        case, known_age = task.case, task.case.covariates.age
        age = ages.get(case.person.removeprefix("sub-")) if known_age is None else known_age
        known = replace(one, kind=kind, person=numbers.setdefault(case.person, len(numbers) + 1), age=age)
        maps.setdefault(of, []).append((known, model))
    return maps, missed


def _scored(task: _Task, progress: Progress) -> tuple[HealthyMap, Model | None, str]:
    volume, spec, scans = case_volume(task.case), task.spec, task.scans
    if volume.sequence is None:
        raise _NotOfUse(volume.name, why="its sequence is not known", fix="Say it (--sequence)")
    if task.case.truth is not None and as_mask(task.case.truth, volume, label="ground truth").any():
        raise _NotOfUse(volume.name, why="its ground truth has lesions: it is not healthy")
    check_memory(volume.name, _BYTES * scans * volume.data.size, f"keeping the maps of {scans} healthy scans")
    preset_id = method_class(spec.method).INFO.preset
    ready = make_ready(volume, task.case.mask, preset_id=preset_id, prepare_with=task.prepare_with)
    check_healthy(volume.name, ready.scored.findings)
    model = model_for(spec.method, spec.model or None, volume.sequence)
    chosen = replace(spec, model="" if model is None else str(model.path))
    scored = scored_volume(ready.scored, ScoringRequest(chosen, task.device, task.seed), progress)
    amap = ready.bring_back(scored.map)
    to_mni = mni_relation(amap).to_mni
    if to_mni is None and task.mni:
        with suppress(InputError):  # it counts for thresholds and p-values all the same
            to_mni = to_mni_of(ready.scan)
    return HealthyMap(amap, to_mni=to_mni), model, volume.sequence


def _made(
    sequence: str,
    scored: Sequence[tuple[HealthyMap, Model | None]],
    post: PostParams,
    title: str,
    folder: Path,
    progress: Progress,
) -> Calibration:
    title = title or f"{len(scored)} healthy {sequence} scans of your own"
    model = scored[0][1]
    method = scored[0][0].map.method
    sha256 = "" if model is None else model.sha256
    maps = [one for one, _ in scored]
    reference = build_reference(maps, post, title=title, sequence=sequence, model_sha256=sha256, progress=progress)
    folder.mkdir(parents=True, exist_ok=True)
    stem = stem_of(method, model)
    file = reference_file(folder, stem, sequence)
    replaced = _replaced(file, reference)
    save_reference(file, reference)
    first, *others = places_for(method, method if model is None else model.id, sha256).get(sequence, (None,))
    steps_back = _steps_back(others, reference) if first == file else ""
    return Calibration(reference, leave_one_out(reference), checkpoint_files(file), replaced, steps_back)


def _steps_back(others: Sequence[Path], reference: HealthyReference) -> str:
    """What the package has for the same settings: from now on the user's own counts before it."""
    for file in others:
        if file.parent == user_dir():  # of a copy of the model
            continue
        with suppress(ModelError):
            other = load_for(file, reference.model_sha256)
            if all(same_value(value, reference.params.get(name)) for name, value in other.params.items() if name not in ROUNDING):
                who = f"{other.words}: {other.title}"
                return f"From now on it counts before the reference that comes with the package ({who})"
    return ""


def _replaced(file: Path, reference: HealthyReference) -> str:
    """What is lost by writing a reference: files have the names of method or model and sequence, whatever the settings."""
    if not any(map(is_file, checkpoint_files(file))):
        return ""
    told = ""
    with suppress(ModelError):
        earlier = read_record(file)
        other = {name: value for name, value in earlier.params.items() if not same_value(value, reference.params.get(name))}
        settings = ", ".join(f"{name}={value_text(value)}" for name, value in other.items())
        told = f": {earlier.meta.get('title', '')}" + (f" ({settings})" if settings else "")
    return f"An earlier reference of yours was replaced{told}"


def _ages(root: Path) -> dict[str, float]:
    """Ages in years by subject, from a BIDS ``participants.tsv``; "89+" counts as 89 here, and those that are no number are left out."""
    rows = participants(root).items()
    found = {person: covariates_of({name: value.rstrip("+") for name, value in row.items()}).age for person, row in rows}
    return {person: age for person, age in found.items() if age is not None}
