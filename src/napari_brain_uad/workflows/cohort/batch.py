"""One method over a folder of scans, each as `detect` does it: what the window's Batch dock and ``brain-uad batch`` both call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core import shell
from ...core.errors import BrainUADError, Cancelled
from ...core.progress import Progress
from ...core.seed import check_seed
from ...evaluation.image_level import image_score
from ...io.results import check_output
from ...postprocessing.params import PostParams
from ...postprocessing.regions import as_rows
from ..detect.command import post_words
from ..detect.detect import Detection, detect
from ..detect.mni import check_mni, with_mni
from ..detect.save import check_detection_output, save_detection
from ..execution.parallel import as_done
from ..execution.workers import Workers
from ..models.method_spec import MethodSpec
from ..scans.names import folder_name
from ..scans.ready import AUTO
from .case import Case, case_volume
from .finished import Finished, key_of, plain

_RECORD = "batch_scan.json"


@dataclass(frozen=True)
class BatchRun:
    """What is done to every scan; as in `detect.detect`. With `mni` copies in MNI space are written, too."""

    spec: MethodSpec = field(default_factory=lambda: MethodSpec("threshold"))
    post: PostParams = field(default_factory=PostParams)
    prepare_with: str = AUTO
    device: str = "auto"
    seed: int = 0
    mni: bool = False

    def __post_init__(self) -> None:
        check_seed(self.seed)


@dataclass(frozen=True)
class BatchOutcome:
    """What became of one scan.

    Parameters
    ----------
    case : Case
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
    sequence : str
        The scan's, and what says so.
    warnings : tuple of str
        What there is to know about scan, ground truth and result: also why there is no region.
    verdict : str
        What of it lies beyond healthy variation, in a sentence.
    scan_p : float or None
        p-value of the strongest region against healthy brains.
    image_score : float or None
        The highest score of the brain in the raw map.
    error : str
        Why there is nothing, in a sentence; empty when there is something.
    """

    case: Case
    files: Mapping[str, Path] = field(default_factory=dict)
    regions: tuple[dict[str, Any], ...] = ()
    volume_ml: float = 0.0
    dice: float | None = None
    seconds: float = 0.0
    sequence: str = ""
    warnings: tuple[str, ...] = ()
    verdict: str = ""
    scan_p: float | None = None
    image_score: float | None = None
    error: str = ""


@dataclass(frozen=True)
class _BatchTask:
    case: Case
    run: BatchRun
    out: Path
    overwrite: bool
    resume: bool


def run_batch(
    cases: Sequence[Case],
    run: BatchRun,
    out: str | Path,
    *,
    jobs: int | Workers = 1,
    overwrite: bool = False,
    resume: bool = True,
    tell: Callable[[BatchOutcome], None] | None = None,
    progress: Progress | None = None,
) -> tuple[BatchOutcome, ...]:
    """Detect anomalies in every scan and write each one's results into a folder of its own.

    Parameters
    ----------
    cases : sequence of Case
        From `cohort.cases_of`; a ground truth is not needed.
    run : BatchRun
        What is done to each.
    out : str or Path
        The folder; made when missing.
    jobs : int or Workers
        How many scans at a time, each in a process of its own; or where else: see `execution.workers.Workers`. The workers write the
        results: those of a cluster need to see `out` under the same name.
    overwrite : bool
        As in `save.save_detection`.
    resume : bool
        Take what lies in `out` for scans whose results would be the same: those of a batch that was ended.
    tell : callable, optional
        Gets every outcome as soon as it is there.

    Returns
    -------
    tuple of BatchOutcome
        In the order of the scans. One that fails is among them, with the reason, and does not stop the others.

    Raises
    ------
    InputError, Cancelled
        If the folder cannot be made or written; if `progress` was cancelled, when what is written stays.
    """
    folder = Path(out)
    check_output(folder)
    tasks = [_BatchTask(case, run, folder / place, overwrite, resume) for case, place in zip(cases, _places(cases), strict=True)]
    outcomes: dict[int, BatchOutcome] = {}
    with closing(as_done(_run_one, tasks, jobs, progress)) as done:
        for number, one in done:
            outcomes[number] = BatchOutcome(cases[number], error=str(one)) if isinstance(one, BrainUADError) else one
            if tell is not None:
                tell(outcomes[number])
    return tuple(outcomes[number] for number in range(len(tasks)))


def batch_command(
    root: str | Path, run: BatchRun, out: str | Path, *, layout_id: str | None = None, sequence: str | None = None, jobs: int = 1
) -> str:
    """The ``brain-uad batch`` command that gives the same files."""
    words = ["brain-uad", "batch", shell.file_word(root), "--method", str(run.spec)]
    for option, given in (("--layout", layout_id), ("--sequence", sequence)):
        words += [option, given] if given else []
    words += post_words(run.post)
    words += ["--prepare", run.prepare_with] if run.prepare_with != AUTO else []
    words += ["--seed", str(run.seed)] if run.seed else []
    words += ["--device", run.device] if run.device != "auto" else []
    words += ["--mni"] if run.mni else []
    words += ["--jobs", str(jobs)] if jobs > 1 else []
    return shell.join([*words, "--out", shell.file_word(out)])


def _places(cases: Sequence[Case]) -> list[str]:
    """A folder name for each scan; two that come out alike get a number."""
    names: dict[str, str] = {}  # by their form without case: not every file system tells capitals
    last: dict[str, int] = {}
    for case in cases:
        safe = folder_name(case.name)
        name, number = safe, last.get(safe.casefold(), 1)
        while name.casefold() in names:
            number += 1
            name = f"{safe}-{number}"
        last[safe.casefold()] = number
        names[name.casefold()] = name
    return list(names.values())


def _run_one(task: _BatchTask, progress: Progress) -> BatchOutcome:
    case, run = task.case, task.run
    progress.update(0.0, f"{case.name}: reading")
    try:
        volume = case_volume(case)
        finished = Finished(task.out / _RECORD, task.out, key_of(case, volume, run))
        if task.resume and (kept := finished.find()) is not None:
            regions = tuple(dict(row) for row in kept["regions"])
            return BatchOutcome(case, **kept | {"regions": regions, "warnings": tuple(kept["warnings"])})
        if run.mni:
            check_mni(volume)
        check_detection_output(volume, run.spec.method, task.out, overwrite=task.overwrite)
        detection = detect(
            volume,
            run.spec,
            mask=case.mask,
            truth=case.truth,
            post=run.post,
            prepare_with=run.prepare_with,
            device=run.device,
            seed=run.seed,
            age=case.covariates.age,
            progress=progress.part(0.0, 0.6 if run.mni else 0.8),
        )
        detection = with_mni(detection, progress.part(0.6, 0.8)) if run.mni else detection
        last = progress.part(0.8, 1.0)
        files = save_detection(detection, task.out, overwrite=task.overwrite, token=finished.token, progress=last)
    except Cancelled:
        raise
    except BrainUADError as error:
        return BatchOutcome(case, error=str(error))
    outcome = _outcome(case, detection, files)
    # Rows as pairs: JSON files are sorted by name, tables are not.
    rows = [list(row.items()) for row in outcome.regions]
    finished.keep(plain(outcome, "case", "files", "error") | {"regions": rows}, files)
    return outcome


def _outcome(case: Case, detection: Detection, files: Mapping[str, Path]) -> BatchOutcome:
    result = detection.result
    dice = None if detection.evaluation is None else detection.evaluation["dice"].value
    volume = sum(region.volume_ml for region in result.regions)
    verdict = detection.verdict
    return BatchOutcome(
        case,
        files,
        tuple(as_rows(result.regions)),
        volume,
        dice,
        detection.seconds,
        sequence=detection.volume.sequence_words,
        warnings=tuple(finding.sentence for finding in detection.warnings),
        verdict=verdict.line,
        scan_p=verdict.p,
        image_score=image_score(detection.map),
    )
