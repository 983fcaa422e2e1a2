"""Healthy scans with the tumours of patients on top, as files with a list of them."""

from __future__ import annotations

import csv
import io
from functools import partial
from pathlib import Path

from ...core.errors import BrainUADError
from ...core.isolation import isolated
from ...core.progress import Progress
from ...datasets.layout import Subject
from ...datasets.registry import layout
from ...io.atomic import write_text
from ...io.nifti import write_mask, write_volume
from ...preprocessing.brain_mask import estimate_brain_mask
from ...simulation.superposed import superposed
from ..scans.load import load
from ..scans.ready import make_ready
from .people import LISTED
from .steps import SuperposeStep

_FILES = {"brain_mask": "_brainmask", "truth": "_truth"}


def superpose(step: SuperposeStep, progress: Progress) -> tuple[list[Path], list[str]]:
    """Write a scan, its brain mask and its truth for each pair of a healthy person and a patient, and the list of them.

    Returns
    -------
    list of Path, list of str
        The files, the list last, and what failed: a pair costs itself.
    """
    pairs = list(zip(*(layout(LISTED).subjects(table) for table in (step.table, step.patients)), strict=False))
    sequence = step.sequences[0]
    written: list[Path] = []
    failed: list[str] = []
    text = io.StringIO()
    table = csv.DictWriter(text, ["id", sequence, *_FILES], lineterminator="\n")
    table.writeheader()
    step.out.mkdir(parents=True, exist_ok=True)
    for number, (healthy, patient) in enumerate(pairs):
        progress.update(number / len(pairs), f"Adding the tumour of {patient.id}")
        name = f"synthetic{number + 1:03d}"
        found = isolated(partial(_pair, step, healthy, patient, name))
        if isinstance(found, BrainUADError):
            failed.append(f"{healthy.id} with {patient.id}: {found}")
        else:
            written += found
            table.writerow(dict(zip(("id", sequence, *_FILES), (name, *(path.name for path in found)), strict=True)))
    write_text(step.listed, text.getvalue())
    return [*written, step.listed], failed


def _pair(step: SuperposeStep, healthy: Subject, patient: Subject, name: str) -> list[Path]:
    own, theirs = step.sequences
    assert patient.truth is not None
    base = make_ready(load(healthy.sequences[own]), healthy.brain_mask, preset_id=step.preset, prepare_with=step.prepare).scored
    ill = load(patient.sequences[theirs])
    made, truth = superposed(base.with_mask(base.brain), ill.with_mask(estimate_brain_mask(ill).mask), load(patient.truth).data > 0)
    files = [step.out / f"{name}{end}.nii.gz" for end in ("", *_FILES.values())]
    write_volume(files[0], made)
    for file, mask in zip(files[1:], (made.brain, truth), strict=True):
        write_mask(file, mask, made)
    return files
