"""Pieces of the page: tables, lists, sections. Every text goes through `core.text.html_text` here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.text import html_text


@dataclass(frozen=True)
class Heading:
    """Of a column: its title, what it means, and the key by which a filter names it."""

    title: str
    meaning: str = ""
    key: str = ""


@dataclass(frozen=True)
class TableCell:
    """A cell: its text, the number it is sorted by (its text otherwise), and smaller text behind."""

    text: str
    value: float | None = None
    small: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a table; `method`: the number of the method it is about, which can be hidden."""

    cells: Sequence[TableCell | str]
    method: int | None = None
    scan: str = ""


def table(head: Sequence[Heading | str], lines: Iterable[Line | Sequence[TableCell | str]], *, name: str = "") -> str:
    """A table that sorts by a click on a heading.

    Parameters
    ----------
    head : sequence of Heading or str
        One a column.
    lines : iterable of Line, or of sequence of TableCell or str
    name : str
        Its id on the page, for filters.
    """
    headings = [one if isinstance(one, Heading) else Heading(one) for one in head]
    rows = [one if isinstance(one, Line) else Line(one) for one in lines]
    named = f' id="{html_text(name)}"' if name else ""
    cells = "".join(map(_heading, headings))
    return f'<div class="scroll"><table class="data"{named}><thead><tr>{cells}</tr></thead><tbody>\n{_body(rows)}\n</tbody></table></div>'


def _body(rows: Iterable[Line]) -> str:
    return "\n".join(f"<tr{_attributes(row)}>{''.join(map(_cell, row.cells))}</tr>" for row in rows)


def _attributes(row: Line) -> str:
    method = "" if row.method is None else f' data-method="{row.method}"'
    return method + (f' data-scan="{html_text(row.scan)}"' if row.scan else "")


def _heading(one: Heading) -> str:
    tip = f' title="{html_text(one.meaning)}"' if one.meaning else ""
    key = f' data-key="{html_text(one.key)}"' if one.key else ""
    return f'<th scope="col"{key}><button type="button"{tip}>{html_text(one.title)}</button></th>'


def _cell(one: TableCell | str) -> str:
    cell = TableCell(one) if isinstance(one, str) else one
    small = f" <small>{html_text(cell.small)}</small>" if cell.small else ""
    number = "" if cell.value is None else f' class="n" data-v="{cell.value:.9g}"'
    return f"<td{number}>{html_text(cell.text)}{small}</td>"


def number_cell(value: Any, text: str | None = None, small: str = "") -> TableCell:
    """A cell of a number; a dash where there is none."""
    if value is None or isinstance(value, str) or (isinstance(value, float) and not math.isfinite(value)):
        return TableCell("-" if value is None else str(value))
    return TableCell(text if text is not None else short(value), float(value), small)


def interval_cell(mean: Any, low: Any, high: Any, form: str = ".3f") -> TableCell:
    """A cell of a figure with its interval."""
    if mean is None:
        return TableCell("undefined")
    return TableCell(format(mean, form), float(mean), "" if low is None or high is None else f"[{low:{form}}, {high:{form}}]")


def short(value: Any) -> str:
    """A value as text: numbers with four digits."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def paragraph(text: str, kind: str = "") -> str:
    """One paragraph of text."""
    return f'<p class="{kind}">{html_text(text)}</p>' if kind else f"<p>{html_text(text)}</p>"


def bullets(lines: Iterable[str]) -> str:
    """A list of texts."""
    return "<ul>" + "".join(f"<li>{html_text(one)}</li>" for one in lines) + "</ul>"


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Terms and what they mean."""
    return "<dl>" + "".join(f"<dt>{html_text(term)}</dt><dd>{html_text(text)}</dd>" for term, text in pairs) + "</dl>"


def folded(title: str, inner: str, *, shown: bool = False) -> str:
    """What is shown when its title is clicked; in print always."""
    return f"<details{' open' if shown else ''}><summary>{html_text(title)}</summary>{inner}</details>"


def titled(key: str) -> str:
    """A key of the record as a title: "lesion_strata" is "Lesion strata"."""
    return key.replace("_", " ").strip().capitalize()


def anything(value: Any) -> str:
    """JSON data of a shape that is not known: tables where it can be one, else nested lists.

    Parameters
    ----------
    value : JSON data
        A list of objects, and an object of objects, are a table each, whose columns are what any of them holds.
    """
    if isinstance(value, Mapping) and value and all(isinstance(one, Mapping) for one in value.values()):
        if all(isinstance(inner, Mapping | list) for one in value.values() for inner in one.values()):
            return "".join(f"<h4>{html_text(str(key))}</h4>{anything(one)}" for key, one in value.items())
        return _records([{"": key, **one} for key, one in value.items()])
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        return _records(value)
    if isinstance(value, Mapping):
        simple = {key: one for key, one in value.items() if not isinstance(one, Mapping | list)}
        nested = [f"<h4>{html_text(str(key))}</h4>{anything(one)}" for key, one in value.items() if key not in simple]
        return (definitions((str(key), short(one)) for key, one in simple.items()) if simple else "") + "".join(nested)
    if isinstance(value, list):
        return bullets(_inline(one) for one in value) if value else paragraph("none")
    return paragraph(short(value))


def _records(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[_any_cell(row.get(key)) for key in columns] for row in rows]
    return table([titled(str(key)) for key in columns], lines)


def _any_cell(value: Any) -> TableCell:
    if isinstance(value, Mapping) and isinstance(value.get("mean"), int | float):
        return interval_cell(value["mean"], value.get("low"), value.get("high"))
    return TableCell(_inline(value)) if isinstance(value, str | bool | list | Mapping) else number_cell(value)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_inline(one)}" for key, one in value.items())
    return ", ".join(map(_inline, value)) if isinstance(value, list) else short(value)
