"""A cohort in processes: two workers against one, what a job costs besides its work, and memory with the number of scans."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.cohort.cohort import cases_of, evaluate_cohort
from napari_brain_uad.workflows.cohort.scan_figures import ScanTask, scan_figures
from napari_brain_uad.workflows.execution.local import local_crew
from napari_brain_uad.workflows.execution.parallel import _Run
from napari_brain_uad.workflows.models.method_spec import parse_specs

METHODS = ("threshold", "thresh-raw", "robust-intensity")
SHAPE = (48, 56, 44)
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def write_scans(folder: Path, count: int) -> None:
    """Ellipsoids of noise with a bright lesion each, 3 mm, with brain mask and truth."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    brain = np.less(sum((axis / 0.85) ** 2 for axis in axes), 1)
    for number in range(count):
        rng = np.random.default_rng(number)
        centre = rng.uniform(-0.4, 0.4, 3)
        truth = np.less(sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)), 0.02)
        data = np.where(brain, rng.normal(100, 12, SHAPE) + 60 * truth, 0).clip(0)
        place = folder / f"pat{number:05d}"
        place.mkdir(parents=True)
        for name, array in (("FLAIR", data.astype(np.float32)), ("brainmask", brain.astype(np.uint8)), ("truth", truth.astype(np.uint8))):
            nib.save(nib.Nifti1Image(array, AFFINE), place / f"{name}.nii.gz")


def nothing(number: int, progress: Progress) -> int:
    """A job without work."""
    return number


def wait(seconds: float, progress: Progress) -> None:
    """A job that needs no core: a busy machine does not change how many are done at a time."""
    time.sleep(seconds)


def steady_seconds(work: Callable[[Any, Progress], Any], given: Sequence[Any], workers: int) -> tuple[float, float]:
    """Seconds until the first result, with the start of the processes; and seconds a job after it, when all are at work."""
    start = time.perf_counter()
    with local_crew(workers) as crew:
        run = _Run(crew, work, given)
        times = [time.perf_counter() for _ in run.outcomes(Progress())]
        run.close()
    settled = min(2 * workers, len(times) // 2)  # the first come while others still import what they need
    return times[0] - start, (times[-1] - times[settled]) / max(len(times) - 1 - settled, 1)


def machine_ratio(folder: Path, count: int, jobs: int) -> float:
    """How many times the scans of one process this machine lets several do that share nothing: what no scheduler can pass."""
    words = [sys.executable, "-m", "benchmarks.cohort", "--plain", str(folder), str(count)]
    seconds = []
    for number in (1, jobs):
        runs = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(number)]
        seconds.append(max(float(run.communicate()[0].split()[-1]) for run in runs))
    return jobs * seconds[0] / seconds[1]


def _plain(folder: Path, count: int) -> None:
    specs, options = parse_specs(METHODS), {"post": PostParams(), "use_cache": False}
    tasks = [ScanTask(case, specs, options, True, False) for case in cases_of(folder)[0][: count + 1]]
    scan_figures(tasks[0], Progress())  # imports
    start = time.perf_counter()
    for task in tasks[1:]:
        scan_figures(task, Progress())
    print(time.perf_counter() - start)


def peak_megabytes(folder: Path, count: int, jobs: int) -> tuple[float, float]:
    """Of the process that asks and of the largest worker, in a run of its own."""
    words = [sys.executable, "-m", "benchmarks.cohort", "--measure", str(folder), str(count), "--jobs", str(jobs)]
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(said[-2]), float(said[-1])


def _measure(folder: Path, count: int, jobs: int) -> None:
    cases, _ = cases_of(folder)
    # The figures over all voxels together need the scores of all scans together, whoever made them.
    evaluate_cohort(cases[:count], METHODS, with_pooled=False, post=PostParams(), use_cache=False, jobs=jobs)
    scale = 1 if sys.platform == "darwin" else 1024
    own, children = (resource.getrusage(who).ru_maxrss * scale / 1e6 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(own, children)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", type=Path, metavar="DIR", help="scans of `brain-uad simulate` in place of ellipsoids")
    parser.add_argument("--scans", type=int, default=40, help="for the ratio of two workers to one: 10 or more")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest counts")
    parser.add_argument("--empty", type=int, default=2000, help="jobs without work")
    parser.add_argument("--memory", type=int, nargs=2, default=(20, 200), help="numbers of scans whose peak memory is compared")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--measure", nargs=2, metavar=("DIR", "N"), help=argparse.SUPPRESS)
    parser.add_argument("--plain", nargs=2, metavar=("DIR", "N"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain:
        _plain(Path(arguments.plain[0]), int(arguments.plain[1]))
        return
    if arguments.measure:
        _measure(Path(arguments.measure[0]), int(arguments.measure[1]), arguments.jobs)
        return
    jobs = arguments.jobs
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.cohort or Path(name)
        if arguments.cohort is None:
            write_scans(folder, max(arguments.scans, *arguments.memory))
        specs, options = parse_specs(METHODS), {"post": PostParams(), "use_cache": False}
        tasks = [ScanTask(case, specs, options, True, False) for case in cases_of(folder)[0][: arguments.scans]]
        kind = f"scans of {arguments.cohort.name}" if arguments.cohort else f"scans of {SHAPE}"
        print(f"{len(tasks)} {kind}, methods {', '.join(METHODS)}", flush=True)
        rounds = [[steady_seconds(scan_figures, tasks, count) for count in (1, jobs)] for _ in range(arguments.rounds)]
        one, several = ((min(r[which][0] for r in rounds), min(r[which][1] for r in rounds)) for which in (0, 1))
        for count, (first, each) in ((1, one), (jobs, several)):
            print(f"  {count} workers: first result after {first:5.1f} s, then {1000 * each:7.1f} ms a scan")
        print(f"  {jobs} workers do {one[1] / several[1]:.2f} times the scans of one")
        print(f"  {jobs} processes that share nothing do {machine_ratio(folder, min(arguments.scans, 40), jobs):.2f} times those of one")
        waits = [steady_seconds(wait, [0.1] * 60, count)[1] for count in (1, jobs)]
        print(f"Jobs that wait for 100 ms: {jobs} workers do {waits[0] / waits[1]:.2f} times those of one")
        cpu = time.process_time()
        _, each = steady_seconds(nothing, range(arguments.empty), jobs)
        cpu = (time.process_time() - cpu) / arguments.empty
        print(
            f"{arguments.empty} jobs without work: {1000 * each:.1f} ms each, {1000 * cpu:.1f} ms of them computed by scheduler and client"
        )
        less, more = arguments.memory
        few, many = (peak_megabytes(folder, count, jobs) for count in (less, more))
        for who, a, b in zip(("process that asks", "largest worker"), few, many, strict=True):
            print(f"Peak memory, {who}: {a:.0f} MB with {less} scans, {b:.0f} MB with {more} ({b / a - 1:+.0%})")


if __name__ == "__main__":
    main()
