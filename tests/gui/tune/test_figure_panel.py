"""The figures of a threshold: what they say and what room they take."""

from __future__ import annotations

from typing import Any

from napari_brain_uad.gui.tune.figure_panel import FigurePanel


def test_without_a_truth_no_line_is_left_empty(qtbot: Any) -> None:
    """The dock is higher than a laptop's screen then, and the switches at its end are cut."""
    panel = FigurePanel()
    qtbot.addWidget(panel)
    panel.resize(340, 100)
    panel.show()
    cell = panel._cells["regions"].sizeHint().height()
    bare = panel.sizeHint().height()
    assert bare < cell + 6
    panel.set_note("before the review")
    assert panel.sizeHint().height() == bare  # nothing moves while the hand does
    panel.layout().activate()
    assert panel._note.isVisible()
    assert panel._note.width() >= panel._note.fontMetrics().horizontalAdvance("before the review")
    panel.set_truth(True)
    assert panel.sizeHint().height() > 2 * cell
    panel.layout().activate()
    assert panel._note.geometry().top() > panel._cells["recall"].geometry().bottom() - 1
    panel.set_truth(False)
    assert panel.sizeHint().height() == bare
