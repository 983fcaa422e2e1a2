"""Trainings that were paused, cancelled or broke off, and can go on: their folders lie beside the user's models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import BrainUADError, InputError
from ...io.atomic import write_json
from ...io.checkpoint import checkpoint_files, read_record
from ...io.json_files import read_json
from ...io.streams import is_file
from ..models.models import training_folders
from ..scans.names import output_folder
from .training_record import checkpoints_in

_JOB, _LOG = "job.json", "log.csv"
_FILES = (_JOB, "training.json", _LOG)


@dataclass(frozen=True)
class Unfinished:
    """One of them.

    Parameters
    ----------
    name : str
        The id its model will have.
    folder : Path
        With checkpoint and log.
    step : int
        Steps done, in all its stages.
    job : dict
        What it was started with, as `workflows.train.train_process.TrainingJob.from_json` takes it.
    """

    name: str
    folder: Path
    step: int
    job: dict[str, Any]


def remember_job(out: Path, job: Mapping[str, Any]) -> None:
    """Keep what a training was started with in its folder, for `unfinished_trainings` to find."""
    write_json(output_folder(out) / _JOB, dict(job))


def unfinished_trainings() -> tuple[Unfinished, ...]:
    """All that have a checkpoint and no model yet, the latest first."""
    found = [one for one in map(_read, training_folders()) if one is not None]
    return tuple(sorted(found, key=lambda one: checkpoint_files(checkpoints_in(one.folder)[-1])[1].stat().st_mtime, reverse=True))


def discard(training: Unfinished) -> None:
    """Delete its checkpoint, log and records.

    Raises
    ------
    InputError
        If a file cannot be deleted.
    """
    checkpoints = checkpoints_in(training.folder)
    places = {training.folder, *(checkpoint.parent for checkpoint in checkpoints)}
    try:
        for file in (
            *(file for checkpoint in checkpoints for file in reversed(checkpoint_files(checkpoint))),
            *(place / name for place in places for name in _FILES),
        ):
            file.unlink(missing_ok=True)
        for place in sorted(places, key=lambda place: len(place.parts), reverse=True):
            if not any(place.iterdir()):
                place.rmdir()
    except OSError as error:
        raise InputError(f"{training.name} cannot be deleted", why=error.strerror or str(error), fix=f"Check {training.folder}") from error


def _read(folder: Path) -> Unfinished | None:
    if is_file(checkpoint_files(folder)[1]):
        return None
    try:
        job = read_json(folder / _JOB)
        step = sum(read_record(checkpoint).meta["step"] for checkpoint in checkpoints_in(folder))
    except (OSError, KeyError, TypeError, BrainUADError):
        return None
    whole = isinstance(job, dict) and isinstance(step, int) and step > 0
    kinds = {"method": str, "out": str, "data": dict, "params": dict, "training": dict, "seed": int, "device": str}
    typed = whole and all(isinstance(job.get(name), kind) for name, kind in kinds.items())
    if not typed or not isinstance(job.get("anomalies", ""), str):
        return None
    return Unfinished(folder.name, folder, step, job)
