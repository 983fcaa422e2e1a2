"""Many random actions in a row: nothing raises, nothing is left behind."""

from __future__ import annotations

import gc
import time

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.intensity.threshold import HistogramThreshold
from napari_brain_uad.detectors.registry import method_ids
from napari_brain_uad.gui.app import settings, workers
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.compare.comparison_table import ComparisonTable
from napari_brain_uad.gui.compare.dock import CompareDock
from napari_brain_uad.gui.detect.dock import DetectDock
from napari_brain_uad.gui.layers.layers import add_labels, record
from napari_brain_uad.gui.layers.view import add_volume

ACTIONS = 300
SHAPE = (16, 18, 14)
QUICK = ("threshold", "thresh-raw", "threshold@bins=16")


class _Varying(HistogramThreshold):
    """Takes up to 0.2 s, in steps."""

    finished = 0

    def _score(self, volume, mask, *, seed, progress):
        for step in range(int(volume.data[0, 0, 0])):
            progress.update(step / 20, "waiting")
            time.sleep(0.01)
        type(self).finished += 1
        return super()._score(volume, mask, seed=seed, progress=progress)


def _scan(rng: np.random.Generator, number: int) -> Volume:
    data = np.zeros(SHAPE, np.float32)
    data[3:13, 3:15, 3:11] = rng.normal(100, 10, (10, 12, 8))
    data[5:8, 5:8, 5:8] += 80
    data[0, 0, 0] = rng.integers(0, 20)
    return Volume(data, Grid(SHAPE, np.eye(4)), name=f"scan {number}", sequence="FLAIR")


def _docks(viewer, kind=DetectDock):
    return [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, kind)]


def _remove(viewer, rng):
    if len(viewer.layers):
        viewer.layers.remove(viewer.layers[int(rng.integers(len(viewer.layers)))])


def _toggle_dock(viewer):
    for dock in _docks(viewer):
        viewer.window.remove_dock_widget(dock)
        return
    open_dock(viewer, "Detect anomalies")


def _compare_actions(dock, rng):
    """What a user may do in the Compare dock."""
    return {
        "compare": dock.button.click,
        "compare again": dock.button.click,
        "cancel comparing": dock.cancel,
        "methods": lambda: dock.inputs.methods.choose(rng.choice(QUICK, int(rng.integers(1, 4)), replace=False)),
        "variant": lambda: dock.inputs.methods.add_variant(f"threshold@bins={int(rng.integers(8, 12))}"),
        "truth": lambda: dock.inputs.scans.truth.setCurrentIndex(int(rng.integers(dock.inputs.scans.truth.count()))),
        "rule": lambda: dock.threshold.choose(str(rng.choice(["auto", "percentile", "otsu", "best-dice", "value", "healthy-ml"]))),
        "move": lambda: dock.threshold.nudge(int(rng.integers(-20, 20))),
        "move again": lambda: dock.threshold.nudge(int(rng.integers(-20, 20))),
        "tick": lambda: [dock.heat, dock.truth, dock.masks, dock.agreement, dock.difference][int(rng.integers(5))].toggle(),
        "colours": lambda: (dock.scale.setCurrentIndex(int(rng.integers(2))), dock.scale.activated.emit(0)),
        "row": lambda: dock.table.choose(0) if dock.comparing else None,
        "next region": lambda: dock.regions.step(1),
        "worst": dock.regions.worst.click,
        "leave": dock.leave.click,
        "copy command": dock.copy.click,
    }


def _toggle_compare(viewer):
    for dock in _docks(viewer, CompareDock):
        viewer.window.remove_dock_widget(dock)
        return
    open_dock(viewer, "Compare")


def _act(viewer, rng, number):
    """One random action of a user."""
    dock = next(iter(_docks(viewer)), None)
    scan = _scan(rng, number)
    actions = {
        "add scan": lambda: add_volume(viewer, scan),
        "add truth": lambda: add_labels(viewer, scan.data > 150, scan, name="ground truth"),
        "add wrong mask": lambda: viewer.add_labels(np.ones((4, 5, 6), np.uint8), name="brain mask"),
        "remove": lambda: _remove(viewer, rng),
        "clear": lambda: viewer.layers.clear() if rng.random() < 0.2 else None,
        "dock": lambda: _toggle_dock(viewer) if rng.random() < 0.5 else None,
    }
    if dock is not None:
        actions |= {
            "run": dock.button.click,
            "run again": dock.button.click,
            "cancel": dock.cancel,
            "method": lambda: dock.inputs.method.choose(str(rng.choice(method_ids()))),
            "back to threshold": lambda: dock.inputs.method.choose("threshold"),
            "mask": lambda: dock.inputs.brain.setCurrentIndex(int(rng.integers(dock.inputs.brain.count()))),
            "card": dock.inputs.method.ask.click,
            "copy": dock.copy.click,
            "rename": lambda: setattr(viewer.layers[0], "name", f"name {number}") if len(viewer.layers) else None,
        }
    actions["compare dock"] = lambda: _toggle_compare(viewer) if rng.random() < 0.5 else None
    for compare in _docks(viewer, CompareDock):
        actions |= _compare_actions(compare, rng)
    actions[str(rng.choice(list(actions)))]()


def _end(viewer, qtbot):
    for kind in (CompareDock, DetectDock):
        for dock in _docks(viewer, kind):
            dock.cancel()
            viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not workers._RUNNING, timeout=120_000)
    qtbot.wait(50)
    gc.collect()


def _kept(viewer, qtbot):
    """How many objects Python keeps with everything closed."""
    _end(viewer, qtbot)
    viewer.layers.clear()
    qtbot.wait(200)
    gc.collect()
    return len(gc.get_objects()) + gc.get_freeze_count()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_three_hundred_random_actions(qtbot, make_napari_viewer, monkeypatch, tmp_path, seed):
    monkeypatch.setattr("napari_brain_uad.detectors.intensity.threshold.HistogramThreshold", _Varying)
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path))
    settings._store().clear()
    rng = np.random.default_rng(seed)
    viewer = make_napari_viewer()
    open_dock(viewer, "Detect anomalies")
    open_dock(viewer, "Compare")
    compared, early = 0, 0
    for number in range(ACTIONS):
        if number == ACTIONS // 2:
            early = _kept(viewer, qtbot)
            open_dock(viewer, "Detect anomalies")
            open_dock(viewer, "Compare")
        _act(viewer, rng, number)
        qtbot.wait(int(rng.integers(1, 40)))
        if rng.random() < 0.3:
            # Some runs may end, however busy the machine is; others are disturbed.
            qtbot.waitUntil(lambda: not any(dock.running for dock in _docks(viewer, CompareDock)), timeout=120_000)
        compared += any(dock.comparing for dock in _docks(viewer, CompareDock))
    _end(viewer, qtbot)
    assert compared > 20
    assert _Varying.finished > 0
    # What the user had is there and seen; nothing of a comparison is.
    assert not viewer.canvas.grid.enabled
    assert not [layer for layer in viewer.layers if record(layer).get("kind") in ("compared", "derived")]
    assert _kept(viewer, qtbot) <= 1.05 * early
    left = [widget for widget in QApplication.allWidgets() if isinstance(widget, DetectDock | CompareDock | ComparisonTable)]
    assert left == []
