"""One method over a folder of scans, each as `detect` does it: what the window's Batch dock and ``brain-uad batch`` both call."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..core.errors import BrainUADError, Cancelled, InputError
from ..core.progress import Progress
from ..datasets.registry import find_layout, layout
from ..postprocessing.params import PostParams
from ..postprocessing.regions import as_rows
from .command import post_words
from .detect import Detection, detect
from .load import load
from .names import output_folder
from .parallel import in_processes
from .ready import AUTO
from .save import save_detection


@dataclass(frozen=True)
class BatchScan:
    """One scan of a folder, with the masks that lie beside it.

    Parameters
    ----------
    name : str
        Subject and session; names the folder of its results.
    file : Path
        The scan.
    sequence : str or None
        What the data set says it is.
    mask, truth : Path or None
        Brain and ground truth.
    """

    name: str
    file: Path
    sequence: str | None = None
    mask: Path | None = None
    truth: Path | None = None


@dataclass(frozen=True)
class BatchRun:
    """What is done to every scan; as in `detect.detect`."""

    method: str = "threshold"
    params: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    post: PostParams = field(default_factory=PostParams)
    prepare_with: str = AUTO
    device: str = "auto"
    seed: int = 0


@dataclass(frozen=True)
class BatchOutcome:
    """What became of one scan.

    Parameters
    ----------
    scan : BatchScan
        The scan.
    files : mapping of str to Path
        What was written; see `save.save_detection`.
    regions : tuple of dict
        The regions as in ``*_regions.json``.
    volume_ml : float
        Volume flagged.
    dice : float or None
        Of the mask, where there is a ground truth.
    seconds : float
        Of scoring and post-processing.
    error : str
        Why there is nothing, in a sentence; empty when there is something.
    """

    scan: BatchScan
    files: Mapping[str, Path] = field(default_factory=dict)
    regions: tuple[dict[str, Any], ...] = ()
    volume_ml: float = 0.0
    dice: float | None = None
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class _Task:
    scan: BatchScan
    run: BatchRun
    out: Path


def batch_scans(
    root: str | Path, *, layout_id: str | None = None, sequence: str | None = None
) -> tuple[tuple[BatchScan, ...], tuple[str, ...]]:
    """The scans of a folder, a data set in a known layout (BIDS among them) or a CSV file.

    Parameters
    ----------
    root, layout_id, sequence
        As in `cohort.cases_of`; a ground truth is not needed.

    Returns
    -------
    scans, left_out
        `left_out` says in words which subjects have no such scan.

    Raises
    ------
    InputError
        If nothing is left.
    """
    root = Path(root)
    found = find_layout(root) if layout_id is None else layout(layout_id)
    scans, left_out = [], []
    for subject in found.subjects(root):
        name = f"{subject.id}_{subject.session}" if subject.session else subject.id
        wanted = sequence or next(iter(subject.sequences))
        if wanted not in subject.sequences:
            left_out.append(f"{name}: no {wanted}")
            continue
        known = None if wanted == "unknown" else wanted
        scans.append(BatchScan(name, subject.sequences[wanted], known, subject.brain_mask, subject.truth))
    if not scans:
        raise InputError(f"{root.name} holds no such scan", why="; ".join(left_out[:3]), fix="Choose another folder or sequence")
    return tuple(scans), tuple(left_out)


def run_batch(
    scans: Sequence[BatchScan],
    run: BatchRun,
    out: str | Path,
    *,
    jobs: int = 1,
    tell: Callable[[BatchOutcome], None] | None = None,
    progress: Progress | None = None,
) -> tuple[BatchOutcome, ...]:
    """Detect anomalies in every scan and write each one's results into a folder of its own.

    Parameters
    ----------
    scans : sequence of BatchScan
        See `batch_scans`.
    run : BatchRun
        What is done to each.
    out : str or Path
        The folder; made when missing.
    jobs : int
        How many scans at a time, each in a process of its own.
    tell : callable, optional
        Gets every outcome; with one job, as soon as it is there.

    Returns
    -------
    tuple of BatchOutcome
        In the order of the scans. One that fails is among them, with the reason, and does not stop the others.

    Raises
    ------
    InputError, Cancelled
        If the folder cannot be made; if `progress` was cancelled, when what is written stays.
    """
    folder = output_folder(out)
    tell = tell or _nothing
    places = _places(scans)
    tasks = [_Task(scan, run, folder / place) for scan, place in zip(scans, places, strict=True)]

    def work(task: _Task, progress: Progress) -> BatchOutcome:
        outcome = _run_one(task, progress)
        tell(outcome)
        return outcome

    # Only a function of a module is found by other processes.
    alone = jobs <= 1 or len(tasks) <= 1
    done: Sequence[BatchOutcome | BrainUADError] = in_processes(work if alone else _run_one, tasks, jobs, progress)
    outcomes = tuple(
        one if isinstance(one, BatchOutcome) else BatchOutcome(task.scan, error=str(one)) for task, one in zip(tasks, done, strict=True)
    )
    for outcome in () if alone else outcomes:
        tell(outcome)
    return outcomes


def batch_command(root: str | Path, run: BatchRun, out: str | Path, *, layout_id: str | None = None, sequence: str | None = None) -> str:
    """The ``brain-uad batch`` command that gives the same files."""
    words = ["brain-uad", "batch", str(root), "--method", run.method]
    for option, given in (("--layout", layout_id), ("--sequence", sequence), ("--model", run.model)):
        words += [option, given] if given else []
    for name, value in run.params.items():
        words += ["--set", f"{name}={value}"]
    words += post_words(run.post)
    words += ["--prepare", run.prepare_with] if run.prepare_with != AUTO else []
    words += ["--seed", str(run.seed)] if run.seed else []
    words += ["--device", run.device] if run.device != "auto" else []
    return shlex.join([*words, "--out", str(out)])


def _nothing(_outcome: BatchOutcome) -> None:
    """Nobody listens."""


def _places(scans: Sequence[BatchScan]) -> list[str]:
    """A folder name for each scan; two that come out alike get a number."""
    names: list[str] = []
    for scan in scans:
        safe = re.sub(r"[^\w.-]+", "-", scan.name).strip("-.") or "scan"
        name, number = safe, 1
        while name.casefold() in {other.casefold() for other in names}:
            number += 1
            name = f"{safe}-{number}"
        names.append(name)
    return names


def _run_one(task: _Task, progress: Progress) -> BatchOutcome:
    scan, run = task.scan, task.run
    progress.update(0.0, f"{scan.name}: reading")
    try:
        volume = load(scan.file)
        if scan.sequence is not None and volume.sequence is None:
            volume = replace(volume, sequence=scan.sequence)
        detection = detect(
            volume,
            run.method,
            params=run.params,
            mask=scan.mask,
            truth=scan.truth,
            model=run.model,
            post=run.post,
            prepare_with=run.prepare_with,
            device=run.device,
            seed=run.seed,
            progress=progress.part(0.0, 0.8),
        )
        files = save_detection(detection, task.out, progress=progress.part(0.8, 1.0))
    except Cancelled:
        raise
    except BrainUADError as error:
        return BatchOutcome(scan, error=str(error))
    return _outcome(scan, detection, files)


def _outcome(scan: BatchScan, detection: Detection, files: Mapping[str, Path]) -> BatchOutcome:
    result = detection.result
    dice = None if detection.evaluation is None else detection.evaluation["dice"].value
    volume = sum(region.volume_ml for region in result.regions)
    return BatchOutcome(scan, files, tuple(as_rows(result.regions)), volume, dice, detection.seconds)
