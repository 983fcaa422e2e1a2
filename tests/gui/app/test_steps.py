"""Work in steps: in order, with turns of the event loop between them, and nothing left half done."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_brain_uad.gui.app.steps import Steps, young_garbage_only


class _Work:
    """Five steps; what happened, in order."""

    def __init__(self, fails_at: int = -1) -> None:
        self.heard: list[object] = []
        self._fails_at = fails_at

    def steps(self) -> Iterator[float]:
        try:
            for number in range(5):
                if number == self._fails_at:
                    raise RuntimeError("no")
                yield number / 5
        finally:
            self.heard.append("put right")

    def start(self, parent: QWidget) -> Steps:
        return Steps(
            self.steps(),
            parent=parent,
            on_done=lambda: self.heard.append("done"),
            on_broken=lambda: self.heard.append("broken"),
            on_step=self.heard.append,
        )


@pytest.fixture
def parent(qtbot: Any) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


def test_every_step_is_told_and_the_end_once(qtbot: Any, parent: QWidget) -> None:
    work, turns = _Work(), []
    timer = QTimer(parent)
    timer.timeout.connect(lambda: turns.append(len(work.heard)))
    timer.start(0)
    steps = work.start(parent)
    assert work.heard == []
    qtbot.waitUntil(lambda: not steps.running)
    qtbot.wait(50)
    assert work.heard == [0.0, 0.2, 0.4, 0.6, 0.8, "put right", "done"]
    assert len(set(turns)) > 3  # others had their turns between the steps


def test_what_is_stopped_is_put_right_and_heard_of_no_more(qtbot: Any, parent: QWidget) -> None:
    work = _Work()
    steps = work.start(parent)
    qtbot.waitUntil(lambda: len(work.heard) >= 2)
    steps.stop()
    told = list(work.heard)
    assert told[-1] == "put right"
    steps.stop()
    qtbot.wait(50)
    assert work.heard == told
    assert not steps.running


def test_a_step_that_raises_ends_it(qtbot: Any, parent: QWidget) -> None:
    work = _Work(fails_at=2)
    with qtbot.captureExceptions() as raised:
        steps = work.start(parent)
        qtbot.waitUntil(lambda: not steps.running)
        qtbot.wait(20)
    assert [str(error) for _, error, _ in raised] == ["no"]
    assert work.heard == [0.0, 0.2, "put right", "broken"]


def test_it_goes_with_its_parent(qtbot: Any) -> None:
    widget, work = QWidget(), _Work()
    work.start(widget)
    qtbot.waitUntil(lambda: len(work.heard) >= 2)
    widget.deleteLater()
    qtbot.wait(60)
    assert "done" not in work.heard


@pytest.mark.usefixtures("unfrozen")
def test_only_young_objects_are_looked_at() -> None:
    with young_garbage_only():
        assert gc.get_freeze_count() > 0
        with young_garbage_only():
            pass
        assert gc.get_freeze_count() > 0  # the inner one has not ended the outer one
    assert gc.get_freeze_count() == 0
