"""Parameters of methods and steps: frozen dataclasses whose fields carry unit, range and help.

One description serves all: the GUI builds forms from it, the CLI its ``--set`` option, the provenance its record, and
`Params.from_dict` refuses what does not fit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Self, cast, get_type_hints

from .errors import InputError
from .text import choose_from, did_you_mean

Scalar = bool | int | float | str
Value = Scalar | tuple[int, ...]

INTS = tuple[int, ...]
"""The type of a setting that is several whole numbers; written 16,64,256 on a command line and in forms, a list in JSON."""

_LONGEST = 18
"""Digits of a number; Python refuses to read thousands of them."""

ROLES = ("network", "training", "inference")
"""What a setting decides: what is trained, and stays as it was; how it is trained; how it scores, which a trained model leaves open."""
_WORDS: dict[object, str] = {
    bool: "true or false", int: "a whole number", float: "a number", str: "text", INTS: "whole numbers like 16,64,256"
}  # fmt: skip


@dataclass(frozen=True)
class FieldInfo:
    """What is known of one parameter besides its type and default."""

    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] | tuple[int, ...] = ()
    advanced: bool = False
    label: str = ""
    role: str = ""
    most: int | None = None


def param(
    default: Value,
    help: str,  # the field's name in FieldInfo; shadowing the builtin here harms nothing
    *,
    label: str = "",
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    choices: tuple[str, ...] | tuple[int, ...] = (),
    advanced: bool = False,
    role: str = "",
    most: int | None = None,
) -> Any:
    """Declare one field of a `Params` class.

    Parameters
    ----------
    default : bool, int, float, str or tuple of int
        The value when the user says nothing.
    help : str
        One sentence: tooltip, CLI help and documentation.
    label : str
        What forms call the field, in the terms of the papers, without the unit; empty where the name does, or a base class has a label.
    unit : str
        "mm", "ml", "voxels", ...; empty for pure numbers.
    low, high : float, optional
        Smallest and largest allowed value, both included; of each number of a tuple.
    step : float, optional
        What one click on a spin box adds. Needed for floats below 0.01, which a default box would round to 0.
    choices : tuple of str or of int
        The allowed values of a field of that type.
    advanced : bool
        Folded away in forms.
    role : str
        One of `ROLES`, for settings of methods; where it is empty that of the same field of a base class, or "inference".
    most : int, optional
        How many numbers a tuple may have; it has at least one.
    """
    info = FieldInfo(help, unit, low, high, step, choices, advanced, label, role, most)
    return field(default=default, metadata={"info": info})


@dataclass(frozen=True)
class Params:
    """Base of all parameter classes: checks every field on creation.

    Raises
    ------
    InputError
        For a wrong type, a value outside its range or choices, or (in `from_dict`) an unknown name; the field is named.
    """

    PRESETS: ClassVar[Mapping[str, Mapping[str, Value]]] = {}
    """Named settings: where a paper and its authors' code disagree, "paper" and "code"; "tiny" is for trying out in seconds."""

    def __post_init__(self) -> None:
        for name, kind, info in self.describe():
            value = _coerce(self.called(name), getattr(self, name), kind)
            object.__setattr__(self, name, value)
            _check(self.called(name), value, info)

    @classmethod
    def describe(cls) -> list[tuple[str, type, FieldInfo]]:
        """Name, type and `FieldInfo` of every field, in order; each has a label."""
        own: Any = cls  # mypy takes it for one of its instances otherwise, which have no hash
        return list(_described(own))

    @classmethod
    def called(cls, name: str) -> str:
        """What messages call a field: its label as forms show it, and its name where one could not be told from the other."""
        label = next(info.label for own, _, info in cls.describe() if own == name)
        return label if label.lower() == name else f"{label} ({name})"

    def as_dict(self) -> dict[str, Scalar | list[int]]:
        """The values as plain JSON data."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`; missing fields take their default, unknown ones are refused."""
        known = {f.name for f in fields(cls)}
        for name in values:
            if name not in known:
                raise InputError(f"There is no setting '{name}'", fix=choose_from(name, sorted(known), "Known settings"))
        return cls(**values)

    @classmethod
    def preset(cls, name: str) -> Self:
        """The settings called `name`, one of `PRESETS`."""
        if name not in cls.PRESETS:
            raise InputError(f"There is no preset '{name}'", fix=choose_from(name, cls.PRESETS, "Presets"))
        return cls.from_dict(cls.PRESETS[name])

    @classmethod
    def from_strings(cls, assignments: Mapping[str, str]) -> Self:
        """Parse text values (``name -> text``) as the command line gives them."""
        kinds = {name: kind for name, kind, _ in cls.describe()}
        # What is no setting is for `from_dict` to refuse.
        return cls.from_dict(
            {name: _parse(cls.called(name), text, kinds[name]) if name in kinds else text for name, text in assignments.items()}
        )


