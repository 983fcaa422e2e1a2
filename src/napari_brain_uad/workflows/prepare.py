"""Prepare raw scans for a method: what the window, the command line and scripts all call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..core.errors import BrainUADError, InputError
from ..core.isolation import isolated
from ..core.progress import Progress
from ..core.volume import Volume
from ..io.atomic import atomic_path, write_json
from ..io.displacement import write_displacements
from ..io.nifti import write_mask, write_volume
from ..preprocessing import cache as disk
from ..preprocessing.pipeline import Pipeline, StepRun, run_pipeline, with_settings
from ..preprocessing.prepared import Prepared
from ..preprocessing.presets import preset
from ..preprocessing.qc import preparation_figure
from ..preprocessing.step import Reference, patient_order
from ..preprocessing.warp import STEP_MM
from .load import load
from .names import output_folder, output_stem
from .parallel import in_processes

Scan = Volume | str | Path


def prepare(
    scan: Scan,
    preset_or_pipeline: str | Pipeline = "clinical",
    *,
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
    volume = scan if isinstance(scan, Volume) else load(scan)
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
    volumes = {name: scan if isinstance(scan, Volume) else load(scan) for name, scan in scans.items()}
    volumes = {name: volume if volume.sequence else replace(volume, sequence=name) for name, volume in volumes.items()}
    done: dict[str, Prepared] = {}
    reference: Reference | None = None
    for number, name in enumerate(order):
        part = progress.part(number / len(order), (number + 1) / len(order))
        run = partial(prepare, volumes[name], preset_or_pipeline, use_cache=use_cache, on_step=on_step, progress=part)
        one = isolated(partial(run, reference=reference))
        part.check()
        if isinstance(one, Prepared):
            done[name] = one
            reference = reference or as_reference(volumes[name], one)
        elif failed is None or reference is None:
            raise one
        else:
            failed[name] = one
    return {name: done[name] for name in scans if name in done}


def as_reference(volume: Volume, prepared: Prepared) -> Reference:
    """A prepared sequence as the reference of the patient's others."""
    registered = any(step["step"] == "register_mni" for step in prepared.record)
    return Reference(volume.with_mask(prepared.native_mask), prepared.matrix if registered else None, prepared.warp)


def save_prepared(prepared: Prepared, native: Volume, out: str | Path, name: str, *, figure: bool = True) -> dict[str, Path]:
    """Write a prepared scan, its masks, its record and its quality-control figure.

    Parameters
    ----------
    prepared : Prepared
        What `prepare` returned.
    native : Volume
        The scan as loaded.
    out : str or Path
        The folder; made when missing.
    name : str
        The preset's id, for the file names.
    figure : bool
        Draw the figure too (some 2 s).

    Returns
    -------
    dict of str to Path
        "scan" and "brainmask" on the model's grid, "native_brainmask" on the scan's, "record" (JSON), "figure"; "warp" and
        "inverse_warp" when the scan was deformed.

    Raises
    ------
    InputError
        If the folder cannot be made or written.
    """
    folder = output_folder(out)
    stem = output_stem(prepared.volume.name, name)
    endings = {"scan": "prepared.nii.gz", "record": "preparation.json"}
    if prepared.volume.mask is not None:
        endings |= {"brainmask": "prepared_brainmask.nii.gz", "native_brainmask": "brainmask.nii.gz"}
    files = {key: folder / f"{stem}_{ending}" for key, ending in endings.items()}
    write_volume(files["scan"], prepared.volume)
    if prepared.volume.mask is not None and prepared.native_mask is not None:
        write_mask(files["brainmask"], prepared.volume.mask, prepared.volume)
        write_mask(files["native_brainmask"], prepared.native_mask, native)
    if prepared.warp is not None:
        fields = {"warp": prepared.warp.forward, "inverse_warp": prepared.warp.inverse}
        files |= {key: folder / f"{stem}_{key}.nii.gz" for key in fields}
        for key, field in fields.items():
            write_displacements(files[key], field.steps, STEP_MM, field.grid)
    write_json(files["record"], preparation_record(prepared, name))
    if figure:
        files["figure"] = save_figure(prepared, native, folder, name)
    return files


