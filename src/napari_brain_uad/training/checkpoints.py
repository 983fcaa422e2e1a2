"""Everything a training needs to go on where it stopped, as one checkpoint of `io.checkpoint`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.errors import ModelError
from ..io.checkpoint import load_checkpoint, save_checkpoint

NAME = "checkpoint"
_METHOD = "training"
_OTHER = "Start a new training in another folder, or resume with the settings it was started with"

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}(\.\w+)*")
"""Names that `io.atomic` gives."""

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A training between two steps.

    Parameters
    ----------
    step : int
        Steps done.
    network : dict of tensor
        Weights and running statistics.
    optimizers : dict
        ``state_dict()["state"]`` of each optimizer by its name.
    average, best : dict of tensor
        Moving average of the weights, weights of the best validation; empty when there is none.
    counts : dict
        What else the loop keeps, as JSON data.
    """

    step: int
    network: Weights
    optimizers: Mapping[str, Mapping[int, Mapping[str, Any]]]
    average: Weights = field(default_factory=dict)
    best: Weights = field(default_factory=dict)
    counts: dict[str, Any] = field(default_factory=dict)


def exists(folder: Path) -> bool:
    """Whether a folder holds a checkpoint to resume from."""
    return (folder / f"{NAME}.json").is_file()


def clear_leftovers(folder: Path) -> None:
    """Remove what a killed training was just writing: such files are as large as the checkpoint, and nobody reads them."""
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def save(folder: Path, snapshot: Snapshot, settings: Mapping[str, Any]) -> None:
    """Write a snapshot; an earlier one is replaced, and stays whole if anything goes wrong.

    Parameters
    ----------
    folder : Path
        Exists.
    snapshot : Snapshot
        What to keep.
    settings : mapping
        Settings of the training; resuming asks for the same.

    Raises
    ------
    ModelError
        If a weight is NaN or infinite.
    InputError
        If it cannot be written.
    """
    state: dict[str, NDArray[Any]] = {}
    for kind in ("network", "average", "best"):
        state |= {f"{kind}/{name}": as_array(value) for name, value in getattr(snapshot, kind).items()}
    for name, entries in snapshot.optimizers.items():
        for number, entry in entries.items():
            place = f"optimizer/{name}/{number}" if name else f"optimizer/{number}"
            state |= {f"{place}/{key}": as_array(value) for key, value in entry.items() if isinstance(value, torch.Tensor)}
    meta = {"step": snapshot.step, "counts": snapshot.counts}
    save_checkpoint(folder / NAME, method=_METHOD, params=dict(settings), state=state, meta=meta)


def load(folder: Path, settings: Mapping[str, Any]) -> Snapshot:
    """Read the snapshot of a folder.

    Raises
    ------
    ModelError
        If there is none, it is damaged, or it was made with other settings; the first that differs is named.
    """
    checkpoint = load_checkpoint(folder / NAME)
    if checkpoint.method != _METHOD:
        raise ModelError(f"{NAME}.json is no training's checkpoint", fix=_OTHER)
    for name, value in settings.items():
        if checkpoint.params.get(name) != value:
            why = f"'{name}' was {checkpoint.params.get(name)!r} and is now {value!r}"
            raise ModelError("The training cannot be resumed", why=why, fix=_OTHER)
    parts: dict[str, Weights] = {"network": {}, "average": {}, "best": {}}
    optimizers: dict[str, dict[int, dict[str, Any]]] = {}
    for name, array in checkpoint.state.items():
        kind, _, rest = name.partition("/")
        tensor = torch.from_numpy(np.array(array))
        if kind == "optimizer":
            *owner, number, key = rest.split("/")
            optimizers.setdefault("".join(owner), {}).setdefault(int(number), {})[key] = tensor
        else:
            parts[kind][rest] = tensor
    return Snapshot(checkpoint.meta["step"], parts["network"], optimizers, parts["average"], parts["best"], checkpoint.meta["counts"])


def as_array(value: torch.Tensor) -> NDArray[Any]:
    """A tensor as an array of its own memory order: rows first."""
    array: NDArray[Any] = value.detach().cpu().contiguous().numpy()
    return array
