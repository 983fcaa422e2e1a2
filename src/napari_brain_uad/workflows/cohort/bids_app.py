"""A BIDS App (Gorgolewski et al., PLOS Computational Biology 2017, doi:10.1371/journal.pcbi.1005209): a data set in, derivatives out.

The level ``participant`` analyses every image of the chosen participants, wherever and however often it is called; the level ``group``
gathers what those calls left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ...core.errors import BrainUADError, InputError
from ...core.isolation import isolated
from ...core.progress import Progress
from ...core.provenance import NOTICE
from ...core.text import counted, did_you_mean, table_text
from ...datasets.bids import is_ours
from ...datasets.bids_images import BIDSImage, ages_of, bids_images
from ...datasets.covariates import Covariates
from ...datasets.layout import LAYOUT
from ...io.atomic import write_json, write_text
from ...io.nifti import count_volumes, read_volume
from ...io.results import check_output
from ...postprocessing.params import PostParams
from ..detect.detect import detect
from ..detect.mni import check_mni, with_mni
from ..execution.parallel import as_done
from ..execution.workers import Workers
from ..models.method_spec import MethodSpec
from ..models.recommend import recommend
from ..scans.names import output_folder
from ..scans.ready import AUTO
from .batch import BatchRun
from .bids_files import Place, cell, describe_folder, label_of, save_derivatives
from .case import Case
from .finished import Finished, about_of, key_of, plain

DONE, KEPT, FAILED, LEFT_OUT = "done", "kept", "failed", "left out"

COLUMNS = (
    "participant_id", "session_id", "image", "sequence", "method", "state", "regions", "volume_ml", "scan_p", "verdict", "seconds",
    "reason",
)  # fmt: skip
"""Of the group's table."""

_LOGS = "logs"

_ABOUT: dict[str, dict[str, str]] = {
    "session_id": {"Description": "Session, where there are several"},
    "image": {"Description": "Name of the raw image"},
    "sequence": {"Description": "What the image was taken to be"},
    "method": {"Description": "Method, with its settings and model"},
    "state": {"Description": f"{DONE}, {FAILED} or {LEFT_OUT}"},
    "regions": {"Description": "Regions found"},
    "volume_ml": {"Description": "Volume of all regions", "Units": "mL"},
    "scan_p": {"Description": "Conformal p-value of the strongest region against healthy brains"},
    "verdict": {"Description": "What of it lies beyond healthy variation"},
    "seconds": {"Description": "Time of scoring and post-processing", "Units": "s"},
    "reason": {"Description": "Why there is no result"},
}


@dataclass(frozen=True)
class Selection:
    """Which images are analysed.

    Parameters
    ----------
    participants, sessions : tuple of str
        Labels, with or without ``sub-`` and ``ses-``; all when empty.
    suffixes : tuple of str
        "T1w", "T2w", "FLAIR", "PDw"; all when empty.
    """

    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AppRun:
    """What is done to every image.

    Parameters
    ----------
    spec : MethodSpec or None
        The method; None for the one that is recommended for each image's sequence.
    post, prepare_with, device, seed, mni
        As in `batch.BatchRun`.
    overwrite, resume : bool
        Whether derivatives of another image of the same name are replaced; whether what is there of the same run is left as it is.
    """

    spec: MethodSpec | None = None
    post: PostParams = field(default_factory=PostParams)
    prepare_with: str = AUTO
    device: str = "auto"
    seed: int = 0
    overwrite: bool = False
    resume: bool = True
    mni: bool = False

    def of(self, sequence: str) -> BatchRun:
        """What is done to an image of a sequence."""
        spec = self.spec or MethodSpec.of(recommend(sequence)[0])
        return BatchRun(spec, self.post, self.prepare_with, self.device, self.seed, self.mni)


@dataclass(frozen=True)
class ImageOutcome:
    """What became of an image; the fields are those of a row of the group's table, and `warnings`."""

    participant_id: str
    session_id: str
    image: str
    sequence: str
    method: str
    state: str
    regions: int | None = None
    volume_ml: float | None = None
    scan_p: float | None = None
    verdict: str = ""
    seconds: float | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Task:
    image: BIDSImage
    run: AppRun
    out: Path
    age: float | None


