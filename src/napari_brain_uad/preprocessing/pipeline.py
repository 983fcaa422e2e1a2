"""Pipelines: steps as plain data, run one after the other, recorded, replayed, and undone for results.

A pipeline is a list like ``[{"step": "n4", "params": {"coarse_mm": 4.0}}, ...]``, fit for JSON and TOML.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InputError
from ..core.extremes import without_extremes
from ..core.progress import Progress
from ..core.text import choose_from
from ..core.volume import Volume
from .geometry import resample_mask
from .prepared import Prepared
from .step import Context, Reference, Step, StepResult
from .steps.registry import step_class
from .warp import Warp

Pipeline = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class StepRun:
    """One step of a run: what it was asked, what it gave, and how long it took."""

    step: Step
    result: StepResult
    seconds: float

    def record(self) -> dict[str, Any]:
        """The step as JSON data: enough to run it again (`replay`)."""
        return {
            "step": self.step.ID,
            "params": self.step.as_dict(),
            "outcome": dict(self.result.outcome),
            "said": self.result.said,
            "grid": self.result.volume.grid.as_dict(),
        }


def parse_pipeline(pipeline: Pipeline) -> tuple[Step, ...]:
    """The steps of a pipeline, all their settings checked.

    Raises
    ------
    InputError
        For an unknown step or setting, or a value out of range; the step's place is named.
    """
    steps = []
    for number, entry in enumerate(pipeline, start=1):
        unknown = set(entry) - {"step", "params", "outcome", "said", "grid"}
        if "step" not in entry or unknown:
            what = "it has no 'step'" if "step" not in entry else f"'{sorted(unknown)[0]}' is not understood"
            raise InputError(f"Step {number} of the pipeline", why=what, fix='Write {"step": ID, "params": {...}}')
        steps.append(step_class(str(entry["step"])).from_dict(entry.get("params", {})))
    return tuple(steps)


def as_data(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The inverse of `parse_pipeline`, every setting written out."""
    return [{"step": step.ID, "params": step.as_dict()} for step in steps]


def with_settings(pipeline: Pipeline, changes: Mapping[str, str]) -> list[dict[str, Any]]:
    """A pipeline with some settings changed.

    Parameters
    ----------
    changes : mapping
        "STEP.SETTING" to its value as text, as the command line gives it: ``{"brain_extraction.backend": "hd-bet"}``.

    Raises
    ------
    InputError
        If the pipeline has no such step, or the step no such setting or value.
    """
    texts: dict[str, dict[str, str]] = {}
    for name, text in changes.items():
        step, _, setting = name.partition(".")
        texts.setdefault(step, {})[setting] = text
    steps = parse_pipeline(pipeline)
    for unknown in sorted(set(texts) - {step.ID for step in steps}):
        raise InputError(f"There is no step '{unknown}' to change", fix=choose_from(unknown, [step.ID for step in steps], "The steps"))
    return as_data([step.from_dict(step.as_dict() | _values(step, texts.get(step.ID, {}))) for step in steps])


def _values(step: Step, texts: Mapping[str, str]) -> dict[str, Any]:
    parsed = step.from_strings(texts).as_dict()
    return {name: parsed[name] for name in texts}


def run_pipeline(
    pipeline: Pipeline,
    volume: Volume,
    *,
    reference: Reference | None = None,
    earlier: Sequence[StepRun] = (),
    on_step: Callable[[StepRun], None] | None = None,
    progress: Progress | None = None,
    warp: Warp | None = None,
) -> tuple[Prepared, tuple[StepRun, ...]]:
    """Run every step on a scan.

    Parameters
    ----------
    pipeline : sequence of mapping
        See the module's text.
    volume : Volume
        The scan as loaded; its mask, if any, is taken as the brain.
    reference : Reference, optional
        The patient's reference sequence, for the second and later ones.
    earlier : sequence of StepRun
        Of a previous run on the same scan: its leading steps are not run again as long as they are the same.
    on_step : callable, optional
        Called with every step that was done, from this thread.
    progress : Progress, optional
        Told how far it is; its cancelling stops the run.
    warp : Warp, optional
        The deformation of a recorded run; see `replay`.

    Returns
    -------
    Prepared, tuple of StepRun
        The prepared scan, and what each step gave.

    Raises
    ------
    InputError, Cancelled
        If a step is not known or does not fit the scan; if the user stopped it.
    """
    progress = progress or Progress()
    volume, steps = without_extremes(volume), parse_pipeline(pipeline)
    kept = _common(steps, earlier)
    recorded = [entry.get("outcome") for entry in pipeline]
    total = sum(step.SHARE for step in steps) or 1.0
    runs: list[StepRun] = []
    done = 0.0
    for number, step in enumerate(steps):
        part = progress.part(done / total, (done + step.SHARE) / total)
        part.update(0.0, step.TITLE)
        if number < kept:
            run = earlier[number]
        else:
            run = _timed(step, runs[-1].result.volume if runs else volume, Context(reference, recorded[number], warp, part))
        runs.append(run)
        done += step.SHARE
        if on_step is not None:
            on_step(run)
    progress.update(1.0, "Prepared")
    return _prepared(volume, runs), tuple(runs)


def _timed(step: Step, volume: Volume, context: Context) -> StepRun:
    start = time.perf_counter()
    result = step.apply(volume, context)
    return StepRun(step, result, time.perf_counter() - start)


def replay(
    record: Sequence[Mapping[str, Any]], volume: Volume, *, reference: Reference | None = None, warp: Warp | None = None
) -> Prepared:
    """Run a recorded pipeline (``Prepared.record``) again: what was found then (transforms) is used, not searched for anew.

    The same scan gives the same array. A run with a deformation needs it too (``Prepared.warp``): the record holds its hash only.
    """
    return run_pipeline(record, volume, reference=reference, warp=warp)[0]


def _common(steps: Sequence[Step], earlier: Sequence[StepRun]) -> int:
    count = 0
    for step, run in zip(steps, earlier, strict=False):
        if step != run.step:
            break
        count += 1
    return count


def _prepared(native: Volume, runs: Sequence[StepRun]) -> Prepared:
    matrix = np.eye(4)
    warp: Warp | None = None
    mask = native.mask
    for run in runs:
        if warp is not None and (run.result.warp is not None or not np.array_equal(run.result.matrix, np.eye(4))):
            raise InputError(f"Step {run.step.ID} of the pipeline", why="it moves the patient after a deformation", fix="Put it before")
        matrix = matrix @ run.result.matrix
        warp = warp or run.result.warp
        moved = run.result.volume
        if mask is None and moved.mask is not None:
            mask = _native_mask(native, moved, matrix)
    last = runs[-1].result.volume if runs else native
    findings = tuple(dict.fromkeys((*native.findings, *(f for run in runs for f in run.result.findings))))
    volume = replace(last, findings=findings, source=native.source)
    return Prepared(volume, native.grid, native.source, mask, matrix, tuple(run.record() for run in runs), warp)


def _native_mask(native: Volume, moved: Volume, matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The brain in the scan's own space, from the first step that knew it."""
    assert moved.mask is not None
    if moved.mask.shape == native.data.shape and np.allclose(matrix @ moved.grid.affine, native.grid.affine, atol=1e-6):
        return moved.mask
    return resample_mask(moved.mask, moved.grid, native.grid, np.asarray(np.linalg.inv(matrix), dtype=np.float64))
