"""Colours of text follow napari's theme."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtGui import QColor

from napari_brain_uad.gui.train.loss_plot import VALIDATION_COLOUR, LossPlot
from napari_brain_uad.gui.widgets.messages import wrapping_label
from napari_brain_uad.gui.widgets.methods.method_card import LINK
from napari_brain_uad.gui.widgets.theme import LINK_COLOUR, coloured

READABLE = 4.5
"""The contrast that WCAG asks of text."""
PAPERS = {"dark": ("#262930", "#f0f1f2"), "light": ("#efebe9", "#3b3a39")}
"""Background and text of napari's themes."""


def _light(colour: str) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in QColor(colour).getRgbF()[:3]]
    return float(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])


@pytest.mark.parametrize("theme", PAPERS)
@pytest.mark.parametrize("colour", [LINK_COLOUR, VALIDATION_COLOUR])
def test_colours_of_text_can_be_read_on_either_paper(theme: str, colour: str) -> None:
    paper, ink = PAPERS[theme]
    low, high = sorted((_light(paper), _light(coloured(colour, QColor(ink)))))
    assert (high + 0.05) / (low + 0.05) >= READABLE


def test_links_and_curves_follow_the_theme(qtbot: Any) -> None:
    label, plot = wrapping_label(f"<a href='x' style='{LINK}'>x</a>", rich=True), LossPlot()
    for widget in (label, plot):
        qtbot.addWidget(widget)
        widget.show()
    for theme in ("light", "dark", "light"):
        paper, ink = PAPERS[theme]
        for widget in (label, plot):
            widget.setStyleSheet(f"QWidget {{ color: {ink}; background: {paper}; }}")
        qtbot.waitUntil(lambda ink=ink: coloured(LINK_COLOUR, QColor(ink)) in label.text())
        qtbot.waitUntil(lambda ink=ink: plot._validation.opts["pen"].color() == QColor(coloured(VALIDATION_COLOUR, QColor(ink))))
