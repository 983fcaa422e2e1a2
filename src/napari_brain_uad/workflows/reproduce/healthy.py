"""How well methods reconstruct healthy scans."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...core.detector import Detector
from ...core.errors import BrainUADError, InputError
from ...core.isolation import isolated
from ...core.progress import Progress
from ...core.text import told_of
from ...core.volume import Volume
from ...detectors.base.detector import BaseDetector
from ..detect.score import load_detector
from ..execution.devices import resolve_device
from ..models.method_spec import MethodSpec
from ..train.training_data import TrainingData, open_data
from .people import LISTED

L1 = "l1"
"""Name of the figure."""


def l1_of(detector: Detector, volume: Volume, *, seed: int = 0, progress: Progress | None = None) -> float:
    """Mean absolute difference between a scan and its reconstruction, over all voxels; outside the brain there is none.

    Parameters
    ----------
    volume : Volume
        Ready for the method, with its brain mask.

    Returns
    -------
    float
        In intensities as the method sees them, as a rule 0 to 1. The mean is over the whole image, as the figure of raw intensity in
        Behrendt 2023 has it (0.145: within the brain the mean would be some three times as much).

    Raises
    ------
    InputError
        If the method reconstructs nothing.
    """
    if not isinstance(detector, BaseDetector):
        raise InputError(f"{detector.INFO.id} reconstructs nothing", fix="Choose a method that reconstructs the scan")
    found = detector.reconstruct(volume, seed=seed, progress=progress)
    difference = np.abs(found["input"] - found["reconstruction"], dtype=np.float64)
    return float(difference[volume.brain].sum() / difference.size)


def measured(
    table: Path, sequence: str, specs: Sequence[MethodSpec], *, device: str, seed: int, progress: Progress
) -> tuple[dict[str, Any], list[str]]:
    """The l1 of listed scans with trained models.

    Returns
    -------
    dict
        "scans": a record of each scan and method; "mean": of each method, as in the record of a cohort.
    list of str
        What failed.
    """
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    for number, spec in enumerate(specs):
        part = progress.part(number / len(specs), (number + 1) / len(specs))
        own = isolated(partial(_of_method, table, sequence, spec, device, seed, part))
        if isinstance(own, BrainUADError):
            failed.append(told_of(spec.title, own))
        else:
            rows += own[0]
            failed += own[1]
    means = {
        title: {L1: {"mean": float(np.mean([row[L1] for row in rows if row["method"] == title]))}}
        for title in dict.fromkeys(row["method"] for row in rows)
    }
    return {"scans": rows, "mean": means}, failed


def _of_method(
    table: Path, sequence: str, spec: MethodSpec, device: str, seed: int, progress: Progress
) -> tuple[list[dict[str, Any]], list[str]]:
    own = load_detector(spec.method, params=spec.params(), model=spec.model or None, sequence=sequence)
    own.device = resolve_device(device, own.INFO.devices).name
    volumes = open_data(TrainingData("dataset", str(table), dataset=LISTED, sequence=sequence, validation=0.0), spec.method).train
    rows, failed = [], []
    for number, volume in enumerate(volumes):
        part = progress.part(number / len(volumes), (number + 1) / len(volumes))
        found = isolated(partial(l1_of, own, volume, seed=seed, progress=part))
        if isinstance(found, BrainUADError):
            failed.append(f"{spec.title}: {told_of(volume.name, found)}")
        else:
            rows.append({"scan": volume.name, "method": spec.title, L1: found})
    return rows, failed + [f"{spec.title}: {told_of(name, error)}" for name, error in volumes.failures.items()]
