"""The real subjects that recipes name, and their files in a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...io.json_files import read_json

_COHORTS = Path(__file__).with_name("recipe_subjects.json")


def cohort(real: Mapping[str, Any]) -> dict[str, Any]:
    """The real subjects of a recipe.

    Parameters
    ----------
    real : mapping
        "cohort", a cohort of ``recipe_subjects.json``; "without", those of its names that the recipe leaves out, if any.

    Returns
    -------
    dict
        "names", files without their ending; "ending"; "words", who they are; "licence", of the scans; "weights", the licence of what is
        trained on them, where theirs asks for one.
    """
    found: dict[str, Any] = read_json(_COHORTS, fix="Install again")[real["cohort"]]
    return {**found, "names": [name for name in found["names"] if name not in real.get("without", ())]}


def cohort_files(real: Mapping[str, Any], folder: Path) -> list[Path]:
    """The file of each subject of a recipe's cohort, in a folder or anywhere below it.

    Raises
    ------
    InputError
        If one is not there.
    """
    who = cohort(real)
    wanted = {name + who["ending"] for name in who["names"]}
    known: dict[str, Path] = {}
    walked: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):  # a folder of links joins data sets that lie apart
        if (own := os.path.realpath(place)) in walked:
            folders.clear()
            continue
        walked.add(own)
        folders.sort()  # of files with one name the first counts, those above before those below
        for name in wanted.intersection(files):
            known.setdefault(name, Path(place, name))
    missing = sorted(wanted - set(known))
    if missing:
        why = f"{len(missing)} of the recipe's {len(wanted)} files ({who['words']}) are not in it or below it, like {missing[0]}"
        raise InputError(f"The folder {folder}", why=why, fix="Give the folder that holds all healthy scans that the recipe names")
    return [known[name + who["ending"]] for name in who["names"]]