def chosen_images(root: Path, selection: Selection) -> tuple[BIDSImage, ...]:
    """The images of a data set that were chosen, those that are not analysed among them.

    Raises
    ------
    InputError
        If there are none, or a participant, session or suffix that was asked for is not there.
    """
    images = bids_images(root)
    if not images:
        why = "there is no image in a folder sub-*/anat or sub-*/ses-*/anat"
        raise InputError(f"{root.name} is no BIDS data set with anatomical images", why=why, fix="Give the folder that holds sub-01")
    wanted = {
        "sub-": ([one.subject for one in images], selection.participants),
        "ses-": ([one.session for one in images], selection.sessions),
        "": ([one.suffix for one in images], selection.suffixes),
    }
    kept = []
    for prefix, (present, asked) in wanted.items():
        labels = {label.removeprefix(prefix) for label in asked}
        missing = sorted(labels - set(present))
        if missing:
            known = sorted({one for one in present if one})
            listed = f"There are: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}" if known else "There are none at all"
            fix = f"{did_you_mean(missing[0], known)}{listed}"
            raise InputError(f"There is no {prefix}{missing[0]} in {root.name}", fix=fix)
        kept.append([not labels or one in labels for one in present])
    return tuple(image for image, *keep in zip(images, *kept, strict=True) if all(keep))


def run_participants(
    root: str | Path,
    out: str | Path,
    run: AppRun,
    selection: Selection | None = None,
    *,
    jobs: int | Workers = 1,
    tell: Callable[[ImageOutcome], None] | None = None,
    progress: Progress | None = None,
) -> tuple[ImageOutcome, ...]:
    """Analyse every chosen image, and write its derivatives.

    Parameters
    ----------
    root, out : str or Path
        The raw data set, and the folder of the derivatives; it is made when missing.
    run : AppRun
        What is done to each.
    selection : Selection, optional
        Which; all by default.
    jobs : int or Workers
        See `execution.workers.Workers`.
    tell : callable, optional
        Gets every outcome as soon as it is there.

    Returns
    -------
    tuple of ImageOutcome
        Every image, sorted; those that are left out, or failed, with the reason.

    Raises
    ------
    InputError, Cancelled
        If there is nothing to analyse, or the folder cannot be written; if `progress` was cancelled, when what is written stays.
    """
    root, out = Path(root), Path(out)
    _check_place(root, out)
    images = chosen_images(root, selection or Selection())
    for folder in (out, out / _LOGS):
        check_output(folder)
    ages = ages_of(root)
    tasks = [_Task(image, run, out, ages.get(image.subject)) for image in images]
    outcomes: dict[int, ImageOutcome] = {}
    with closing(as_done(_analysed, tasks, jobs, progress)) as done:
        for number, one in done:
            if not outcomes:  # not before there is something to describe
                describe_folder(output_folder(out), root)
            if isinstance(one, BrainUADError):
                one = _not_done(tasks[number], FAILED, str(one))
            outcomes[number] = one
            if tell is not None:
                tell(one)
    return tuple(outcomes[number] for number in range(len(tasks)))


def _check_place(root: Path, out: Path) -> None:
    """Nothing of somebody else's data is to be replaced."""
    raw, own = root.resolve(), out.resolve()
    fix = f"Give another OUT_DIR, like {root.name}/derivatives/brain-uad"
    if own == raw:
        raise InputError("BIDS_DIR and OUT_DIR are the same folder", fix=fix)
    if own.is_relative_to(raw) and own.relative_to(raw).parts[0].startswith("sub-"):
        raise InputError("OUT_DIR lies in a participant's folder of BIDS_DIR", fix=fix)
    description = out / "dataset_description.json"
    if description.exists() and not is_ours(description):
        raise InputError("OUT_DIR is another data set", why=f"its {description.name} says so", fix=fix)


def _analysed(task: _Task, progress: Progress) -> ImageOutcome:
    if task.image.why_not:
        return _not_done(task, LEFT_OUT, task.image.why_not)
    outcome = isolated(partial(_written, task, progress))
    return _not_done(task, FAILED, str(outcome)) if isinstance(outcome, BrainUADError) else outcome


def _written(task: _Task, progress: Progress) -> ImageOutcome:
    image, run, out = task.image, task.run.of(task.image.sequence), task.out
    progress.update(0.0, f"{image.path.name}: reading")
    if (count := count_volumes(image.path)) > 1:
        raise InputError(
            image.path.name, why=f"it is a series of {count} volumes", fix="Keep the one that is meant, as an image of its own"
        )
    volume = read_volume(image.path).with_sequence(image.sequence, LAYOUT)
    place = Place(image, label_of(run.spec.method))
    case = Case(image.path.name, image.path, None, covariates=Covariates(task.age))
    finished = Finished(out / place.log, out / place.folder, key_of(case, volume, run))
    if task.run.resume and (kept := finished.find()) is not None:
        earlier = isolated(partial(_outcome_from, kept))
        if not isinstance(earlier, BrainUADError):
            return replace(earlier, state=KEPT)
    how: dict[str, Any] = {"post": run.post, "prepare_with": run.prepare_with, "device": run.device, "seed": run.seed, "age": task.age}
    if run.mni:
        check_mni(volume)
    detection = detect(volume, run.spec, **how, progress=progress.part(0.0, 0.6 if run.mni else 0.8))
    detection = with_mni(detection, progress.part(0.6, 0.8)) if run.mni else detection
    files = save_derivatives(detection, place, out, progress.part(0.8, 1.0), overwrite=task.run.overwrite, token=finished.token)
    outcome = ImageOutcome(
        *_who(task),
        state=DONE,
        regions=len(detection.result.regions),
        volume_ml=round(sum(region.volume_ml for region in detection.result.regions), 4),
        scan_p=detection.verdict.p,
        verdict=detection.verdict.line,
        seconds=round(detection.seconds, 2),
        warnings=tuple(finding.sentence for finding in detection.warnings),
    )
    finished.keep(plain(outcome), files)
    _left_out_log(task).unlink(missing_ok=True)
    return outcome


