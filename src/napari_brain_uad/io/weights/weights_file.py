"""Weights of networks of others: files of ``torch.save`` (.pth, .pt), in the layout of today and in the one before, and safetensors.

A .pth file is a pickle with numbers beside it. It is never unpickled: see `torch_pickle`.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State, state_is_finite
from ...core.errors import ModelError
from ..checkpoint import read_file, read_tensors
from .torch_pickle import Refused, Storage, Tensor, read_pickle

_MOST = 4 << 30
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_PICKLE = b"\x80\x02"
"""How the layout before torch 1.6 begins: pickles of these two numbers, of the system, of the tensors, of the storages' names; numbers."""
_SYSTEM = {"protocol_version": 1001, "little_endian": True}
_FIX = "Choose a file of weights as torch.save writes it, or a .safetensors file"


@dataclass(frozen=True, eq=False)
class Weights:
    """Arrays by name, and the SHA-256 of the file they came from."""

    state: State
    sha256: str


def read_weights(path: Path | str) -> Weights:
    """Read the named tensors of a file; no code in it can run.

    Parameters
    ----------
    path : Path or str
        A ``.pth`` or ``.pt`` file with a plain dictionary of tensors, or a ``.safetensors`` file. Its content decides, not its name.

    Raises
    ------
    ModelError
        If it is missing, damaged, holds anything but tensors, or NaN or infinite numbers.
    """
    path = Path(path)
    data = read_file(path, _MOST, fix=_FIX)
    try:
        if data[:4] == b"PK\x03\x04":
            state = _zipped(data)
        elif data[:2] == _PICKLE:
            state = _legacy(data)
        else:
            state = read_tensors(path, data, fix=_FIX)
    except Refused as error:
        raise ModelError(path.name, why=str(error), fix=_FIX) from error
    if not state_is_finite(state):
        raise ModelError(path.name, why="it holds NaN or infinite numbers", fix="Copy or download the file again")
    return Weights(state, hashlib.sha256(data).hexdigest())


def _zipped(data: bytes) -> State:
    """A zip with ``NAME/data.pkl`` and the numbers of each storage in ``NAME/data/KEY``, uncompressed."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise Refused("it is a zip file without a list of tensors")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
                raise Refused("it is compressed, which torch.save never does")
            folder = pickles[0].removesuffix("data.pkl")
            order = archive.read(f"{folder}byteorder") if f"{folder}byteorder" in entries else b"little"
            if order != b"little":
                raise Refused("its numbers are not little-endian")
            tensors = _tensors(read_pickle(BytesIO(archive.read(pickles[0]))))
            numbers = {}
            for storage in _storages(tensors.values(), len(data)):
                name = f"{folder}data/{storage.key}"
                if name not in entries or entries[name].file_size != storage.count * storage.dtype.itemsize:
                    raise Refused("numbers of a tensor are missing, or not as many as it says")
                numbers[storage.key] = np.frombuffer(archive.read(name), storage.dtype)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise Refused(f"it is no whole zip file ({type(error).__name__})") from error
    return {name: tensor.of(numbers[tensor.storage.key]) for name, tensor in tensors.items()}


def _legacy(data: bytes) -> State:
    """One pickle after the other, then the storages in the order of the last one: 8 bytes with their length, their numbers."""
    stream = BytesIO(data)
    if read_pickle(stream) != _MAGIC or read_pickle(stream) != _PROTOCOL:
        raise Refused("it is a pickle, but not one of torch.save")
    system = read_pickle(stream)
    if not isinstance(system, dict) or any(system.get(name) != value for name, value in _SYSTEM.items()):
        raise Refused("it was written on a computer whose numbers are not little-endian")
    tensors = _tensors(read_pickle(stream))
    known = {storage.key: storage for storage in _storages(tensors.values(), len(data))}
    order = read_pickle(stream)
    if not isinstance(order, list) or sorted(map(str, order)) != sorted(known):
        raise Refused("the storages it lists are not those of its tensors")
    at, numbers = stream.tell(), {}
    for key in order:
        storage, begin = known[key], at + 8
        at = begin + storage.count * storage.dtype.itemsize
        if int.from_bytes(data[begin - 8 : begin], "little") != storage.count or at > len(data):
            raise Refused("numbers of a tensor are missing, or not as many as it says")
        numbers[key] = np.frombuffer(data, storage.dtype, storage.count, begin)
    return {name: tensor.of(numbers[tensor.storage.key]) for name, tensor in tensors.items()}


def _tensors(found: Any) -> Mapping[str, Tensor]:
    if isinstance(found, dict) and "state_dict" in found:  # how many trainings write them, beside counts and settings
        found = found["state_dict"]
    if not isinstance(found, dict) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        raise Refused("it is no plain dictionary of tensors")
    return found


def _storages(tensors: Iterable[Tensor], most: int) -> list[Storage]:
    """Each storage once; together they, and the tensors on them, cannot hold more than the file."""
    found: dict[str, Storage] = {}
    total = 0
    for tensor in tensors:
        storage = found.setdefault(tensor.storage.key, tensor.storage)
        if storage != tensor.storage:
            raise Refused("two tensors in it disagree on their numbers")
        total += int(np.prod(tensor.shape, dtype=object)) * storage.dtype.itemsize
    if max(total, sum(storage.count * storage.dtype.itemsize for storage in found.values())) > most:
        raise Refused("its tensors are larger than the file")
    return list(found.values())


def as_float(state: Mapping[str, NDArray[Any]]) -> State:
    """Floating-point arrays as float32, whatever they were saved as."""
    return {name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in state.items()}
