"""Real healthy T1 scans, also with the contrast of another sequence: real anatomy where no real scans of that sequence may be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.checks import Finding
from ...core.volume import Volume
from ...preprocessing.brain_mask import stripped_brain
from ...preprocessing.brain_size import given_mask_findings
from ...preprocessing.step import Context
from ...preprocessing.steps.n4 import N4
from ...preprocessing.tissue_scale import BRIGHTEST, CSF, GREY, WHITE, fit_tissue_scale
from ...simulation.contrast import SIGNALS
from ..scans.load import load
from .cohorts import cohort_files

SOURCE = "T1"
"""The sequence of the real scans."""

_TISSUES = ("outer CSF", "cortex", "white matter")
_GIVEN = "the brain mask given"
_VARIATION = 0.05
"""Spread of a tissue's brightness between scanners and subjects, as a fraction; the simulator's default."""


def carried_makers(real: Mapping[str, Any], folder: Path, seed: int) -> list[partial[Volume]]:
    """Makers of the real scans that a recipe names, once in each of its contrasts.

    Parameters
    ----------
    real : mapping
        "cohort", a cohort of ``recipe_subjects.json``; "contrasts", a list of sequences.
    folder : Path
        Where the T1 scans lie, brain extracted (0 around the brain), or a folder above.
    seed : int
        Of the differences in contrast.

    Raises
    ------
    InputError
        If a scan is not there.
    """
    files = cohort_files(real, folder)
    return [
        partial(carried, path, contrast, (seed, place, number))
        for place, contrast in enumerate(real["contrasts"])
        for number, path in enumerate(files)
    ]


def carried(path: Path, contrast: str, seed: tuple[int, ...]) -> Volume:
    """One real T1 scan, its bias field corrected, with another contrast.

    Its intensities are put on the scale of tissue (`preprocessing.tissue_scale`), and every tissue gets the brightness that it has in the
    other sequence (`simulation.contrast`), linear between tissues, so that partial volume and texture stay. What T1 does not show (the
    iron of the pallidum on T2, say) is not there.

    Parameters
    ----------
    path : Path
        The scan, brain extracted.
    contrast : str
        A sequence of the simulator; T1 leaves the contrast as it is.
    seed : tuple of int
        Of the brightness of each tissue, which differs between scans by about 5 %.

    Returns
    -------
    Volume
        On its own grid, 0 around the brain.
    """
    scan = load(path, sequence=SOURCE)
    # The recipe says that it is brain extracted; nobody has to find out, and where it is not that is told.
    brain = stripped_brain(scan)
    scan = N4().apply(scan.with_mask(brain).with_findings(*_no_brain(brain, scan)), Context()).volume
    if contrast == SOURCE:
        return scan
    assert scan.mask is not None
    scale = fit_tissue_scale(scan.data[scan.mask], SOURCE)
    tissue = np.clip(scale.unbounded(scan.data), CSF, BRIGHTEST)
    jitter = 1.0 + _VARIATION * np.random.default_rng(seed).standard_normal(3).clip(-2.5, 2.5)
    csf, grey, white = (SIGNALS[contrast][name] * by for name, by in zip(_TISSUES, jitter, strict=True))
    # Beyond white matter it goes on as from grey to white, but not below nothing.
    image = np.where(
        tissue < GREY, csf + (grey - csf) * (tissue - CSF) / (GREY - CSF), grey + (white - grey) * (tissue - GREY) / (WHITE - GREY)
    )
    data = np.where(scan.mask, np.maximum(image, 0.0), 0.0).astype(np.float32)
    return replace(scan.with_data(data).with_sequence(contrast, "the recipe"), name=f"{scan.name} as {contrast}")


def _no_brain(mask: NDArray[np.bool_], scan: Volume) -> Iterator[Finding]:
    """What makes it no brain, in words that fit a mask that nobody gave."""
    for found in given_mask_findings(mask, scan):
        if found is not None:
            message = f"the recipe takes it for brain extracted, and what it shows is no brain: {found.message.replace(_GIVEN, 'it')}"
            yield replace(found, message=message, fix="Give the scan with 0 all around the brain")
