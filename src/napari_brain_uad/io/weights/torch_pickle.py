"""What a pickle of named tensors describes, without unpickling it: no code of the file can run.

``torch.save`` writes a pickle that says which tensors there are, and their numbers beside it. The opcodes of that pickle are read with
`pickletools.genops`, which takes them apart and runs nothing, and only those few are understood that a plain dictionary of tensors
needs. Names of classes and functions are compared with a short list and never looked up.
"""

from __future__ import annotations

import pickletools
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

DTYPES: Mapping[str, DTypeLike] = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2",
    "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip

_MOST_BYTES = 16 << 20
"""Of a pickle; that of a network with a thousand tensors has a hundredth of it."""
_MOST_AXES = 16
_MARK = object()


class Refused(Exception):
    """The pickle is damaged, or holds what a dictionary of tensors does not need; says what."""


@dataclass(frozen=True)
class Storage:
    """Where the numbers of tensors lie: its name in the file, what they are, how many."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view on a storage, checked to lie within it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """The tensor as an array of its own, given its storage's numbers."""
        steps = tuple(stride * numbers.itemsize for stride in self.strides)
        return np.array(np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps, writeable=False))


@dataclass(frozen=True)
class _Name:
    text: str


def read_pickle(stream: BytesIO) -> Any:
    """What the pickle at the stream's position describes: dictionaries, lists, tuples, text, numbers, `Tensor`.

    The stream is then at the byte behind it.

    Raises
    ------
    Refused
        If it needs anything else.
    """
    start, reader = stream.tell(), _Reader()
    try:
        for opcode, argument, position in pickletools.genops(stream):
            if position is not None and position - start > _MOST_BYTES:
                raise Refused("its description of the tensors is larger than that of any network")
            act = _ACTIONS.get(opcode.name)
            if act is None:
                raise Refused(f"it uses {opcode.name}, which no list of tensors needs")
            act(reader, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise Refused(f"its description of the tensors is damaged ({type(error).__name__})") from error
    if len(reader.stack) != 1:
        raise Refused("its description of the tensors is damaged")
    return reader.stack[0]


class _Reader:
    """The stack and the memory of an unpickler that knows only data."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        at = max(number for number, value in enumerate(self.stack) if value is _MARK)
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def last(self, count: int) -> None:
        found = tuple(self.stack.pop() for _ in range(count))[::-1]
        self.push(found)

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(pairs) % 2:
            raise Refused("its description of the tensors is damaged")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, str):
                raise Refused("a tensor in it has no name")
            target[key] = value

    def append(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise Refused("its description of the tensors is damaged")
        self.stack[-1].extend(values)

    def remember(self, number: int) -> None:
        self.memory[number] = self.stack[-1]

    def build(self) -> None:
        """The attributes of an ordered dictionary, torch's versions of layers: left out."""
        self.stack.pop()
        if not isinstance(self.stack[-1], dict):
            raise Refused("it sets attributes of something that is no dictionary")

    def storage(self) -> None:
        """What lies beside the pickle: ("storage", type, key, device, count), with None behind them in the older layout."""
        found = self.stack.pop()
        if not isinstance(found, tuple) or len(found) not in (5, 6) or found[0] != "storage" or found[5:] not in ((), (None,)):
            raise Refused("a tensor in it lies elsewhere")
        _, kind, key, _, count = found[:5]
        module, _, name = kind.text.partition(" ") if isinstance(kind, _Name) else ("", "", "")
        if module != "torch" or name not in DTYPES:
            raise Refused(f"numbers of the type {name or kind!r} are not read")
        if not isinstance(key, str) or not _is_count(count):
            raise Refused("its description of the tensors is damaged")
        self.push(Storage(key, np.dtype(DTYPES[name]), count))

    def call(self) -> None:
        """The few calls that describe data; nothing is called."""
        arguments, what = self.stack.pop(), self.stack.pop()
        make = _CALLS.get(what.text) if isinstance(what, _Name) else None
        if make is None or not isinstance(arguments, tuple):
            raise Refused("it would call a function that no list of tensors needs")
        self.push(make(arguments))

    def name(self, text: str) -> None:
        module, _, name = text.partition(" ")
        if text not in _CALLS and not (module == "torch" and name in DTYPES):
            raise Refused(f"it names '{text.replace(' ', '.')}', which no list of tensors needs")
        self.push(_Name(text))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 40


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    """``torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)``."""
    storage, offset, shape, strides = arguments[:4]
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise Refused("a tensor in it is damaged")
    if len(shape) != len(strides) or len(shape) > _MOST_AXES or not all(map(_is_count, (offset, *shape, *strides))):
        raise Refused("a tensor in it is damaged")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True)) if prod(shape) else offset - 1
    if last >= storage.count or prod(shape) > storage.count:
        raise Refused("a tensor in it reaches beyond its numbers")
    return Tensor(storage, offset, shape, strides)


def _parameter(arguments: tuple[Any, ...]) -> Tensor:
    if not isinstance(arguments[0], Tensor):
        raise Refused("a weight in it is no tensor")
    return arguments[0]


def _dictionary(arguments: tuple[Any, ...]) -> dict[str, Any]:
    if arguments:
        raise Refused("its description of the tensors is damaged")
    return {}


_CALLS = {
    "collections OrderedDict": _dictionary,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
}

_ACTIONS: dict[str, Any] = {
    "PROTO": lambda reader, number: None if number == 2 else _refuse(f"it is a pickle of protocol {number}, and torch writes 2"),
    "STOP": lambda reader, _: None,
    "MARK": lambda reader, _: reader.push(_MARK),
    "EMPTY_DICT": lambda reader, _: reader.push({}),
    "EMPTY_LIST": lambda reader, _: reader.push([]),
    "EMPTY_TUPLE": lambda reader, _: reader.push(()),
    "TUPLE": lambda reader, _: reader.push(tuple(reader.since_mark())),
    "TUPLE1": lambda reader, _: reader.last(1),
    "TUPLE2": lambda reader, _: reader.last(2),
    "TUPLE3": lambda reader, _: reader.last(3),
    "SETITEM": lambda reader, _: reader.set_items([reader.stack.pop(-2), reader.stack.pop()]),
    "SETITEMS": lambda reader, _: reader.set_items(reader.since_mark()),
    "APPEND": lambda reader, _: reader.append([reader.stack.pop()]),
    "APPENDS": lambda reader, _: reader.append(reader.since_mark()),
    "NONE": lambda reader, _: reader.push(None),
    "NEWTRUE": lambda reader, _: reader.push(True),
    "NEWFALSE": lambda reader, _: reader.push(False),
    "GLOBAL": lambda reader, text: reader.name(text),
    "REDUCE": lambda reader, _: reader.call(),
    "BUILD": lambda reader, _: reader.build(),
    "BINPERSID": lambda reader, _: reader.storage(),
}
_ACTIONS |= dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"), lambda reader, value: reader.push(value))
_ACTIONS |= dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda reader, number: reader.remember(number))
_ACTIONS |= dict.fromkeys(("BINGET", "LONG_BINGET"), lambda reader, number: reader.push(reader.memory[number]))


def _refuse(why: str) -> None:
    raise Refused(why)
