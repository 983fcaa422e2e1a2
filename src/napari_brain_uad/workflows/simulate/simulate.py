"""Write cohorts of simulated subjects: what the command line and scripts call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...core.errors import BrainUADError, InputError
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.provenance import NOTICE, versions
from ...core.seed import check_seed
from ...core.text import counted
from ...io.atomic import write_json
from ...io.nifti import SUFFIXES, write_labels, write_mask, write_volume
from ...io.results import Run, check_output, written_whole
from ...io.walk import files_in
from ...simulation.params import SimulationParams
from ...simulation.population import Population, Simulated
from ..execution.parallel import in_processes
from ..execution.workers import Workers

SIMULATED = "Simulated: made by a program from a label map; it is no person's scan."

_BIDS = {"T1": "T1w", "T1c": "ce-gad_T1w", "T2": "T2w", "FLAIR": "FLAIR", "PD": "PDw", "random": "random"}


@dataclass(frozen=True)
class _Task:
    """One person's share of a cohort, as it is sent to a process."""

    number: int
    label_maps: tuple[Path, ...]
    sequences: tuple[str, ...]
    params: SimulationParams
    seed: int
    out: Path
    lesion_masks: Path | None


@dataclass(frozen=True, eq=False)
class SimulatedCohort:
    """The scans that were written, and why subjects who are missing failed."""

    scans: tuple[Path, ...]
    failures: Mapping[str, BrainUADError]


def find_label_maps(given: Sequence[Path | str]) -> tuple[Path, ...]:
    """Label maps from files and folders of files, folders in the order of the names.

    Raises
    ------
    InputError
        If a path does not exist, or a folder has no image.
    """
    found: list[Path] = []
    for path in map(Path, given):
        if path.is_dir():
            inside = files_in(path, SUFFIXES)
            if not inside:
                raise InputError(f"No label map in {path.name}", why="there is no NIfTI or MGZ file in it", fix="Give another folder")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise InputError(f"{path} does not exist", fix="Give label maps or folders of label maps")
    return tuple(found)


