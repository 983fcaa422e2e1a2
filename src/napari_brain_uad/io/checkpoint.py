"""Models on disk: NAME.safetensors holds arrays, NAME.json says what they are and seals them with SHA-256.

No code can hide in either. The JSON is what makes a checkpoint valid: while one replaces another it vouches for both, so that a
job killed at any moment leaves the old or the new one whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..core.detector import State, state_is_finite
from ..core.errors import ModelError
from ..core.provenance import NOTICE, versions
from .atomic import json_text, write_bytes, write_json
from .json_files import read_json
from .streams import is_file

FORMAT = "napari-brain-uad checkpoint 1"

BORROWED = "borrowed"
"""Under this name a record's `meta` holds what a model takes from others of the package as it is: for each stage name and sha256."""

_WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
_MAX_HEADER = 4 << 20
_MAX_TENSORS = 8 << 30
_TRAIN_AGAIN = "Train the model again, or copy it again"
_TOGETHER = "Keep a model's .safetensors and .json files together"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model as read from disk.

    Parameters
    ----------
    method : str
        The method's id.
    params : dict
        Its parameters (`core.params.Params.as_dict`).
    state : dict of array
        What it learned.
    meta : dict
        How it was trained (JSON data).
    sha256 : str
        Of the ``.safetensors`` file.
    """

    method: str
    params: dict[str, Any]
    state: State
    meta: dict[str, Any]
    sha256: str


@dataclass(frozen=True)
class CheckpointRecord:
    """A model's description without its arrays; see `Checkpoint` for the fields."""

    method: str
    params: dict[str, Any]
    meta: dict[str, Any]
    sha256: str


def save_checkpoint(path: Path | str, *, method: str, params: Mapping[str, Any], state: State, meta: Mapping[str, Any]) -> None:
    """Write a model as ``NAME.safetensors`` and ``NAME.json``; one that is there already is replaced.

    Parameters
    ----------
    path : Path or str
        NAME, with either suffix or none.
    method, params, state, meta
        See `Checkpoint`.

    Raises
    ------
    ModelError
        If the state holds NaN or infinite numbers.
    InputError
        If the files cannot be written.
    """
    tensors, sidecar = checkpoint_files(Path(path))
    if not state_is_finite(state):
        raise ModelError(f"{tensors.name} was not written", why="the model holds NaN or infinite numbers", fix="Train with other settings")
    data = save({name: np.asarray(array, order="C") for name, array in state.items()})
    body = {
        "method": method,
        "params": dict(params),
        "meta": dict(meta),
        "sha256": hashlib.sha256(data).hexdigest(),
        "versions": versions(),
        "notice": NOTICE,
    }
    record = {**body, "seal": _seal(body)}
    previous = _record_in_use(tensors, sidecar)
    if previous is not None:
        write_json(sidecar, {"format": FORMAT, "checkpoint": record, "previous": previous})
    write_bytes(tensors, data)
    write_json(sidecar, {"format": FORMAT, "checkpoint": record})


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a model; no code in it can run.

    Parameters
    ----------
    path : Path or str
        NAME, with either suffix or none.

    Raises
    ------
    ModelError
        If a file is missing, of another format (pickle, zip, ...), damaged, changed, or holds NaN or infinity; if it takes a stage from a
        model that is neither beside it nor in the package.
    """
    tensors, sidecar = checkpoint_files(Path(path))
    records = _records(sidecar)
    data = read_file(tensors, _MAX_TENSORS, fix=_TOGETHER)
    _check_layout(tensors, data, _TRAIN_AGAIN)
    sha256 = hashlib.sha256(data).hexdigest()
    record = next((r for r in records if r["sha256"] == sha256), None)
    if record is None:
        raise ModelError(tensors.name, why=f"its SHA-256 is not the one in {sidecar.name}: it is damaged or not its file", fix=_TRAIN_AGAIN)
    state = read_tensors(tensors, data, fix=_TRAIN_AGAIN) | _borrowed(tensors, record["meta"])
    if not state_is_finite(state):
        raise ModelError(tensors.name, why="it holds NaN or infinite numbers", fix=_TRAIN_AGAIN)
    return Checkpoint(record["method"], record["params"], state, record["meta"], sha256)


def read_record(path: Path | str) -> CheckpointRecord:
    """What a model's JSON says, for lists: the arrays are neither read nor checked, which `load_checkpoint` does.

    Raises
    ------
    ModelError
        If the JSON is missing, damaged or changed, or there is no ``.safetensors`` file beside it.
    """
    tensors, sidecar = checkpoint_files(Path(path))
    record = _records(sidecar)[0]
    if not is_file(tensors):
        raise ModelError(tensors.name, why="there is no such file", fix=_TOGETHER)
    return CheckpointRecord(record["method"], record["params"], record["meta"], record["sha256"])


def lender_files(path: Path | str) -> tuple[Path, ...]:
    """The ``.safetensors`` files of the models that a model takes stages from: those of the package, else those beside it.

    Raises
    ------
    ModelError
        If the model's JSON is missing, damaged or changed, or one of those models is nowhere.
    """
    tensors = checkpoint_files(Path(path))[0]
    lenders = _lenders_in(tensors, read_record(path).meta)
    return tuple(dict.fromkeys(_lent(tensors, stage, one["name"], one["sha256"])[0] for stage, one in lenders.items()))


def checkpoint_files(path: Path) -> tuple[Path, Path]:
    """The ``.safetensors`` and the ``.json`` file of a model, whichever of them (or neither suffix) is given."""
    name = path.name
    for suffix in (".safetensors", ".json"):
        name = name.removesuffix(suffix)
    return path.with_name(f"{name}.safetensors"), path.with_name(f"{name}.json")


def read_file(path: Path, most: int, *, fix: str) -> bytes:
    """A whole file of arrays.

    Raises
    ------
    ModelError
        If there is none, it is larger than `most` bytes, or cannot be read.
    """
    try:
        if not path.is_file():
            raise ModelError(path.name, why=f"there is no such file ({path})", fix=fix)
        if path.stat().st_size > most:
            raise ModelError(path.name, why=f"it is larger than {most / 1e9:.2g} GB", fix="Choose a file of a network's weights")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(path.name, why=f"it cannot be read ({error.strerror})", fix="Check the file and your right to read it") from error


def read_tensors(path: Path, data: bytes, *, fix: str) -> State:
    """The arrays of a safetensors file, given its bytes.

    Raises
    ------
    ModelError
        If it is none.
    """
    _check_layout(path, data, fix)
    try:
        return dict(load(data))
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelError(path.name, why=f"it is not a safetensors file ({error})", fix=fix) from error


def _borrowed(tensors: Path, meta: Mapping[str, Any]) -> State:
    """The arrays that a model has from others, so that the same ones are not kept twice."""
    found: State = {}
    for stage, lender in _lenders_in(tensors, meta).items():
        file, data = _lent(tensors, stage, lender["name"], lender["sha256"])
        arrays = read_tensors(file, data, fix=_TRAIN_AGAIN)
        found |= {key: array for key, array in arrays.items() if key.startswith(f"{stage}.")}
    return found


def _lent(tensors: Path, stage: str, name: str, sha256: str) -> tuple[Path, bytes]:
    """The file that a stage of a model is in, and its bytes: the package's own, or one beside the model."""
    for file in (folder / f"{name}.safetensors" for folder in (_WEIGHTS, tensors.parent)):
        with suppress(ModelError):  # one that cannot be read hides no other
            data = read_file(file, _MAX_TENSORS, fix=_TOGETHER)
            if hashlib.sha256(data).hexdigest() == sha256:
                return file, data
    raise ModelError(
        f"{tensors.name} is not whole",
        why=f"its stage {stage} is that of the model {name} (SHA-256 {sha256[:12]}...), neither beside it nor in this version",
        fix=f"Put the files of {name} beside it, or install the version that it came with",
    )


