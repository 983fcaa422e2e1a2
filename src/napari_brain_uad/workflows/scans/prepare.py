"""Prepare raw scans for a method: what the window, the command line and scripts all call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...core.errors import BrainUADError, InputError
from ...core.isolation import isolated
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.provenance import versions
from ...core.sequence import SEQUENCES, USER
from ...core.volume import Volume
from ...io.atomic import atomic_path, write_json
from ...io.displacement import write_displacements
from ...io.nifti import write_mask, write_volume
from ...io.results import Run, check_output, written_whole
from ...preprocessing import cache as disk
from ...preprocessing.pipeline import Pipeline, StepRun, run_pipeline, with_settings
from ...preprocessing.prepared import Prepared
from ...preprocessing.presets import preset
from ...preprocessing.step import Reference, patient_order
from ...preprocessing.warp import STEP_MM
from ..execution.parallel import in_processes
from ..execution.workers import Workers
from .load import as_volume, load
from .names import output_stem, run_of
from .same_person import of_patient

Scan = Volume | str | Path


@told_as_error()
def prepare(
    scan: Scan,
    preset_or_pipeline: str | Pipeline = "clinical",
    *,
    sequence: str | None = None,
    reference: Reference | None = None,
    use_cache: bool = True,
    on_step: Callable[[StepRun], None] | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Bring one scan to a model's grid.

    Parameters
    ----------
    scan : Volume, str or Path
        The scan, or its file.
    preset_or_pipeline : str or sequence of mapping
        A preset's id, or a pipeline (see `preprocessing.pipeline`).
    sequence : str, optional
        "FLAIR", "T1", "T1c", "T2" or "PD", where the scan's own reading (``Volume.sequence``) is wrong or missing.
    reference : Reference, optional
        The patient's reference sequence; see `prepare_patient`.
    use_cache : bool
        Look for, and keep, the result in the cache.
    on_step : callable, optional
        Called with every step that was done; not when the result came from the cache.
    progress : Progress, optional
        Told how far it is; its cancelling stops the run and leaves nothing behind.

    Returns
    -------
    Prepared

    Raises
    ------
    InputError
        If the scan, the preset or a step's setting cannot be used.
    Cancelled
        If the user stopped it.
    """
    progress = progress or Progress()
    progress.update(0.0, "Reading the scan")
    volume = as_volume(scan, sequence)
    pipeline = as_pipeline(preset_or_pipeline)
    if not use_cache:
        return run_pipeline(pipeline, volume, reference=reference, on_step=on_step, progress=progress)[0]
    key = disk.cache_key(volume, pipeline, reference)
    kept = disk.find(key, volume)
    if kept is not None:
        progress.update(1.0, "Prepared before: taken from the cache")
        return kept
    prepared, _ = run_pipeline(pipeline, volume, reference=reference, on_step=on_step, progress=progress)
    disk.store(key, prepared)
    return prepared


def as_pipeline(preset_or_pipeline: str | Pipeline) -> Pipeline:
    """A pipeline from a preset's id, or as it is."""
    return preset(preset_or_pipeline).pipeline if isinstance(preset_or_pipeline, str) else preset_or_pipeline


@told_as_error()
def prepare_patient(
    scans: Mapping[str, Scan],
    preset_or_pipeline: str | Pipeline = "clinical",
    *,
    use_cache: bool = True,
    on_step: Callable[[StepRun], None] | None = None,
    failed: dict[str, BrainUADError] | None = None,
    progress: Progress | None = None,
) -> dict[str, Prepared]:
    """Bring all sequences of one patient to the same grid, aligned with each other.

    Parameters
    ----------
    scans : mapping
        Sequence ("T1", "T1c", "T2", "FLAIR", "PD") to scan or file, each on a grid of its own.
    failed : dict, optional
        Takes the error of a sequence that cannot be aligned to the first one, and the others go on; without it the error is raised.

    Returns
    -------
    dict
        Sequence to `Prepared`. The first of `preprocessing.step.REFERENCE_ORDER` is prepared by itself; the others are aligned to it,
        and take over its brain and its way to the template. For the other parameters see `prepare`.

    Raises
    ------
    InputError
        As `prepare`, and when no scan is given.
    """
    if not scans:
        raise InputError("Nothing to prepare", why="no scan was given", fix="Give at least one scan")
    progress = progress or Progress()
    order = patient_order(scans)
    volumes = {name: named(as_volume(scan), name) for name, scan in scans.items()}
    done: dict[str, Prepared] = {}
    reference: Reference | None = None
    for number, name in enumerate(order):
        part = progress.part(number / len(order), (number + 1) / len(order))
        run = partial(prepare, volumes[name], preset_or_pipeline, use_cache=use_cache, on_step=on_step, progress=part)
        one = isolated(partial(run, reference=reference))
        part.check()
        if isinstance(one, Prepared):
            done[name] = of_patient(one, volumes[order[0]], volumes[name])
            reference = reference or as_reference(volumes[name], one)
        elif failed is None or reference is None:
            raise one
        else:
            failed[name] = one
    return {name: done[name] for name in scans if name in done}


