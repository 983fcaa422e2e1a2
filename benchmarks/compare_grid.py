"""Four methods side by side over a 1 mm scan in the real window: ``python -m benchmarks.compare_grid``.

Needs a display (``xvfb-run -a -s "-screen 0 1600x1000x24"`` gives one). Measured, until canvas and dock are repainted and OpenGL has
finished: a step through the slices, and a tick of the threshold that all methods share. And the longest time in which the event loop did
not turn, while methods are scored in the background, while the grid is built, and while the comparison is left. Where OpenGL runs in
software, painting the canvas is most of it; the CPU times (all threads) say what a machine without other work would need at most.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from vispy.gloo import gl

from benchmarks._cases import data_folder
from benchmarks.threshold_tick import example
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.compare.dock import CompareDock
from napari_brain_uad.gui.layers.layers import add_labels
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.io.nifti import read_mask, read_volume

METHODS = ("threshold", "thresh-raw", "vae", "tissue-ensemble")
_TURN_MS = 5


class _Gaps:
    """The longest time between two turns of the event loop."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setInterval(_TURN_MS)
        self._timer.timeout.connect(self._turned)
        self._timer.start()

    def _turned(self) -> None:
        now = time.perf_counter()
        self.longest, self._last = max(self.longest, 1000 * (now - self._last) - _TURN_MS), now

    def since_last(self) -> float:
        """The longest time since this was asked for the last time."""
        longest, self.longest = self.longest, 0.0
        return longest


def scan() -> tuple[Volume, NDArray[np.bool_]]:
    """A real T1 with contrast at 1 mm where the shared scans are, else a made-up head of that size."""
    folder = data_folder()
    if folder is None:
        detection = example()
        return replace(detection.volume, sequence="T1c"), np.asarray(detection.truth)
    person = folder / "brats2013" / "pat0001"
    volume = replace(read_volume(person / "T1c.nii.gz"), name="scan", sequence="T1c")
    return volume.with_mask(read_mask(person / "brainmask.nii.gz", volume)), read_mask(
        person / "tumour.nii.gz", volume, label="ground truth"
    )


def measure(size: tuple[int, int], repeats: int, methods: Sequence[str] = METHODS) -> dict[str, float]:
    """Medians and minima in milliseconds."""
    volume, truth = scan()
    viewer = napari.Viewer()
    viewer.window.resize(*size)
    add_volume(viewer, volume)
    add_labels(viewer, truth, volume, name="ground truth")
    dock: CompareDock = open_dock(viewer, "Compare")
    dock.inputs.methods.choose(methods)
    _turn(1.0)
    gaps, start = _Gaps(), time.perf_counter()
    dock.button.click()
    shown: dict[str, float] = {}
    show = dock._show

    def timed_show(rest: object) -> None:
        shown["background_seconds"] = time.perf_counter() - start
        shown["background_longest_gap_ms"] = gaps.since_last()
        show(rest)  # type: ignore[arg-type]

    dock._show = timed_show  # type: ignore[method-assign]
    _wait_for(lambda: not dock.running)
    shown["build_grid_seconds"] = time.perf_counter() - start - shown["background_seconds"]
    assert dock.scene is not None, dock.messages.text
    _turn(1.0)
    shown["build_grid_longest_gap_ms"] = gaps.since_last()
    dock.threshold.choose("percentile", 97.0)
    _wait_for(lambda: dock.comparison is not None)
    _turn(0.5)
    canvas = viewer.window._qt_viewer.canvas.native
    middle = volume.grid.shape[2] // 2
    steps = [_timed(partial(viewer.dims.set_point, 0, float(k))) for k in range(middle - repeats // 2, middle + repeats // 2)]
    viewer.dims.set_point(0, float(middle))
    dock._timer.setInterval(60_000)  # ticks, without what follows at rest
    ticks = [_timed(partial(dock.threshold.set_number, float(p))) for p in np.round(np.linspace(93, 99, repeats), 2)]
    bare = [_timed(canvas.update) for _ in range(repeats)]
    gaps.since_last()
    start = time.perf_counter()
    dock.leave_comparison()
    _wait_for(lambda: not dock.running)
    shown["leave_seconds"] = time.perf_counter() - start
    _turn(0.5)
    shown["leave_longest_gap_ms"] = gaps.since_last()
    viewer.close()
    for name, times in (("repaint_unchanged", bare), ("slice_step", steps), ("threshold_tick", ticks)):
        shown[f"{name}_median_ms"] = statistics.median(wall for wall, _ in times)
        shown[f"{name}_min_ms"] = min(wall for wall, _ in times)
        shown[f"{name}_cpu_median_ms"] = statistics.median(cpu for _, cpu in times)
    return shown


def _timed(act: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU time (all threads, software OpenGL's too) in milliseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    QApplication.processEvents()
    gl.glFinish()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)


def _turn(seconds: float) -> None:
    end = time.perf_counter() + seconds
    _wait_for(lambda: time.perf_counter() > end)


def _wait_for(ready: Callable[[], bool]) -> None:
    end = time.perf_counter() + 600
    while not ready() and time.perf_counter() < end:
        QApplication.processEvents()
        time.sleep(0.001)


def main() -> None:
    """Print the figures; targets: slice step 150 ms, threshold tick 80 ms, longest gap 100 ms."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--size", type=int, nargs=2, default=(1366, 768), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["BRAIN_UAD_CACHE"] = cache  # everything is scored
        figures = measure(tuple(options.size), options.repeats, options.methods)
    if options.json:
        print(json.dumps(figures))
        return
    load = os.getloadavg()[0]
    print(f"Window {options.size[0]}x{options.size[1]}, load of the machine {load:.1f}")
    for name, value in figures.items():
        print(f"{name:32s} {value:8.1f}")


if __name__ == "__main__":
    main()
