"""The method box in a narrow dock."""

from __future__ import annotations

from typing import Any

from qtpy.QtGui import QFontMetrics

from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.widgets.editors import SHORT_FORM


def test_the_names_of_methods_that_can_run_are_not_cut_off_in_a_dock(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer(show=True)
    dock = open_dock(viewer, "Detect anomalies")
    viewer.open_sample("napari-brain-uad", "ms-flair-simulated")
    box = dock.inputs.method.box
    qtbot.waitUntil(lambda: "recommended" in box.currentText() and box.width() > 100, timeout=20_000)
    dock.parentWidget().resize(380, 700)
    short = box.currentData(SHORT_FORM)
    assert short == dock.inputs.method.info.name
    # An arrow, a frame and the padding of napari's style are beside the text.
    assert QFontMetrics(box.font()).horizontalAdvance(short) <= box.width() - 30