def named(volume: Volume, name: str) -> Volume:
    """A patient's scan as the sequence it was given for; names that are no sequence say nothing."""
    return volume.with_sequence(name, USER) if name in SEQUENCES and volume.sequence != name else volume


def as_reference(volume: Volume, prepared: Prepared) -> Reference:
    """A prepared sequence as the reference of the patient's others."""
    registered = any(step["step"] == "register_mni" for step in prepared.record)
    return Reference(volume.with_mask(prepared.native_mask), prepared.matrix if registered else None, prepared.warp)


_ENDINGS = {
    "scan": "prepared.nii.gz",
    "record": "preparation.json",
    "brainmask": "prepared_brainmask.nii.gz",
    "native_brainmask": "scan_brainmask.nii.gz",
    "warp": "warp.nii.gz",
    "inverse_warp": "inverse_warp.nii.gz",
    "figure": "preparation.png",
}


def _run_of(native: Volume, name: str, *, figure_alone: bool = False) -> Run:
    """What the files of a preset on a scan are called; a figure alone leaves what was written before where it is."""
    stem = output_stem(native.name, name)
    names = {kind: f"{stem}_{ending}" for kind, ending in _ENDINGS.items()}
    if figure_alone:
        return run_of("prepare", native, f"{stem}_preparation_figure", [names["figure"]])
    return run_of("prepare", native, f"{stem}_preparation", names.values(), names["record"])


@told_as_error()
def save_prepared(
    prepared: Prepared, native: Volume, out: str | Path, name: str, *, figure: bool = True, overwrite: bool = False
) -> dict[str, Path]:
    """Write a prepared scan, its masks, its record and its quality-control figure: all files or none.

    Parameters
    ----------
    prepared : Prepared
        What `prepare` returned.
    native : Volume
        The scan as loaded.
    out : str or Path
        The folder; made when missing. Earlier results of the preset on this scan are replaced.
    name : str
        The preset's id, for the file names.
    figure : bool
        Draw the figure too (some 2 s).
    overwrite : bool
        Results on another scan of the same name may be replaced too.

    Returns
    -------
    dict of str to Path
        "scan" and "brainmask" on the model's grid, "native_brainmask" on the scan's, "record" (JSON), "figure", "manifest"; "warp" and
        "inverse_warp" when the scan was deformed.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or holds results on another scan of the same name.
    """
    return save_patient([(prepared, native)], out, name, figure=figure, overwrite=overwrite)[0]


def save_patient(
    sequences: Sequence[tuple[Prepared, Volume]], out: str | Path, name: str, *, figure: bool = True, overwrite: bool = False
) -> list[dict[str, Path]]:
    """As `save_prepared`, for all sequences of a patient (prepared, and as loaded) together: they are aligned with each other."""
    runs = [_run_of(native, name) for _, native in sequences]
    with written_whole(out, runs, overwrite=overwrite) as folder:
        written = [_write(prepared, native, folder, name, figure) for prepared, native in sequences]
    for files, run in zip(written, runs, strict=True):
        files["manifest"] = Path(run.manifest)
    return [{kind: Path(out) / path.name for kind, path in files.items()} for files in written]


def _write(prepared: Prepared, native: Volume, folder: Path, name: str, figure: bool) -> dict[str, Path]:
    kinds = ["scan"]
    if prepared.volume.mask is not None:
        kinds += ["brainmask", "native_brainmask"]
    fields = {} if prepared.warp is None else {"warp": prepared.warp.forward, "inverse_warp": prepared.warp.inverse}
    kinds += [*fields, "record", *(["figure"] if figure else [])]
    files = {kind: folder / f"{output_stem(native.name, name)}_{_ENDINGS[kind]}" for kind in kinds}
    write_volume(files["scan"], prepared.volume)
    if prepared.volume.mask is not None and prepared.native_mask is not None:
        write_mask(files["brainmask"], prepared.volume.mask, prepared.volume)
        write_mask(files["native_brainmask"], prepared.native_mask, native)
    for kind, field in fields.items():
        write_displacements(files[kind], field.steps, STEP_MM, field.grid)
    write_json(files["record"], preparation_record(prepared, name))
    if figure:
        _draw(files["figure"], prepared, native)
    return files


def save_figure(prepared: Prepared, native: Volume, out: str | Path, name: str) -> Path:
    """Write the quality-control figure alone into a folder; its path.

    Raises
    ------
    InputError
        If it cannot be written, or is there of another scan of the same name.
    """
    with written_whole(out, [_run_of(native, name, figure_alone=True)]) as folder:
        path = folder / f"{output_stem(native.name, name)}_{_ENDINGS['figure']}"
        _draw(path, prepared, native)
    return Path(out) / path.name


def _draw(path: Path, prepared: Prepared, native: Volume) -> None:
    from ...preprocessing.qc import preparation_figure  # it brings matplotlib, which only drawing needs

    picture = preparation_figure(prepared, native)
    with atomic_path(path) as temporary:
        picture.savefig(temporary, dpi=110, metadata={"Software": "napari-brain-uad"})


