"""The clinical preset on a raw T1 head, step by step, then again from the cache, then its tissue classes."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from napari_brain_uad.core.volume import Volume
from napari_brain_uad.io.nifti import read_volume
from napari_brain_uad.preprocessing.step import Context
from napari_brain_uad.preprocessing.steps.tissue_classes import TissueClasses
from napari_brain_uad.workflows.prepare import prepare


def _head() -> Volume | None:
    told = os.environ.get("BRAIN_UAD_DATA")
    folder = Path(told) if told else Path(__file__).resolve().parents[2] / "shared" / "data"
    path = folder / "healthy" / "chris_T1.nii.gz"
    return read_volume(path) if path.is_file() else None


def _timed(label: str, start: tuple[float, float]) -> None:
    print(f"{label}: {time.perf_counter() - start[0]:.1f} s wall, {time.process_time() - start[1]:.1f} s CPU")


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main() -> None:
    """Print wall and CPU times, and the peak memory where the system tells it."""
    head = _head()
    if head is None:
        print("the shared scans are not on this machine (set BRAIN_UAD_DATA to their folder)")
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BRAIN_UAD_CACHE"] = folder
        start = _now()
        prepared = prepare(head, "clinical", on_step=lambda run: print(f"  {run.step.ID}: {run.seconds:.1f} s wall; {run.result.said}"))
        _timed("clinical", start)
        start = _now()
        prepare(head, "clinical")
        _timed("clinical, from the cache", start)
    start = _now()
    print(f"  tissue_classes: {TissueClasses().apply(prepared.volume, Context()).said}")
    _timed("tissue classes", start)
    if os.name == "posix":
        import resource

        # deepbet runs in a child process while this one waits: the sum is an upper bound.
        own, child = (resource.getrusage(who).ru_maxrss / 1e6 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(f"peak memory: {own:.2f} GB, brain extraction's process {child:.2f} GB")


if __name__ == "__main__":
    main()
