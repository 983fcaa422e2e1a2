"""The progress bar of a run."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject

from napari_brain_uad.gui.widgets.run_bar import RunBar


class Paints(QObject):
    """Counts how often something was painted."""

    count = 0

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Paint:
            self.count += 1
        return False


def test_a_report_is_painted_with_the_rest_of_the_window_not_by_itself(qtbot: Any) -> None:
    bar = RunBar()
    qtbot.addWidget(bar)
    with qtbot.waitExposed(bar):
        bar.start()
    paints = Paints()
    bar.bar.installEventFilter(paints)
    qtbot.wait(50)
    before = paints.count
    for step in range(1, 6):
        bar.report(step / 5, "Scoring")
    assert paints.count == before
    qtbot.waitUntil(lambda: paints.count > before)
    assert bar.bar.value() == bar.bar.maximum()