def preparation_record(prepared: Prepared, name: str) -> dict[str, Any]:
    """How a scan was prepared, as JSON data: settings, transforms, versions; no path and nothing about the patient."""
    source = prepared.native_source
    return {
        "preset": name,
        "sequence": prepared.volume.sequence,
        "sequence_origin": prepared.volume.sequence_origin,
        "input_sha256": "" if source is None else source.sha256,
        "native_grid": prepared.native_grid.as_dict(),
        "grid": prepared.volume.grid.as_dict(),
        "matrix_to_scan_mm": prepared.matrix.tolist(),
        "pipeline": list(prepared.record),
        "findings": [finding.as_dict() for finding in prepared.volume.findings],
        "versions": versions(),
    }


@dataclass(frozen=True)
class Patient:
    """The scans of one patient: sequence to file."""

    name: str
    scans: Mapping[str, Path]


@dataclass(frozen=True)
class PrepareTask:
    """One patient's share of `prepare_many`, as it is sent to a process."""

    patient: Patient
    name: str
    pipeline: Pipeline
    out: Path
    use_cache: bool
    figures: bool
    overwrite: bool


@dataclass(frozen=True)
class Outcome:
    """What became of one patient: the files written, the sentences of what failed, what the checks found, and what its scans are."""

    name: str
    files: tuple[Path, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def prepare_many(
    patients: Sequence[Patient],
    preset_id: str,
    out: str | Path,
    *,
    jobs: int | Workers = 1,
    use_cache: bool = True,
    figures: bool = True,
    overwrite: bool = False,
    settings: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Prepare many patients, several at a time; one that fails does not stop the others.

    Parameters
    ----------
    patients : sequence of Patient
        Their results go to ``out / name``, or to `out` itself when there is only one.
    jobs : int or Workers
        How many processes, each needs some 2 GB of memory; or where else: see `execution.workers.Workers`.
    overwrite : bool
        Results on other scans of the same names may be replaced.
    settings : mapping, optional
        Changes to the preset, "STEP.SETTING" to text: see `preprocessing.pipeline.with_settings`.

    Returns
    -------
    list of Outcome
        In the order of `patients`.

    Raises
    ------
    InputError
        If two patients have the same name, or the folder cannot be written.
    """
    progress = progress or Progress()
    out = Path(out)
    _check_names(patients)
    check_output(out)
    pipeline = with_settings(preset(preset_id).pipeline, settings or {})
    several = len(patients) > 1
    tasks = [PrepareTask(one, preset_id, pipeline, out / one.name if several else out, use_cache, figures, overwrite) for one in patients]
    if use_cache and several and Workers.of(jobs).several:
        disk.try_out()
    outcomes = in_processes(_prepare_one, tasks, jobs, progress)
    return [
        Outcome(task.patient.name, errors=(str(one),)) if isinstance(one, BrainUADError) else one
        for task, one in zip(tasks, outcomes, strict=True)
    ]


def _check_names(patients: Sequence[Patient]) -> None:
    """Patients of one name would be written into one folder."""
    by_name: dict[str, Patient] = {}
    for patient in patients:
        other = by_name.setdefault(patient.name, patient)
        if other is not patient:
            files = [next(iter(one.scans.values())) for one in (other, patient)]
            why = f"{files[0]} and {files[1]} would be written to the same place"
            raise InputError(f"Two patients are called {patient.name}", why=why, fix="Prepare them one after the other, with another --out")


def _prepare_one(task: PrepareTask, progress: Progress) -> Outcome:
    """One patient; a sequence that fails is left out, unless it is the one that the others are aligned to."""
    loaded = {name: isolated(partial(load, path)) for name, path in task.patient.scans.items()}
    volumes = {name: volume for name, volume in loaded.items() if isinstance(volume, Volume)}
    failed = {name: one for name, one in loaded.items() if isinstance(one, BrainUADError)}
    files: list[dict[str, Path]] = []
    found: dict[str, None] = {}
    said: tuple[str, ...] = ()
    if volumes:
        runs = [_run_of(volume, task.name) for volume in volumes.values()]
        check_output(task.out, runs, overwrite=task.overwrite, need_bytes=sum(volume.data.size for volume in volumes.values()))
        prepared = prepare_patient(volumes, task.pipeline, use_cache=task.use_cache, failed=failed, progress=progress)
        sequences = [(one, volumes[name]) for name, one in prepared.items()]
        files = save_patient(sequences, task.out, task.name, figure=task.figures, overwrite=task.overwrite)
        found = dict.fromkeys(f.message for one in prepared.values() for f in one.volume.findings if f.level != "info")
        said = tuple(f"{one.volume.name}: {one.volume.sequence_words}" for one in prepared.values())
    several = len(task.patient.scans) > 1
    errors = tuple(f"{name}: {error}" if several else str(error) for name, error in failed.items())
    return Outcome(task.patient.name, tuple(path for written in files for path in written.values()), errors, tuple(found), said)
