"""Maps are made once in a window: what one dock computed, another takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.workflows.scans.load import load


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any], scan_file: Path) -> Any:
    made = make_napari_viewer()
    add_volume(made, load(scan_file))
    return made


def _detect(viewer: Any, method: str, qtbot: Any) -> Any:
    dock = open_dock(viewer, "Detect anomalies")
    dock.inputs.method.choose(method)
    dock.button.click()
    qtbot.waitUntil(lambda: not dock.running, timeout=60_000)
    return dock


def _compare(viewer: Any, methods: list[str], qtbot: Any) -> Any:
    dock = open_dock(viewer, "Compare")
    dock.inputs.methods.choose(methods)
    dock.button.click()
    qtbot.waitUntil(lambda: not dock.running and dock.comparison is not None, timeout=60_000)
    return dock


# `tissue-ensemble` scores in a process of its own, which has to find the map of the other run, too.
@pytest.mark.parametrize("method", ["threshold", "tissue-ensemble"])
def test_compare_takes_what_detect_computed(viewer: Any, qtbot: Any, method: str) -> None:
    detected = _detect(viewer, method, qtbot).detection
    comparison = _compare(viewer, [method, "thresh-raw"], qtbot).comparison
    runs = {run.spec.method: run for run in comparison.runs}
    assert {name: run.cached for name, run in runs.items()} == {method: True, "thresh-raw": False}
    np.testing.assert_array_equal(runs[method].map.score, detected.map.score)
    assert runs[method].map.provenance == detected.map.provenance


def test_detect_takes_what_compare_computed_and_says_so(viewer: Any, qtbot: Any) -> None:
    comparing = _compare(viewer, ["threshold", "thresh-raw"], qtbot)
    (compared,) = (run for run in comparing.comparison.runs if run.spec.method == "thresh-raw")
    comparing.leave.click()
    qtbot.waitUntil(lambda: not comparing.running, timeout=60_000)
    dock = _detect(viewer, "thresh-raw", qtbot)
    assert "earlier run with the same inputs" in dock.outcome.text()
    np.testing.assert_array_equal(dock.detection.map.score, compared.map.score)
    assert dock.detection.map.provenance == compared.map.provenance
