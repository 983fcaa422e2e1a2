"""Real 2-D slices of a recipe, each a scan of one slice."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...core.volume import Volume
from ...preprocessing.brain_mask import estimate_brain_mask
from ..scans.load import load
from .cohorts import cohort_files


def picture_makers(pictures: Mapping[str, Any], folder: Path) -> list[partial[Volume]]:
    """Makers of the slices that a recipe names, each with the head as its mask.

    Parameters
    ----------
    pictures : mapping
        "cohort", a cohort of ``recipe_subjects.json``.
    folder : Path
        Where its pictures lie, or a folder above.

    Raises
    ------
    InputError
        If one is not there.
    """
    return [partial(_slice, path) for path in cohort_files(pictures, folder)]


def _slice(path: Path) -> Volume:
    picture = load(path)
    return picture.with_mask(estimate_brain_mask(picture).mask)