def save_figure(prepared: Prepared, native: Volume, folder: Path, name: str) -> Path:
    """Write the quality-control figure into a folder that exists; its path.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    path = folder / f"{output_stem(prepared.volume.name, name)}_preparation.png"
    picture = preparation_figure(prepared, native)
    with atomic_path(path) as temporary:
        picture.savefig(temporary, dpi=110, metadata={"Software": "napari-brain-uad"})
    return path


def preparation_record(prepared: Prepared, name: str) -> dict[str, Any]:
    """How a scan was prepared, as JSON data: settings, transforms, versions; no path and nothing about the patient."""
    source = prepared.native_source
    return {
        "preset": name,
        "input_sha256": "" if source is None else source.sha256,
        "native_grid": prepared.native_grid.as_dict(),
        "grid": prepared.volume.grid.as_dict(),
        "matrix_to_scan_mm": prepared.matrix.tolist(),
        "pipeline": list(prepared.record),
        "findings": [finding.as_dict() for finding in prepared.volume.findings],
        "versions": disk.versions(),
    }


@dataclass(frozen=True)
class Patient:
    """The scans of one patient: sequence to file."""

    name: str
    scans: Mapping[str, Path]


@dataclass(frozen=True)
class Task:
    """One patient's share of `prepare_many`, as it is sent to a process."""

    patient: Patient
    name: str
    pipeline: Pipeline
    out: Path
    use_cache: bool
    figures: bool


@dataclass(frozen=True)
class Outcome:
    """What became of one patient: the files written, and the sentences of what failed."""

    name: str
    files: tuple[Path, ...] = ()
    errors: tuple[str, ...] = ()


def prepare_many(
    patients: Sequence[Patient],
    preset_id: str,
    out: str | Path,
    *,
    jobs: int = 1,
    use_cache: bool = True,
    figures: bool = True,
    settings: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Prepare many patients, several at a time; one that fails does not stop the others.

    Parameters
    ----------
    patients : sequence of Patient
        Their results go to ``out / name``, or to `out` itself when there is only one.
    jobs : int
        How many processes; each needs some 2 GB of memory.
    settings : mapping, optional
        Changes to the preset, "STEP.SETTING" to text: see `preprocessing.pipeline.with_settings`.

    Returns
    -------
    list of Outcome
        In the order of `patients`.
    """
    progress = progress or Progress()
    out = Path(out)
    pipeline = with_settings(preset(preset_id).pipeline, settings or {})
    tasks = [Task(one, preset_id, pipeline, out / one.name if len(patients) > 1 else out, use_cache, figures) for one in patients]
    outcomes = in_processes(_prepare_one, tasks, jobs, progress)
    return [
        Outcome(task.patient.name, errors=(str(one),)) if isinstance(one, BrainUADError) else one
        for task, one in zip(tasks, outcomes, strict=True)
    ]


def _prepare_one(task: Task, progress: Progress) -> Outcome:
    """One patient; a sequence that fails is left out, unless it is the one that the others are aligned to."""
    loaded = {name: isolated(partial(load, path)) for name, path in task.patient.scans.items()}
    volumes = {name: volume for name, volume in loaded.items() if isinstance(volume, Volume)}
    failed = {name: one for name, one in loaded.items() if isinstance(one, BrainUADError)}
    prepared = prepare_patient(volumes, task.pipeline, use_cache=task.use_cache, failed=failed, progress=progress) if volumes else {}
    files = [save_prepared(one, volumes[name], task.out, task.name, figure=task.figures) for name, one in prepared.items()]
    several = len(task.patient.scans) > 1
    errors = tuple(f"{name}: {error}" if several else str(error) for name, error in failed.items())
    return Outcome(task.patient.name, tuple(path for written in files for path in written.values()), errors)
