"""Preparing a patient with every step kept, so that it can be looked at, changed, and run again from there: the Prepare dock's work."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import shell
from ...core.errors import InputError
from ...core.progress import Progress
from ...core.volume import Volume
from ...preprocessing import cache as disk
from ...preprocessing.pipeline import Pipeline, StepRun, as_data, parse_pipeline, run_pipeline
from ...preprocessing.prepared import Prepared
from ...preprocessing.presets import preset
from ...preprocessing.step import Reference, patient_order
from .load import given_sequence
from .prepare import as_reference, named
from .same_person import of_patient

OnStep = Callable[[str, int, StepRun, Volume, Reference | None], None]
"""Told of each step done: sequence, number of the step, what it gave, its input, and the patient's reference."""


@dataclass(frozen=True, eq=False)
class SequenceRun:
    """One sequence of a session.

    Parameters
    ----------
    native : Volume
        The scan as loaded.
    prepared : Prepared
        The result.
    runs : tuple of StepRun
        Every step; empty when the result came from the cache.
    reference : Reference or None
        What it was aligned to.
    """

    native: Volume
    prepared: Prepared
    runs: tuple[StepRun, ...]
    reference: Reference | None


@dataclass(frozen=True, eq=False)
class Session:
    """A patient, prepared."""

    pipeline: Pipeline
    sequences: Mapping[str, SequenceRun]
    seconds: float

    @property
    def cached(self) -> bool:
        """Whether every sequence came from the cache."""
        return not any(one.runs for one in self.sequences.values())


def run_session(
    scans: Mapping[str, Volume],
    pipeline: Pipeline,
    *,
    earlier: Session | None = None,
    first: int = 0,
    on_step: OnStep | None = None,
    progress: Progress | None = None,
) -> Session:
    """Prepare a patient's sequences, as `workflows.scans.prepare.prepare_patient` does.

    Parameters
    ----------
    scans : mapping
        Sequence to scan.
    pipeline : sequence of mapping
        See `preprocessing.pipeline`.
    earlier : Session, optional
        Of the same scans: steps before `first` that are the same are not run again. Results then do not come from the cache, but
        go to it. A sequence of another scan counts as not prepared yet.
    first : int
        The first step to run anew.

    Returns
    -------
    Session

    Raises
    ------
    InputError, Cancelled
        As `prepare_patient`.
    """
    if not scans:
        raise InputError("Nothing to prepare", why="no scan was given", fix="Give at least one scan")
    progress = progress or Progress()
    start = time.perf_counter()
    done: dict[str, SequenceRun] = {}
    reference: Reference | None = None
    order = patient_order(scans)
    for number, name in enumerate(order):
        part = progress.part(number / len(order), (number + 1) / len(order))
        volume = named(scans[name], name)
        before = None if earlier is None else earlier.sequences.get(name)
        run = _run(name, volume, pipeline, reference, before, first, on_step, part)
        done[name] = replace(run, prepared=of_patient(run.prepared, scans[order[0]], volume))
        if reference is None:
            reference = as_reference(volume, done[name].prepared)
    return Session(pipeline, {name: done[name] for name in scans}, time.perf_counter() - start)


def _run(
    name: str,
    volume: Volume,
    pipeline: Pipeline,
    reference: Reference | None,
    before: SequenceRun | None,
    first: int,
    on_step: OnStep | None,
    progress: Progress,
) -> SequenceRun:
    key = disk.cache_key(volume, pipeline, reference)
    if before is not None and not _same_scan(before.native, volume):
        before = None
    if before is None:
        kept = disk.find(key, volume)
        if kept is not None:
            progress.update(1.0, f"{volume.name} was prepared before: taken from the cache")
            return SequenceRun(volume, kept, (), reference)
    same = before is not None and _same_reference(before.reference, reference)
    runs: list[StepRun] = []

    def tell(run: StepRun) -> None:
        given = runs[-1].result.volume if runs else volume
        runs.append(run)
        if on_step is not None:
            on_step(name, len(runs) - 1, run, given, reference)

    earlier = before.runs[:first] if before is not None and same else ()
    prepared, done = run_pipeline(pipeline, volume, reference=reference, earlier=earlier, on_step=tell, progress=progress)
    disk.store(key, prepared)
    return SequenceRun(volume, prepared, done, reference)


def _same_scan(one: Volume, other: Volume) -> bool:
    """Whether the steps of one scan are those of another: what the preparation's key in the cache goes by."""
    if one is other:
        return True
    alike = one.sequence == other.sequence and one.grid.shape == other.grid.shape and _same(one.grid.affine, other.grid.affine)
    return alike and _same(one.data, other.data) and _same(one.mask, other.mask)


def _same_reference(one: Reference | None, other: Reference | None) -> bool:
    """Whether what an earlier run was aligned to is still the same: the reference's own steps may have been redone."""
    if one is None or other is None:
        return one is other
    warps = [None if it.warp is None else it.warp.sha256 for it in (one, other)]
    return warps[0] == warps[1] and _same(one.matrix, other.matrix) and _same(one.volume.mask, other.volume.mask)


def _same(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


def prepare_command(scans: Sequence[Volume], preset_id: str, pipeline: Pipeline) -> str:
    """The ``brain-uad prepare`` command that gives the same result; what has no file is left as a name in capitals.

    Several sequences are given as their folder when they share one: the command line takes the scans of a folder as one patient.
    """
    files = [None if scan.source is None else scan.source.path for scan in scans]
    folders = {None if file is None else file.parent for file in files}
    given: list[str | Path | None] = [folders.pop()] if len(files) > 1 and len(folders) == 1 else list(files)
    words = ["brain-uad", "prepare", *(shell.file_word(one or "SCAN") for one in given), "--preset", preset_id]
    for scan, file in zip(scans, files, strict=True):
        said = given_sequence(scan)
        words += ["--sequence", f"{file.name}={said}" if file is not None and len(scans) > 1 else said] if said else []
    for mine, usual in zip(as_data(parse_pipeline(pipeline)), as_data(parse_pipeline(preset(preset_id).pipeline)), strict=True):
        for setting, value in mine["params"].items():
            if value != usual["params"][setting]:
                words += ["--set", f"{mine['step']}.{setting}={value}"]
    return shell.join([*words, "--out", "OUT"])
