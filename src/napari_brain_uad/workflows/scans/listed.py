"""The scans of a CSV list (`datasets.table`) as patients, to be prepared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ...datasets.registry import layout
from .names import folder_name
from .prepare import Patient


def patients_of_list(table: Path) -> list[Patient]:
    """A patient for every row, called by its subject and session; brain masks and ground truths are left out.

    Raises
    ------
    InputError
        If it cannot be read, or names a file that is not there.
    """
    subjects = layout("csv").subjects(table)
    names = [folder_name("_".join(filter(None, (one.id, one.session)))) for one in subjects]
    times = Counter(name.casefold() for name in names)
    told = [name if times[name.casefold()] == 1 else f"{name}-{number}" for number, name in enumerate(names, start=1)]
    return [Patient(name, dict(one.sequences)) for name, one in zip(told, subjects, strict=True)]
