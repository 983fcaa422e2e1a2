"""JSON in: the one reader of records, cards and sidecars. Whoever wrote them, they give plain data or an error that says what is wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..core.errors import BrainUADError, InputError

MOST_BYTES = 16 << 20
"""Of a JSON file, unless the caller says otherwise."""

_DEEPEST = 64
_LONGEST_NUMBER = 40
"""Digits. Longer ones are no measurement, and 400 of them are too large for a float."""


def read_json(
    path: Path,
    *,
    most_bytes: int = MOST_BYTES,
    error: type[BrainUADError] = InputError,
    fix: str = "Remove it, or copy it again",
) -> Any:
    """The contents of a JSON file (UTF-8, with or without a byte-order mark).

    Parameters
    ----------
    path : Path
        The file.
    most_bytes : int
        Larger files are refused before they are read.
    error : type
        Of the error.
    fix : str
        What the user can do about a bad file.

    Raises
    ------
    BrainUADError
        Of type `error`: if there is no such file, it cannot be read, is too large, or is not what `parse_json` takes.
    """
    try:
        if not path.is_file():
            raise error(path.name, why=f"there is no such file ({path})", fix=fix)
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as problem:
        raise error(path.name, why=f"it cannot be read ({problem.strerror})", fix="Check the file and your right to read it") from problem
    if len(data) > most_bytes:
        raise error(path.name, why=f"it is larger than {most_bytes / 1e6:.3g} MB", fix=fix)
    try:
        return parse_json(data)
    except ValueError as problem:
        raise error(path.name, why=f"it is not JSON that can be used ({problem})", fix=fix) from problem


def parse_json(data: bytes | str) -> Any:
    """Plain data from JSON.

    Raises
    ------
    ValueError
        In words for the user: if it is not UTF-8 or not JSON; is nested deeper than 64 levels; holds a name twice in one object, a
        number that is not finite or longer than 40 digits, or half a character (a lone surrogate).
    """
    text = data if isinstance(data, str) else _decoded(data)
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant)
    except json.JSONDecodeError as problem:
        raise ValueError(f"{problem.msg} in line {problem.lineno}, column {problem.colno}") from None
    except RecursionError:
        raise ValueError(_too_deep()) from None
    _check(found)
    return found


def encodable(data: Any) -> Any:
    r"""Plain data in which every text can be written as UTF-8: bytes of a name that its encoding does not know become ``\xff``."""
    if isinstance(data, str):
        return data if _is_whole(data) else _with_bytes(data)
    if isinstance(data, dict):
        return {encodable(key): encodable(value) for key, value in data.items()}
    return [encodable(one) for one in data] if isinstance(data, list | tuple) else data


def _with_bytes(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ValueError(f"it is not UTF-8: byte {problem.start}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise ValueError(f"'{twice[:40]}' is there twice")
    return found


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"it holds a number of {len(text)} digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:_LONGEST_NUMBER]} is too large")
    return value


def _constant(word: str) -> float:
    raise ValueError(f"{word} is not a number in JSON")


def _check(found: Any) -> None:
    """Depth and texts, level by level: what follows may go down recursively, and write every text as UTF-8."""
    level, depth = [found], 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError(_too_deep())
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below += one.keys()
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str) and not _is_whole(one):
                raise ValueError("it holds half a character (a lone surrogate)")
        level = below


def _too_deep() -> str:
    return f"it is nested deeper than {_DEEPEST} levels"


def _is_whole(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
