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
from ...io.checkpoint import read_record as read_checkpoint
from ...io.json_files import encodable, read_json
from ...io.streams import is_file
from ..scans.names import output_folder
from .training_data import TrainingData

NAME = "training.json"
_CHECKPOINT = "checkpoint"
_SCANS = ("scans", "validation_scans", "label_maps")
"""Which scans: what earlier versions kept says nothing of them."""


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
    """The checkpoints of a training, of each stage that has one, and each of a stage's trainings; `checkpoint_files` gives their files."""
    own = [folder / _CHECKPOINT] if is_file(checkpoint_files(folder / _CHECKPOINT)[1]) else []
    parts = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    # What has a record is another training, whose name lies in this one's folder.
    return own + [checkpoint for part in parts if not is_file(part / NAME) for checkpoint in checkpoints_in(part)]


def so_far(folder: Path) -> tuple[int, float] | None:
    """Steps and seconds of a training with all its stages and breaks, by its checkpoints; None without any.

    Raises
    ------
    ModelError
        If a checkpoint is damaged.
    """
    metas = [read_checkpoint(checkpoint).meta for checkpoint in checkpoints_in(folder)]
    return (sum(meta["step"] for meta in metas), sum(meta["counts"]["seconds"] for meta in metas)) if metas else None


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
    fix = "Give what it was started with, choose another name, or start anew in its place (--overwrite)"
    if not earlier:
        raise ModelError(f"{folder.name} cannot be resumed", why=f"{NAME}, which says what it was started with, is not there", fix=fix)
    for name in [*now, *earlier]:
        if name in _SCANS and not any(key in earlier for key in _SCANS):
            continue
        if not same_value(earlier.get(name), now.get(name)):
            why = f"it was started with {_difference(name, earlier.get(name), now.get(name))}"
            raise ModelError(f"{folder.name} cannot be resumed", why=why, fix=fix)


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


def _difference(name: str, earlier: Any, now: Any) -> str:
    if name not in _SCANS:
        return f"{name} = {_short(earlier)}, not {_short(now)}"
    before, after = earlier or [], now or []
    gone, new = [one for one in before if one not in after], [one for one in after if one not in before]
    changes = [f"{len(some):,} {what} (like {some[0]})" for some, what in ((gone, "gone"), (new, "new")) if some]
    return f"other {name.replace('_', ' ')}: {', '.join(changes) or 'their order is another'}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