def _lenders_in(tensors: Path, meta: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of the models that stages are taken from, by stage."""
    lenders = meta.get(BORROWED, {})
    if not isinstance(lenders, dict) or not all(_is_lender(one) for one in lenders.values()):
        raise ModelError(tensors.name, why="what it takes from other models cannot be read", fix=_TRAIN_AGAIN)
    return lenders


def _is_lender(lender: Any) -> bool:
    """Whether this names a model: by a name that leads into no other folder, and a hash."""
    known = isinstance(lender, dict) and all(isinstance(lender.get(key), str) for key in ("name", "sha256"))
    return known and Path(lender["name"]).name == lender["name"]


def _check_layout(path: Path, data: bytes, fix: str) -> None:
    """A safetensors file is the header's length (8 bytes, little-endian), the header as a JSON object, then the arrays."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or data[8:9] != b"{" or length > len(data) - 8:
        raise ModelError(path.name, why="it is not a safetensors file (pickled and zipped models are not read)", fix=fix)
    if length > _MAX_HEADER:
        raise ModelError(path.name, why=f"its header claims {length:,} bytes", fix=fix)


def _records(sidecar: Path) -> list[dict[str, Any]]:
    """The sealed records of a sidecar: of the checkpoint, and of the one it is just replacing."""
    content = read_json(sidecar, error=ModelError, fix=_TRAIN_AGAIN)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelError(sidecar.name, why=f"its format is not '{FORMAT}'", fix="Load a model of this version, or train it again")
    records = [content[key] for key in ("checkpoint", "previous") if key in content]
    if not records or not all(_is_sealed(record) for record in records):
        raise ModelError(sidecar.name, why="it was changed after it was written, or is damaged", fix=_TRAIN_AGAIN)
    return records


def _is_sealed(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    body = {key: value for key, value in record.items() if key != "seal"}
    kinds = {"method": str, "params": dict, "meta": dict, "sha256": str}
    if not all(isinstance(body.get(key), kind) for key, kind in kinds.items()):
        return False
    return bool(record.get("seal") == _seal(body))


def _seal(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json_text(dict(body)).encode()).hexdigest()


def _record_in_use(tensors: Path, sidecar: Path) -> dict[str, Any] | None:
    """The record of the checkpoint that is about to be replaced, if there is a whole one."""
    if not (is_file(tensors) and is_file(sidecar)):
        return None
    try:
        sha256 = hashlib.sha256(read_file(tensors, _MAX_TENSORS, fix=_TOGETHER)).hexdigest()
        return next((record for record in _records(sidecar) if record["sha256"] == sha256), None)
    except ModelError:
        return None
