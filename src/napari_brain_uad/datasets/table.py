"""A CSV file that lists a data set: one row a subject and visit.

Columns, in any order: ``id`` (needed); ``session``; ``FLAIR``, ``T1``, ``T1c``, ``T2``, ``PD``, ``unknown`` (files, at least one a
row); ``brain_mask``; ``truth``; ``split``; ``age`` (years), ``sex``, ``site``, ``scanner``, ``field_strength`` (tesla). Paths are
absolute or relative to the CSV file's folder; cells may be empty.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.text import did_you_mean
from ..io.streams import GET_LINKED, leads_nowhere
from .covariates import check_age, covariates_of
from .layout import Subject, some_subjects

SEQUENCES = ("FLAIR", "T1", "T1c", "T2", "PD", "unknown")
_MASKS = ("brain_mask", "truth")
_COLUMNS = ("id", "session", *SEQUENCES, *_MASKS, "split", "age", "sex", "site", "scanner", "field_strength")


@dataclass(frozen=True)
class Table:
    """The layout; see the module's text."""

    id: str = "csv"
    name: str = "CSV file"
    note: str = ""

    def detect(self, root: Path) -> bool:
        """Whether `root` is a CSV file."""
        return root.suffix.lower() == ".csv" and root.is_file()

    def subjects(self, root: Path) -> tuple[Subject, ...]:
        """One entry a row, in the file's order.

        Raises
        ------
        InputError
            For unknown or missing columns, a row without scan, a file that is not there, or a subject and session given twice.
        """
        try:
            with root.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, strict=True)
                header = [name.strip() for name in reader.fieldnames or ()]
                rows = [(reader.line_num, row) for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(root.name, why="it cannot be read as a CSV file in UTF-8", fix="Save it as comma-separated UTF-8") from error
        _check_header(root, header)
        found: dict[tuple[str, str], Subject] = {}
        for line, row in rows:
            cells = {name.strip(): (value or "").strip() for name, value in row.items() if name is not None}
            subject = _subject(root, line, cells, None in row)
            key = (subject.id, subject.session or "")
            if key in found:
                why = f"subject {subject.id} is there already"
                raise InputError(f"{root.name}, line {line}", why=why, fix="Give every visit its own session")
            found[key] = subject
        return some_subjects(tuple(found.values()), root, self.name)


def _check_header(root: Path, header: list[str]) -> None:
    if not header:
        raise InputError(root.name, why="it is empty", fix=f"Write a line of columns first: {', '.join(_COLUMNS)}")
    separator = next((words for sign, words in ((";", "semicolons"), ("\t", "tabs")) if len(header) == 1 and sign in header[0]), None)
    if separator is not None:
        raise InputError(root.name, why=f"its columns are separated by {separator}", fix="Save it as comma-separated UTF-8")
    unknown = [name for name in header if name not in _COLUMNS]
    if "id" not in header or unknown or len(set(header)) < len(header):
        why = f"it has the unknown column '{unknown[0]}'" if unknown else "its columns lack 'id', or one is there twice"
        hint = did_you_mean(unknown[0], _COLUMNS) if unknown else ""
        raise InputError(root.name, why=why, fix=f"{hint}Columns are {', '.join(_COLUMNS)}")


def _subject(root: Path, line: int, row: dict[str, str], too_long: bool) -> Subject:
    place = f"{root.name}, line {line}"
    if too_long:
        raise InputError(place, why="it has more cells than the header", fix="Put quotes around cells with commas")
    files = {name: root.parent / row[name] for name in (*SEQUENCES, *_MASKS) if row.get(name)}
    sequences = {name: path for name, path in files.items() if name in SEQUENCES}
    if not row["id"] or not sequences:
        raise InputError(place, why="it names no subject, or no scan", fix=f"Fill id and one of {', '.join(SEQUENCES)}")
    missing = next((path for path in files.values() if not path.exists()), None)
    if missing is not None and leads_nowhere(missing):
        raise InputError(place, why=f"{missing.name} is a link that leads nowhere", fix=GET_LINKED)
    if missing is not None:
        raise InputError(place, why=f"there is no file {missing.name}", fix="Correct its path: relative to the CSV file, or absolute")
    check_age(row.get("age", ""), place)
    return Subject(
        row["id"],
        row.get("session") or None,
        sequences,
        files.get("brain_mask"),
        files.get("truth"),
        row.get("split") or None,
        covariates=covariates_of(row),
    )
