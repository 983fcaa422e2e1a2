"""What a data set says of its people and scanners: age, sex, site, scanner, field strength."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ..core.errors import InputError

OLDEST = 130.0
"""Years; what is above is no age."""

_STRONGEST = 30.0
"""Tesla."""

SIDECAR_FIELDS = ("Manufacturer", "ManufacturersModelName", "InstitutionName", "MagneticFieldStrength")
"""What is read of a sidecar."""

_UNKNOWN = {"", "n/a", "na", "nan", "none", "unknown"}
_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}


@dataclass(frozen=True)
class Covariates:
    """What may explain a method's figures besides the lesions; None where nothing is known.

    Parameters
    ----------
    age : float or None
        In years.
    sex : str or None
        "M", "F", or what the table says.
    site, scanner : str or None
        Where, and on what machine; as the table or the sidecar says.
    field_strength : float or None
        In tesla.
    """

    age: float | None = None
    sex: str | None = None
    site: str | None = None
    scanner: str | None = None
    field_strength: float | None = None

    def filled(self, other: Covariates) -> Covariates:
        """What is known of both; this one's word wins."""
        return replace(self, **{one.name: getattr(other, one.name) for one in fields(self) if getattr(self, one.name) is None})

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


def covariates_of(row: Mapping[str, str]) -> Covariates:
    """From a row of a table; cells that say nothing ("n/a"), and ages that are no number ("89+"), are left out.

    Parameters
    ----------
    row : mapping of str to str
        The columns ``age``, ``sex`` (or ``gender``), ``site``, ``scanner`` and ``field_strength`` are read, whatever their case.
    """
    cells = {str(name).strip().lower(): _said(value) for name, value in row.items()}
    sex = cells.get("sex") or cells.get("gender")
    return Covariates(
        _number(cells.get("age"), OLDEST),
        _SEXES.get(sex.lower(), sex) if sex else None,
        cells.get("site"),
        cells.get("scanner"),
        _number(cells.get("field_strength"), _STRONGEST),
    )


def sidecar_covariates(content: Mapping[str, Any]) -> Covariates:
    """From the fields of the JSON file beside an image (BIDS, dcm2niix): the machine and its field."""
    words = [said for name in ("Manufacturer", "ManufacturersModelName") if (said := _said(content.get(name)))]
    site = _said(content.get("InstitutionName"))
    field = content.get("MagneticFieldStrength")
    strength = float(field) if isinstance(field, int | float) and not isinstance(field, bool) and 0 < field <= _STRONGEST else None
    return Covariates(site=site, scanner=" ".join(words) or None, field_strength=strength)


def participants(root: Path) -> dict[str, dict[str, str]]:
    """The rows of a BIDS ``participants.tsv`` by participant, without ``sub-``; empty when there is no such file.

    Raises
    ------
    InputError
        If the file cannot be read as a table, or does not name the participants.
    """
    path = root / "participants.tsv"
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter="\t", restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path.name, why="it cannot be read as a table in UTF-8", fix="Save it as tab-separated UTF-8") from error
    if rows and "participant_id" not in rows[0]:
        raise InputError(path.name, why="it has no column participant_id", fix="Name the columns in its first line, as BIDS has them")
    return {row["participant_id"].removeprefix("sub-"): {name: row[name] for name in row if name is not None} for row in rows}


def check_age(text: str, place: str) -> None:
    """See whether the age of a table that a user wrote is one, or says nothing.

    Raises
    ------
    InputError
        If it is something else.
    """
    if text.strip().lower() not in _UNKNOWN and _number(text.strip(), OLDEST) is None:
        raise InputError(
            place, why=f"the age '{text}' is no number of years up to {OLDEST:g}", fix="Write a number, or leave the cell empty"
        )


def _said(value: object) -> str | None:
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return None if text.lower() in _UNKNOWN else text


def _number(text: str | None, highest: float) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\d{1,3}(\.\d+)?", text) and float(text) <= highest else None
