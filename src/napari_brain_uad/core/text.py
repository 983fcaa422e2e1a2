"""Text from outside (file names, ids, cards, DICOM fields), made harmless for the place it is shown at.

Inside the package such text stays as it is; where it leaves (terminal, table, page, window) it goes through one of these. Figures have
theirs in `io.figure_text`.
"""

from __future__ import annotations

import csv
import difflib
import html
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the start of a formula; the last four are their wide forms."""

_PARTS = re.compile(r"[^\W_]+")
"""What a name is made of: "sub-01_2" of the same three as the file "sub-01_ses-2_FLAIR.nii.gz" has, among others."""

_FEW = 8
"""So many names are named one by one."""

_CLOSE, _AS_CLOSE, _SURELY = 0.4, 0.1, 0.6
"""A known name is close that is so much like what was written (1: the same, capital letters or not), and not much less than the closest.
From the last number on it is surely the one that was meant."""


def readable(text: str) -> str:
    r"""One line in which everything is seen: ``\x1b`` for an escape, ``\u202e`` for one that turns the text around, ``\xff`` for a byte.

    Control characters (line ends too), zero-width and bidirectional ones and lone surrogates are written as escapes. Bytes of a file
    name that the system's encoding did not know are read as UTF-8 where they are that.

    Parameters
    ----------
    text : str
        One piece of text, like a name.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else _escaped(c) for c in _decoded(text))


def readable_lines(text: str) -> str:
    """As `readable`, for text of several lines that are its own."""
    return "\n".join(readable(line) for line in text.split("\n"))


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and what it counts: "1 scan", "0 scans", "12,000 voxels".

    Parameters
    ----------
    number : int
        How many.
    noun : str
        One of them; words may stand before the noun.
    plural : str
        Several; `noun` and an "s" otherwise.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def alike(said: Iterable[tuple[str, str]]) -> list[str]:
    """Lines like "NAME: TEXT", in their order; a text that holds for many names is said once, with some of them.

    Parameters
    ----------
    said : iterable of (str, str)
        Names and texts; a text with an empty name stands alone.
    """
    names: dict[str, list[str]] = {}
    pairs = list(said)
    for name, text in pairs:
        names.setdefault(text, []).append(name)
    lines: dict[str, None] = {}
    for name, text in pairs:
        own = names[text]
        shown = name if len(own) <= _FEW or not name else f"{', '.join(own[:3])} and {len(own) - 3:,} more"
        lines[f"{shown}: {text}" if shown else text] = None
    return list(lines)


def is_told(name: str, text: str) -> bool:
    """Whether a text begins with whom it is about, as "p1: no file" and "p1_FLAIR.nii.gz: no file" do for "p1".

    Parameters
    ----------
    name : str
        Of a scan, a person or a method; a session may follow in it.
    text : str
        What is said, like an error.
    """
    parts, begun = (_PARTS.findall(readable(one)) for one in (name, text.partition(": ")[0]))
    return bool(parts) and begun[:1] == parts[:1] and set(parts) <= set(begun)


def told_of(name: str, text: object) -> str:
    """The line "NAME: TEXT"; the text alone where it says itself whom it is about (`is_told`): errors of files begin with their name."""
    said = str(text)
    return said if is_told(name, said) else f"{name}: {said}"


def close_names(given: str, known: Iterable[str]) -> list[str]:
    """The known names that may be meant by one that there is not, the closest first; at most three, often none.

    Parameters
    ----------
    given : str
        What was written.
    known : iterable of str
        What there is.
    """
    folded: dict[str, str] = {}
    for name in known:
        folded.setdefault(name.lower(), name)
    close = difflib.get_close_matches(given.lower(), folded, n=3, cutoff=_CLOSE)
    likeness = [_likeness(one, given) for one in close]
    return [folded[one] for one, like in zip(close, likeness, strict=True) if like >= likeness[0] - _AS_CLOSE]


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """What to say of a name that there is not, like "Did you mean bins? "; empty where no known one is close.

    Parameters
    ----------
    given, known
        As of `close_names`.
    """
    near = close_names(given, known)
    return f"Did you mean {' or '.join(near)}? " if near else ""


def choose_from(given: str, known: Iterable[str], called: str, where: str = "") -> str:
    """What to do about a name that there is not: the close ones, and every one unless one of those was surely meant and there are many.

    Parameters
    ----------
    given : str
        What was written.
    known : iterable of str
        What there is.
    called : str
        What stands before all names: "Methods".
    where : str
        A sentence that says where all are listed, for the names that are too many for one line.
    """
    names = list(known)
    near, hint = close_names(given, names), did_you_mean(given, names)
    surely = near and (_likeness(near[0], given) >= _SURELY or near[0].lower().startswith(given.lower()))
    if surely and len(names) > _FEW:
        return f"{hint}{where}".rstrip()
    return f"{hint}{called}: {', '.join(names) or 'none'}"


def _likeness(name: str, given: str) -> float:
    return difflib.SequenceMatcher(None, name.lower(), given.lower()).ratio()


def table_cell(text: str) -> str:
    """`readable`, and never a formula: what spreadsheets would compute gets an apostrophe in front. Numbers stay numbers."""
    text = readable(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) and not _is_number(text) else text


def html_text(text: str) -> str:
    """`readable`, as the contents of an element or an attribute of a page, or of a label that understands HTML."""
    return html.escape(readable(text))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _decoded(text: str) -> str:
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def table_text(rows: Iterable[Sequence[Any]], *, delimiter: str = ",") -> str:
    r"""Rows as CSV (or TSV) that a spreadsheet shows and does not compute: texts are made safe (`table_cell`).

    At the end of each is ``\n``; None is an empty cell.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    for row in rows:
        writer.writerow(["" if value is None else table_cell(value) if isinstance(value, str) else value for value in row])
    return text.getvalue()
