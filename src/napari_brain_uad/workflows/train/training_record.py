"""What a training in a folder is of, so that it is resumed as itself and not overwritten by another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import InputError, ModelError
from ...core.params import Params, same_value
from ...core.volume import Volume
from ...io.atomic import write_json
from ...io.checkpoint import checkpoint_files
from ...io.json_files import encodable, read_json
from ...io.streams import is_file
from ..scans.names import output_folder
from .training_data import TrainingData

NAME = "training.json"
_CHECKPOINT = "checkpoint"


def record_of(method: str, params: Params, data: Any, seed: int) -> dict[str, Any]:
    """Method, settings, data and seed as JSON data."""
    told: Any
    if isinstance(data, TrainingData):
        told = data.as_dict()
    elif isinstance(data, str | Path):
        told = TrainingData("folder", str(data), seed=seed).as_dict()
    else:
        told = [one.name if isinstance(one, Volume) else Path(one).name for one in data]
    return {"method": method, "seed": seed, "params": params.as_dict(), "data": told}


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints of a training, of each stage that has one; `io.checkpoint.checkpoint_files` gives their files."""
    stages = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [place / _CHECKPOINT for place in (folder, *stages) if is_file(checkpoint_files(place / _CHECKPOINT)[1])]


def claim(folder: Path, record: Mapping[str, Any], *, resume: bool, overwrite: bool = False, first: bool) -> None:
    """Make `folder` the place of a training, after `check_resumable`; of several processes the first one writes."""
    if resume or not overwrite:
        check_resumable(folder, record, resume=resume)
    if first and overwrite and not resume:
        # Or a new training that is killed early would be resumed from the earlier one.
        try:
            for checkpoint in checkpoints_in(folder):
                tensors, sidecar = checkpoint_files(checkpoint)
                sidecar.unlink(missing_ok=True)
                tensors.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{folder.name} cannot be replaced", why=error.strerror or str(error), fix="Choose another name") from error
    if first:
        write_json(output_folder(folder) / NAME, record)


def check_resumable(folder: Path, record: Mapping[str, Any], *, resume: bool) -> None:
    """Raise unless a training may start in `folder`, or go on there.

    Raises
    ------
    InputError
        If a new training would overwrite one that can be resumed.
    ModelError
        If another training is there; what differs is named.
    """
    if not checkpoints_in(folder):
        return
    if not resume:
        raise InputError(
            f"{folder.name} holds a training already",
            why="starting anew would overwrite its checkpoint",
            fix="Resume it (--resume), choose another name, or replace it (--overwrite)",
        )
    earlier, now = _flat(read_record(folder)), _flat(encodable(dict(record)))
    for name in [*now, *earlier]:
        if not same_value(earlier.get(name), now.get(name)):
            why = f"it was started with {name} = {_short(earlier.get(name))}, not {_short(now.get(name))}"
            raise ModelError(f"{folder.name} cannot be resumed", why=why, fix="Give what it was started with, or choose another name")


def read_record(folder: Path) -> dict[str, Any]:
    """The record of the training in a folder; empty when there is none that can be read."""
    try:
        found = read_json(folder / NAME)
    except InputError:
        return {}
    return found if isinstance(found, dict) else {}


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """With names like "params.height" for what lies one level down."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        found |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    return found


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