def _left_out_log(task: _Task) -> Path:
    """What says that an image is left out; a name of its own for whatever the file is called."""
    image = task.image
    told = repr((image.subject, image.session, image.path.name)).encode("utf-8", "surrogateescape")
    return task.out / _LOGS / f"left_out_{hashlib.sha256(told).hexdigest()[:12]}.json"


def _who(task: _Task) -> tuple[str, str, str, str, str]:
    image = task.image
    method = "" if image.why_not else str(task.run.of(image.sequence).spec)
    return f"sub-{image.subject}", f"ses-{image.session}" if image.session else "", image.path.name, image.sequence, method


def _not_done(task: _Task, state: str, reason: str) -> ImageOutcome:
    outcome, left_out = ImageOutcome(*_who(task), state=state, reason=reason), _left_out_log(task)
    log = left_out
    if outcome.method:
        log = task.out / Place(task.image, label_of(task.run.of(task.image.sequence).spec.method)).log
        left_out.unlink(missing_ok=True)
    Finished(log, task.out, "").keep(plain(outcome), {})
    return outcome


def _outcome_from(about: Mapping[str, Any]) -> ImageOutcome:
    """An outcome as a record holds it.

    Raises
    ------
    InputError
        If it is another record.
    """
    names = ImageOutcome.__dataclass_fields__
    told: dict[str, Any] = {name: about.get(name) for name in names}
    texts = (told[name] for name in ("participant_id", "session_id", "image", "sequence", "method", "verdict", "reason"))
    numbers = (told[name] for name in ("volume_ml", "scan_p", "seconds", "regions"))
    warnings = told["warnings"]
    sound = (
        all(isinstance(text, str) for text in texts)
        and all(number is None or (isinstance(number, int | float) and not isinstance(number, bool)) for number in numbers)
        and told["state"] in (DONE, FAILED, LEFT_OUT)
        and isinstance(warnings, list)
    )
    if not sound:
        raise InputError("A record in logs/ is damaged", fix="Remove it, and call the level participant again")
    return ImageOutcome(**told | {"warnings": tuple(map(str, warnings or ()))})


def gather_group(out: str | Path) -> tuple[tuple[ImageOutcome, ...], tuple[str, ...], Mapping[str, Path]]:
    """Gather what calls of the level participant left in a folder of derivatives.

    Returns
    -------
    outcomes, problems, files
        Every image, sorted by name; records that cannot be read, in words; ``group_anomalies.tsv`` and its sidecar.

    Raises
    ------
    InputError
        If there is nothing.
    """
    out = Path(out)
    logs = sorted(out.glob(f"{_LOGS}/*.json"))
    if not logs:
        raise InputError(f"There is nothing to gather in {out.name}", fix="Call the level participant first, with the same OUT_DIR")
    read = {path.name: isolated(partial(_recorded, path)) for path in logs}
    problems = tuple(f"{_LOGS}/{name}: {one}" for name, one in read.items() if isinstance(one, BrainUADError))
    found = [one for one in read.values() if not isinstance(one, BrainUADError)]
    outcomes = tuple(sorted(found, key=lambda one: (one.participant_id, one.session_id, one.image, one.method)))
    rows = [[cell(getattr(one, name)) for name in COLUMNS] for one in outcomes]
    files = {"tsv": out / "group_anomalies.tsv", "json": out / "group_anomalies.json"}
    write_text(files["tsv"], table_text([COLUMNS, *rows], delimiter="\t"))
    write_json(files["json"], {"notice": NOTICE, **_ABOUT})
    return outcomes, problems, files


def _recorded(path: Path) -> ImageOutcome:
    return _outcome_from(about_of(path))


def outcome_words(outcomes: Sequence[ImageOutcome]) -> str:
    """How many images gave something, and how many did not, in a sentence."""
    people = len({one.participant_id for one in outcomes})
    counts = {state: sum(one.state == state for one in outcomes) for state in (DONE, KEPT, FAILED, LEFT_OUT)}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    images = len({(one.participant_id, one.session_id, one.image) for one in outcomes})
    results = f"{counted(len(outcomes), 'result')} on " if images < len(outcomes) else ""
    return f"{results}{counted(images, 'image')} of {counted(people, 'participant')}: {told}"
