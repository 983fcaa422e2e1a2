"""One tick of the threshold in the real window, against assigning the mask afresh: ``python -m benchmarks.threshold_tick``.

Needs a display (``xvfb-run -a -s "-screen 0 1600x1000x24"`` gives one). A tick moves the line, the mask, the figures and the dot, and ends
when canvas and dock are repainted and OpenGL has finished. The other ways set ``Labels.data`` to a new array: once without anything
else, and once with the same line and the same figures, counted over the volume. Where OpenGL runs in software, painting the canvas
costs the same in all of them and is most of a tick. What it consists of is printed, too: Qt composing the window (which it does as a whole,
with every repaint of a canvas), letters, colour bar and the rest of a canvas without layers, and each layer's slice, whose every pixel on
the canvas is shaded. Measured in a window of 1366 x 768 with five layers: with an NVIDIA H200 (16 cores) a tick takes 12 to 16 ms, the
mask assigned afresh 31 to 40 (ratio 0.39; 0.34 with line and figures); with Mesa's llvmpipe on the same machine 13 and 39 (0.34); on two
cores 24 to 26 and 45 to 50 (0.52 to 0.54), as painting, the same in both, is then all of it: of its CPU time (36 ms in one run) 10 were
Qt's, 6 the canvas without layers and 20 the five layers (scan and heatmap 5 to 6 each, ground truth and regions 3 to 4, boxes below 1).
Only a part of the canvas is never painted: vispy does not say who asked for a repaint, so that what else changed could be left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication
from scipy.ndimage import gaussian_filter
from vispy.gloo import gl

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.evaluation.metrics import count
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.tuning import Figures
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.gui.tune.dock import REST_MS, TuneDock
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect.detect import Detection, detect

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
    canvas = viewer.window._qt_viewer.canvas.native
    fresh = viewer.add_labels(np.zeros(SHAPE[::-1], np.uint8), scale=(1, 1, 1), units="mm", opacity=regions.opacity)
    fresh.colormap = regions.colormap
    score, truth = detection.map.score.T, np.asarray(detection.truth).T
    doubled = 2 * truth.astype(np.uint8)

    def assign(value: float) -> None:
        fresh.data = (score > np.float32(value)).astype(np.uint8) + doubled

    def assign_with_figures(value: float) -> None:
        flagged = (score > np.float32(value)) & detection.map.mask.T
        fresh.data = flagged.astype(np.uint8) + doubled
        counts = count(flagged, truth)
        ml = detection.map.grid.voxel_volume_mm3 / 1000.0
        figures = Figures(None, counts.flagged * ml, counts.dice, counts.precision, counts.recall, counts.fp * ml)
        dock.figures.show_figures(figures)
        dock.histogram.set_threshold(value)
        dock.curve.set_dot(figures.recall, figures.precision)

    live: list[tuple[float, float]] = []
    assigned: list[tuple[float, float]] = []
    complete: list[tuple[float, float]] = []
    unchanged: list[tuple[float, float]] = []
    ways = (
        (unchanged, lambda _value: canvas.update(), regions),
        (live, dock.move_threshold, regions),
        (assigned, assign, fresh),
        (complete, assign_with_figures, fresh),
    )
    # In turns, so that a busy machine slows both alike.
    for block in np.array_split(np.random.default_rng(0).permutation(np.linspace(0.90, 0.99, ticks)), 8):
        for times, act, shown in ways:
            _wait_for(lambda: dock.settled is not None)
            regions.visible, fresh.visible = shown is regions, shown is fresh
            _painted()
            times += [_timed(act, value) for value in block]
    regions.visible, fresh.visible = True, False
    shares = _shares(viewer, canvas)
    rest = []
    for value in np.linspace(0.90, 0.99, 10):
        dock.move_threshold(value)
        _painted()
        start = time.perf_counter()
        _wait_for(lambda: dock.settled is not None)
        _painted()
        rest.append(1000 * (time.perf_counter() - start))
    dock._end()
    viewer.close()
    bare, tick, mask_only, whole = (statistics.median(wall for wall, _ in times) for times, _, _ in ways)
    _, tick_cpu, mask_only_cpu, whole_cpu = (statistics.median(cpu for _, cpu in times) for times, _, _ in ways)
    return {
        "repaint_unchanged_ms": bare,
        "tick_ms": tick,
        "assign_mask_only_ms": mask_only,
        "assign_with_figures_ms": whole,
        "ratio_to_mask_only": tick / mask_only,
        "ratio_to_with_figures": tick / whole,
        "ratio_beyond_repaint": (tick - bare) / (mask_only - bare),
        "cpu_ratio_to_mask_only": tick_cpu / mask_only_cpu,
        "cpu_ratio_to_with_figures": tick_cpu / whole_cpu,
        "regions_after_rest_ms": statistics.median(rest),
        "regions_after_rest_worst_ms": max(rest),
        "of_which_waiting_ms": float(REST_MS),
        "regions": float(len(detection.result.regions)),
        **shares,
    }


def _shares(viewer: napari.Viewer, canvas: Any) -> dict[str, float]:
    """CPU time in milliseconds of a repaint with everything, without the layers, and of the window alone; measured in turns."""
    shown = [layer for layer in viewer.layers if layer.visible]
    times: dict[str, list[float]] = {"everything": [], "without_layers": [], "window_alone": []}
    for _ in range(4):
        for name, found in times.items():
            paint = canvas.paintGL
            for layer in shown:
                layer.visible = name != "without_layers"
            if name == "window_alone":
                canvas.paintGL = lambda: None
            _painted()
            found += [_timed(lambda _value: canvas.update(), 0.0)[1] for _ in range(10)]
            canvas.paintGL = paint
    for layer in shown:
        layer.visible = True
    return {f"cpu_repaint_{name}_ms": statistics.median(found) for name, found in times.items()}


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
    """Print the medians, their ratios (target at most 0.5) and the time until the regions follow (target at most 250 ms)."""
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