@told_as_error()
def simulate(
    label_maps: Sequence[Path | str],
    out: Path | str,
    *,
    count: int = 0,
    sequences: Sequence[str] = (),
    params: SimulationParams | None = None,
    seed: int = 0,
    jobs: int | Workers = 1,
    lesion_masks: Path | str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SimulatedCohort:
    """Write a cohort of simulated subjects as NIfTI files, all together at the end.

    Parameters
    ----------
    label_maps : sequence of Path or str
        FreeSurfer- or SynthSeg-style label maps, or folders of them.
    out : Path or str
        The folder; made when missing.
    count : int
        Subjects; 0 = one from each label map.
    sequences : sequence of str, optional
        Contrasts of each person, who is the same in all of them; by default that of `params`.
    params : SimulationParams, optional
        See `simulation.population.Population`.
    seed : int
        Of everything random: the same seed gives the same files.
    jobs : int or Workers
        How many processes, or where else: see `execution.workers.Workers`.
    lesion_masks : Path or str, optional
        Folder of masks of real lesions whose shapes MS-like ones take.
    overwrite : bool
        A cohort from other label maps, and other files of the same names, may be replaced; one from the same label maps always is.
    progress : Progress, optional
        Told how far it is; may cancel between two scans.

    Returns
    -------
    SimulatedCohort
        Its scans are ``sub-001_T1w.nii.gz`` and so on. Beside them lie ``sub-001_brainmask``, ``_tissue`` (classes 0 to 3), ``_truth`` when
        there are lesions, a JSON record of each scan, and ``simulation.json``, which says what the folder holds. A person who fails is in
        its `failures` and does not stop the others.

    Raises
    ------
    BrainUADError
        If a setting cannot be used, or the folder not be written, nobody succeeds (the first failure), or the user stopped it.
    """
    params = params or SimulationParams()
    wanted = tuple(dict.fromkeys(sequences)) or (params.sequence,)
    tasks = _tasks(find_label_maps(label_maps), count, wanted, params, seed, lesion_masks, out)
    return _cohort(tasks, Path(out), jobs, overwrite, progress)


def _cohort(tasks: Sequence[_Task], out: Path, jobs: int | Workers, overwrite: bool, progress: Progress | None) -> SimulatedCohort:
    jobs = Workers.of(jobs)
    run = _run_of(tasks)
    check_output(out, [run], overwrite=overwrite)
    with written_whole(out, [run], overwrite=overwrite) as folder:
        cohort = _written([replace(task, out=folder) for task in tasks], out, jobs, progress)
        write_json(folder / "simulation.json", _cohort_record(tasks, cohort))
    return cohort


def _written(tasks: Sequence[_Task], out: Path, jobs: Workers, progress: Progress | None) -> SimulatedCohort:
    """Everybody's scans, written where the tasks say; the paths that they will have in `out`."""
    written = in_processes(_write_person, tasks, jobs, progress)
    failed = {f"Person {task.number + 1}": one for task, one in zip(tasks, written, strict=True) if isinstance(one, BrainUADError)}
    scans = [out / path.name for one in written if not isinstance(one, BrainUADError) for path in one]
    if not scans:
        raise next(iter(failed.values()))
    return SimulatedCohort(tuple(scans), failed)


def _run_of(tasks: Sequence[_Task]) -> Run:
    """The files of a cohort; the label maps it comes from are told by their names and sizes."""
    maps = [[path.name, path.stat().st_size] for path in tasks[0].label_maps]
    sha256 = hashlib.sha256(json.dumps(maps).encode()).hexdigest()
    return Run(
        "simulation", r"simulation\.json|sub-\d{3,}_[\w-]+\.(json|nii\.gz)", counted(len(maps), "label map"), sha256, kind="simulate"
    )


def _tasks(
    maps: tuple[Path, ...],
    count: int,
    sequences: tuple[str, ...],
    params: SimulationParams,
    seed: int,
    lesion_masks: Path | str | None,
    out: Path | str,
) -> list[_Task]:
    """Every person's share, with all settings checked before anything is written."""
    if not maps:
        raise InputError("Nothing to simulate from", why="no label map was given", fix="Give FreeSurfer- or SynthSeg-style label maps")
    seed = check_seed(seed)
    if count < 0:
        raise InputError("simulate", why="count is negative", fix="Give a count of at least 0")
    for sequence in sequences:
        replace(params, sequence=sequence)
    masks = None if lesion_masks is None else Path(lesion_masks)
    return [_Task(number, maps, sequences, params, seed, Path(out), masks) for number in range(count or len(maps))]


def _write_person(task: _Task, progress: Progress) -> list[Path]:
    return [_write_scan(task, sequence, progress) for sequence in task.sequences]


def _write_scan(task: _Task, sequence: str, progress: Progress) -> Path:
    progress.update(task.sequences.index(sequence) / len(task.sequences), f"Person {task.number + 1}, {sequence}")
    params = replace(task.params, sequence=sequence)
    population = Population(task.label_maps, params, task.seed, lesion_masks=task.lesion_masks)
    simulated = population[task.number]
    subject = f"sub-{task.number + 1:03d}"
    path = task.out / f"{subject}_{_BIDS[sequence]}.nii.gz"
    write_volume(path, simulated.volume)
    if sequence == task.sequences[0]:
        _write_known(task.out / subject, simulated)
    record = _scan_record(simulated, population.anatomy(task.number).sha256, task, params)
    write_json(path.with_name(f"{subject}_{_BIDS[sequence]}.json"), record)
    return path


def _write_known(stem: Path, simulated: Simulated) -> None:
    """What is the same for all sequences of a person."""
    volume = simulated.volume
    assert volume.mask is not None
    write_mask(stem.with_name(f"{stem.name}_brainmask.nii.gz"), volume.mask, volume)
    write_labels(stem.with_name(f"{stem.name}_tissue.nii.gz"), simulated.tissue, volume)
    if simulated.truth is not None:
        write_mask(stem.with_name(f"{stem.name}_truth.nii.gz"), simulated.truth, volume)


def _scan_record(simulated: Simulated, sha256: str, task: _Task, params: SimulationParams) -> dict[str, Any]:
    grid = simulated.volume.grid
    truth = None if simulated.truth is None else int(simulated.truth.sum()) * grid.voxel_volume_mm3 / 1000.0
    return {
        "simulated": True,
        "about": SIMULATED,
        "notice": NOTICE,
        "number": task.number,
        "seed": task.seed,
        "settings": params.as_dict(),
        "real_lesion_shapes": task.lesion_masks is not None and params.lesions == "ms",
        "label_map_sha256": sha256,
        "grid": grid.as_dict(),
        "lesions_ml": truth,
        "versions": versions(),
    }


def _cohort_record(tasks: Sequence[_Task], cohort: SimulatedCohort) -> dict[str, Any]:
    first = tasks[0]
    return {
        "simulated": True,
        "about": SIMULATED,
        "notice": NOTICE,
        "subjects": len(tasks),
        "sequences": list(first.sequences),
        "seed": first.seed,
        "settings": {name: value for name, value in first.params.as_dict().items() if name != "sequence"},
        "scans": [path.name for path in cohort.scans],
        "failures": {name: str(error) for name, error in cohort.failures.items()},
        "versions": versions(),
    }
