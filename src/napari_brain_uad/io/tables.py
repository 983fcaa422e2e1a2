"""Tables as text: CSV and TSV that a spreadsheet shows and does not compute."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from ..core.text import table_cell


def table_text(rows: Iterable[Sequence[Any]], *, delimiter: str = ",") -> str:
    r"""Rows as CSV (or TSV), ``\n`` at the end of each; None is an empty cell, and texts are made safe (`core.text.table_cell`)."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    for row in rows:
        writer.writerow(["" if value is None else table_cell(value) if isinstance(value, str) else value for value in row])
    return text.getvalue()