@cache
def _described(kind: type[Any]) -> tuple[tuple[str, type, FieldInfo], ...]:
    """What `Params.describe` gives: every check of every value asks for it."""
    hints = get_type_hints(kind)
    return tuple((f.name, hints[f.name], _inherited(kind, f.name)) for f in fields(kind))


def _inherited(kind: type[Any], name: str) -> FieldInfo:
    """What is known of a field; label and role, where it has none, are those of the same field of a base class.

    Without any it is called by its name as words without the unit, and is of use in inference.
    """
    declared = (getattr(base, "__dataclass_fields__", {}) for base in kind.__mro__)
    known: list[FieldInfo] = [own[name].metadata["info"] for own in declared if name in own]
    words = name.removesuffix(f"_{known[0].unit}").replace("_", " ")
    label = next((info.label for info in known if info.label), words[:1].upper() + words[1:])
    return dataclasses.replace(known[0], label=label, role=next((info.role for info in known if info.role), "inference"))


def value_text(value: object) -> str:
    """A value of a setting as a command line takes it: 16,64,256 for several numbers."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def same_value(one: object, other: object) -> bool:
    """Whether two values of one setting, as records have them, are the same.

    Several numbers are text with hyphens in the records of versions up to 0.1.
    """
    numbers, text = (other, one) if isinstance(one, str) else (one, other)
    if not isinstance(numbers, list | tuple):
        return one == other
    if isinstance(text, str):
        return _ints(text) == tuple(numbers)
    return isinstance(text, list | tuple) and list(text) == list(numbers)


def _ints(text: str) -> tuple[int, ...] | None:
    """Whole numbers with commas between them, or, as it was up to version 0.1, hyphens; None for any other text."""
    parts = [part.strip() for part in text.split("," if "," in text else "-")]
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() and len(part) < _LONGEST for part in parts) else None


def _parse(setting: str, text: str, kind: type) -> Value:
    if kind is bool:
        if text.lower() in ("true", "yes", "on", "1"):
            return True
        if text.lower() in ("false", "no", "off", "0"):
            return False
    elif kind is str:
        return text
    elif kind == INTS:
        found = _ints(text)
        if found is not None:
            return found
    else:
        with suppress(ValueError):
            return int(text) if kind is int else float(text)
    raise InputError(setting, why=f"'{text}' is not {_WORDS[kind]}", fix=f"Write {_WORDS[kind]}")


def _coerce(setting: str, value: Any, kind: type) -> Value:
    if kind == INTS:
        if isinstance(value, str):
            return _parse(setting, value, kind)
        if isinstance(value, list | tuple) and value and all(type(one) is int for one in value):
            return tuple(value)
        raise InputError(setting, why=f"{value!r} is not {_WORDS[kind]}", fix=f"Give {_WORDS[kind]}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise InputError(setting, why=f"{value!r} is not {_WORDS[kind]}", fix=f"Give {_WORDS[kind]}")
    return cast(Scalar, value)


def _check(setting: str, value: Value, info: FieldInfo) -> None:
    if isinstance(value, tuple):
        if info.most is not None and len(value) > info.most:
            raise InputError(setting, why=f"{value_text(value)} are {len(value)} numbers", fix=f"Give at most {info.most}")
        for one in value:
            _check(setting, one, info)
        return
    if info.choices and value not in info.choices:
        choices = [str(one) for one in info.choices]
        fix = (did_you_mean(value, choices) if isinstance(value, str) else "") or "Choose one of these"
        raise InputError(setting, why=f"'{value}' is not one of {', '.join(choices)}", fix=fix.rstrip())
    if isinstance(value, str):
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(setting, why=f"{value} is not a finite number", fix="Give a finite number")
    if (info.low is not None and value < info.low) or (info.high is not None and value > info.high):
        unit = f" {info.unit}" if info.unit else ""
        span = f"{'-inf' if info.low is None else info.low} to {'inf' if info.high is None else info.high}{unit}"
        raise InputError(setting, why=f"{value} is outside its range", fix=f"Give a value from {span}")
