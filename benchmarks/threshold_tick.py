"""One tick of the threshold in the real window, against assigning the mask afresh: ``python -m benchmarks.threshold_tick``.

Needs a display (``xvfb-run -a -s "-screen 0 1600x1000x24"`` gives one). A tick moves the line, the mask, the figures and the dot, and ends
when canvas and dock are repainted and OpenGL has finished. The other way only sets ``Labels.data`` and repaints the canvas.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import napari
import numpy as np
from qtpy.QtWidgets import QApplication
from scipy.ndimage import gaussian_filter
from vispy.gloo import gl

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.gui.layers import add_detection, add_volume
from napari_brain_uad.gui.tune_dock import REST_MS, TuneDock
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect import Detection, detect

SHAPE = (182, 218, 182)


def example() -> Detection:
    """A brain-sized ellipsoid of smooth noise with bright lesions, and their ground truth."""
    rng = np.random.default_rng(0)
    axes = np.ogrid[tuple(slice(-1, 1, complex(n)) for n in SHAPE)]
    brain = np.asarray(sum((axis / 0.75) ** 2 for axis in axes) < 1)
    noise = gaussian_filter(rng.standard_normal(SHAPE).astype(np.float32), 1.0)
    seeds = gaussian_filter(rng.standard_normal(SHAPE).astype(np.float32), 4.0)
    truth = brain & (seeds > np.quantile(seeds, 0.985))
    data = np.where(brain, 100 + 15 * noise / noise.std() + 40 * truth, 0).astype(np.float32)
    volume = Volume(data, Grid(SHAPE, np.diag((1.0, 1.0, 1.0, 1.0))), name="example", mask=brain)
    return detect(volume, "threshold", truth=truth, post=PostParams(threshold="0.95"))


def measure(ticks: int) -> dict[str, float]:
    """Medians in milliseconds."""
    detection = example()
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1366, 768)
    add_volume(viewer, detection.volume)
    _, regions, _ = add_detection(viewer, detection, jump=False)
    viewer.dims.point = (SHAPE[2] / 2, SHAPE[1] / 2, SHAPE[0] / 2)
    dock = TuneDock(viewer)
    viewer.window.add_dock_widget(dock, name="Tune", area="right")
    _wait_for(lambda: dock.settled is not None)
    fresh = viewer.add_labels(np.zeros(SHAPE[::-1], np.uint8), scale=(1, 1, 1), units="mm", opacity=regions.opacity)
    fresh.colormap = regions.colormap
    score, doubled = detection.map.score.T, 2 * np.asarray(detection.truth, np.uint8).T

    def assign(value: float) -> None:
        fresh.data = (score > np.float32(value)).astype(np.uint8) + doubled

    live: list[tuple[float, float]] = []
    assigned: list[tuple[float, float]] = []
    # In turns, so that a busy machine slows both alike.
    for block in np.array_split(np.random.default_rng(0).permutation(np.linspace(0.90, 0.99, ticks)), 8):
        for times, act, shown in ((live, dock.move_threshold, regions), (assigned, assign, fresh)):
            _wait_for(lambda: dock.settled is not None)
            regions.visible, fresh.visible = shown is regions, shown is fresh
            _painted()
            times += [_timed(act, value) for value in block]
    regions.visible, fresh.visible = True, False
    rest = []
    for value in np.linspace(0.90, 0.99, 10):
        dock.move_threshold(value)
        _painted()
        start = time.perf_counter()
        _wait_for(lambda: dock.settled is not None)
        _painted()
        rest.append(1000 * (time.perf_counter() - start))
    dock._leave()
    viewer.close()
    tick, whole = (statistics.median(wall for wall, _ in times) for times in (live, assigned))
    tick_cpu, whole_cpu = (statistics.median(cpu for _, cpu in times) for times in (live, assigned))
    return {
        "tick_ms": tick,
        "assign_ms": whole,
        "ratio": tick / whole,
        "tick_cpu_ms": tick_cpu,
        "assign_cpu_ms": whole_cpu,
        "cpu_ratio": tick_cpu / whole_cpu,
        "regions_after_rest_ms": statistics.median(rest),
        "regions_after_rest_worst_ms": max(rest),
        "of_which_waiting_ms": float(REST_MS),
        "regions": float(len(detection.result.regions)),
    }


def _painted() -> None:
    """Paint what waits to be painted, canvas and dock, and let OpenGL finish."""
    QApplication.processEvents()
    gl.glFinish()


def _timed(act: Callable[[float], None], value: float) -> tuple[float, float]:
    """Wall and CPU time (all threads, software OpenGL's too) in milliseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    act(value)
    _painted()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)


def _wait_for(ready: Callable[[], bool]) -> None:
    end = time.perf_counter() + 60
    while not ready() and time.perf_counter() < end:
        QApplication.processEvents()
        time.sleep(0.001)


def main() -> None:
    """Print the medians, their ratio (target at most 0.5) and the time until the regions follow (target at most 250 ms)."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--ticks", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.ticks)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:30s} {value:8.2f}")


if __name__ == "__main__":
    main()
