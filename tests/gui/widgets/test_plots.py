"""Plots take the colours of the window, and their axes tell the numbers of the boxes beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_brain_uad.core.numbers import number_text
from napari_brain_uad.evaluation.curves import LiveHistogram
from napari_brain_uad.gui.train.loss_plot import LossPlot
from napari_brain_uad.gui.tune.histogram import CurvePlot, HistogramPlot
from napari_brain_uad.gui.widgets.plots import NumberAxis
from napari_brain_uad.gui.widgets.threshold_row import ShortBox


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.51467, "0.51467"),
        (0.0004, "0.0004"),
        (0.2 + 0.1, "0.3"),
        (12345.6, "12346"),
        (-123456.7, "-123457"),
        (2.5e9, "2.5e+09"),
        (0.0, "0"),
    ],
)
def test_a_number_is_written_alike_in_the_box_and_on_the_axis(qtbot: Any, value: float, text: str) -> None:
    box = ShortBox()
    qtbot.addWidget(box)
    assert number_text(value) == box.textFromValue(value) == text
    assert NumberAxis("bottom").tickStrings([value], 1.0, 10.0 ** (np.floor(np.log10(abs(value) or 1)) - 5)) == [text]


def test_ticks_that_differ_are_written_differently() -> None:
    assert NumberAxis("bottom").tickStrings([1000.001, 1000.002], 1.0, 0.001) == ["1000.001", "1000.002"]
    assert NumberAxis("bottom").tickStrings([0.1 + 0.2, 0.4], 1.0, 0.1) == ["0.3", "0.4"]


@pytest.mark.parametrize("highest", [0.03, 0.9, 4000.0, 3e6])
def test_no_axis_is_scaled(qtbot: Any, highest: float) -> None:
    """pyqtgraph writes "(x0.001)" beside an axis below 1, and "k" beside one above 1000."""
    score = np.linspace(0.0, highest, 1000, dtype=np.float32).reshape(10, 10, 10)
    plot = HistogramPlot()
    qtbot.addWidget(plot)
    plot.show()
    plot.show_histogram(LiveHistogram(score, np.ones(score.shape, bool), None), "units")
    QApplication.processEvents()
    axis = plot.getAxis("bottom")
    assert "x0" not in axis.labelString()
    assert "(" not in axis.labelString()
    assert axis.autoSIPrefixScale == 1.0


def test_plots_follow_the_theme_while_it_changes(make_napari_viewer: Any, qtbot: Any) -> None:
    viewer = make_napari_viewer()
    around = QWidget()
    layout = QVBoxLayout(around)
    plots = (HistogramPlot(), CurvePlot(), LossPlot())
    for plot in plots:
        layout.addWidget(plot)
    viewer.window.add_dock_widget(around, name="plots")
    for theme in ("light", "dark", "light"):
        viewer.theme = theme
        QApplication.processEvents()
        known = get_theme(theme)
        text = known.text.as_rgb_tuple()
        for plot in plots:
            assert plot.backgroundBrush().color().getRgb()[:3] == pytest.approx(known.background.as_rgb_tuple(), abs=12)
            assert plot.getAxis("bottom").textPen().color().getRgb()[:3] == pytest.approx(text, abs=12)
        for pen in (plots[0].line.pen, plots[1]._curve.opts["pen"], plots[2]._training.opts["pen"]):
            assert pen.color().getRgb()[:3] == pytest.approx(text, abs=12)
