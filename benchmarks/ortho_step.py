"""A step of the crosshair in the ortho view, three planes repainted, in the real window: ``python -m benchmarks.ortho_step``.

Needs a display (``xvfb-run -a -s "-screen 0 1600x1000x24"`` gives one). The scan has 182x218x182 voxels, with heatmap, regions and boxes. A
step ends when the viewer and all planes are repainted and OpenGL has finished. For the ratio the same steps are made with the dock
closed: what the viewer alone takes. CPU times count all threads, those of software OpenGL too, and depend less on what else runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QApplication
from vispy.gloo import gl

from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.layers.crosshair import point_at
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.view import add_volume

from .threshold_tick import SHAPE, example


def measure(steps: int) -> dict[str, float]:
    """Medians in milliseconds."""
    detection = example()
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1600, 950)
    add_volume(viewer, detection.volume)
    _, regions, _ = add_detection(viewer, detection, jump=False)
    rng = np.random.default_rng(0)
    middle = np.array(SHAPE[::-1]) / 2
    places = middle + rng.uniform(-40, 40, (steps, 3))

    def step(place: NDArray[np.float64]) -> None:
        point_at(viewer, place)

    def along_one_axis(place: NDArray[np.float64]) -> None:
        point_at(viewer, (place[0], middle[1], middle[2]))

    def tick(place: NDArray[np.float64]) -> None:
        # What the Tune dock does at a tick, without the dock.
        live = regions.data
        live.set_threshold(type(live.threshold)(float(0.9 + 0.001 * place[0]), live.threshold.rule, ""))
        with viewer.layers.events.blocker_all():
            regions.refresh(thumbnail=False, extent=False, highlight=False)

    _settled(lambda: True)
    alone = {name: _timed(act, places) for name, act in (("step", step), ("wheel", along_one_axis), ("tick", tick))}
    dock = open_dock(viewer, "Ortho view")
    _settled(lambda: len(dock.planes) == 3 and not dock._soon.isActive())
    step(middle)
    _settled(lambda: not dock._soon.isActive())
    with_planes = {name: _timed(act, places) for name, act in (("step", step), ("wheel", along_one_axis), ("tick", tick))}
    viewer.close()
    figures: dict[str, float] = {}
    for name, (wall, cpu) in with_planes.items():
        figures |= {f"{name}_ms": wall, f"{name}_cpu_ms": cpu, f"{name}_viewer_alone_ms": alone[name][0]}
        figures[f"{name}_viewer_alone_cpu_ms"] = alone[name][1]
    return figures


def _timed(act: Callable[[NDArray[np.float64]], None], places: NDArray[np.float64]) -> tuple[float, float]:
    """Median wall and CPU time of an action until everything is painted."""
    walls, cpus = [], []
    for place in places:
        wall, cpu = time.perf_counter(), time.process_time()
        act(place)
        # The planes follow when the events of the change are over; what they change is painted in the pass after.
        QApplication.processEvents()
        QApplication.processEvents()
        gl.glFinish()
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    return statistics.median(walls), statistics.median(cpus)


def _settled(ready: Callable[[], bool]) -> None:
    end = time.perf_counter() + 60
    while time.perf_counter() < end:
        QApplication.processEvents()
        if ready():
            break
        time.sleep(0.001)
    for _ in range(20):
        QApplication.processEvents()
        time.sleep(0.005)
    gl.glFinish()


def main() -> None:
    """Print the medians (target of a step: at most 250 ms where OpenGL runs in software)."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.steps)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:30s} {value:8.2f}")


if __name__ == "__main__":
    main()
