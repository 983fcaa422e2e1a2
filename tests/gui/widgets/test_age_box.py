"""The age of the person scanned, as it is typed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt

from napari_brain_uad.gui.widgets.age_box import AgeBox
from napari_brain_uad.gui.widgets.layer_box import LayerBox


@pytest.fixture
def box(qtbot: Any) -> AgeBox:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((3, 3, 3), np.float32))
    choice = LayerBox(viewer, lambda layer: True)
    made = AgeBox(viewer, choice)
    for widget in (choice, made):
        qtbot.addWidget(widget)
    return made


def typed(qtbot: Any, box: AgeBox, text: str) -> float | None:
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Return)
    return box.years


@pytest.mark.parametrize(("text", "years"), [("71", 71.0), ("1.5", 1.5), ("0", 0.0), ("not known", None)])
def test_years_and_parts_of_them_or_the_words_for_none(qtbot: Any, box: AgeBox, text: str, years: float | None) -> None:
    box.setValue(30.0)
    assert typed(qtbot, box, text) == years
    assert box.text() == ("not known" if years is None else f"{text} years")


@pytest.mark.parametrize("text", ["-1", "-0.5", "abc", "1000"])
def test_what_is_no_age_is_not_taken_over(qtbot: Any, box: AgeBox, text: str) -> None:
    box.setValue(30.0)
    typed(qtbot, box, text)
    box.clearFocus()
    assert box.years == 30.0


def test_steps_lead_from_none_to_none(box: AgeBox) -> None:
    steps = []
    for count in (1, 1, -1, -1, -1):
        box.stepBy(count)
        steps.append(box.years)
    assert steps == [0.0, 1.0, 0.0, None, None]
    box.setValue(0.5)
    box.stepBy(-1)
    assert box.years is None
