"""How the Tune dock looks: its parts, without what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels, Layer
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFormLayout, QFrame, QHBoxLayout, QMenu, QPushButton, QScrollArea, QSizePolicy, QTabWidget, QVBoxLayout, QWidget

from ...postprocessing.params import PostParams
from ..app.docks import open_dock
from ..layers.layers import is_map, record
from ..layers.pictures import is_picture_mask
from ..widgets.forms import ParamsForm
from ..widgets.layer_box import LayerBox
from ..widgets.messages import wrapping_label
from ..widgets.region_table import RegionTable
from ..widgets.side_dock import SideDock
from ..widgets.subject_button import SubjectButton, beside
from ..widgets.threshold_row import ThresholdRow
from ..widgets.view_bar import ViewBar
from .figure_panel import FigurePanel
from .histogram import CurvePlot, HistogramPlot
from .opacity import OpacitySlider
from .review_bar import ReviewBar

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ...calibration.verdict import Verdict

_PURPOSE = "Drag the line: mask, regions and figures follow."
_EMPTY = "There is no anomaly map yet. Run Detect anomalies first; its result appears here."


_TABS_HEIGHT = 136
"""Room for a few regions and what can be done to them."""


class _LowTabs(QTabWidget):
    """Tabs that get the room that is left, whatever their tallest page would like."""

    def sizeHint(self) -> QSize:
        """The least height: without any (as by a policy that ignores it) a low dock would squeeze its parts over each other."""
        return QSize(super().sizeHint().width(), _TABS_HEIGHT)


class TuneLayout(SideDock):
    """The parts of the Tune dock, laid out for a width of 380 px."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self.maps = LayerBox(self.viewer, _may_be_tuned)
        self.only = SubjectButton(self.viewer, lambda: self.maps.layer)
        self.whose = wrapping_label()
        self.truths = LayerBox(self.viewer, _may_be_truth, none="none")
        self.opacity = OpacitySlider()
        self.histogram = HistogramPlot()
        self.threshold = ThresholdRow()
        self.figures = FigurePanel()
        self.verdict = wrapping_label()
        self.verdict.setAccessibleName("Verdict")
        self.verdict.setStyleSheet("font-weight: bold;")  # napari's own would override a font
        self.table = RegionTable()
        self.review = ReviewBar()
        self.clean_up = ParamsForm(PostParams, without=("threshold",))
        self.curve = CurvePlot()
        self.tabs = _LowTabs()
        self.view = ViewBar(self.viewer)
        self.undo = _button("Undo", "Back to the settings before the last change")
        self.redo = _button("Redo", "Take the undone change again")
        self.copy = _button("Copy as command", "Copy the brain-uad command that gives this result")
        self.export = _button("Export", "Save map, mask, regions, figure and provenance into a folder")
        self.more_export = _button("", "Other ways to export")  # Qt draws an arrow
        self.more_export.setAccessibleName("Other ways to export")
        menu = QMenu(self.more_export)
        self.export_mni = QAction("Export with copies in MNI space\u2026", menu)
        menu.addAction(self.export_mni)
        self.more_export.setMenu(menu)
        self.undo.setEnabled(False)
        self.redo.setEnabled(False)
        self.detect = _button("Detect anomalies", "Open the dock that makes anomaly maps")
        self.detect.clicked.connect(lambda: open_dock(self.viewer, "Detect anomalies"))
        self._empty = QWidget()
        empty = QVBoxLayout(self._empty)
        empty.addWidget(wrapping_label(_EMPTY))
        empty.addWidget(self.detect)
        empty.addStretch()
        self._body, self._buttons = QWidget(), QWidget()
        self._lay_out()

    def show_empty(self, empty: bool) -> None:
        """Say what to do when there is nothing to tune, in place of controls that do nothing."""
        self._empty.setVisible(empty)
        self._body.setVisible(not empty)
        self._buttons.setVisible(not empty)

    def show_verdict(self, verdict: Verdict | None) -> None:
        """Say how the scan compares with healthy brains at this threshold; None while that is not known."""
        text = "" if verdict is None else verdict.short
        if self.verdict.text() != text:
            self.verdict.setText(text)
        told = () if verdict is None else (verdict.line, verdict.advice, verdict.details)
        self.verdict.setToolTip("\n".join(filter(None, told)))
        self.verdict.setEnabled(True)
        self.verdict.setVisible(bool(text))

    def _lay_out(self) -> None:
        self.region_page = self._region_page()
        self.tabs.addTab(self.region_page, "Regions")
        self.tabs.addTab(self._clean_up_page(), "Clean-up")
        self.tabs.addTab(self.curve, "PR curve")
        self.tabs.setDocumentMode(True)
        self.tabs.setMinimumHeight(_TABS_HEIGHT)
        self.tabs.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        choices = QFormLayout()
        choices.setContentsMargins(0, 0, 0, 0)
        choices.setVerticalSpacing(3)
        choices.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        choices.addRow("Anomaly map", beside(self.maps, self.only))
        choices.addRow(self.whose)
        choices.addRow("Ground truth", self.truths)
        choices.addRow("Heatmap opacity", self.opacity)
        buttons = QHBoxLayout(self._buttons)
        buttons.setContentsMargins(0, 0, 0, 0)
        for button in (self.undo, self.redo, self.copy, self.export, self.more_export):
            buttons.addWidget(button)
        body = QVBoxLayout(self._body)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(5)
        body.addLayout(choices)
        body.addWidget(self.histogram)
        body.addWidget(self.threshold)
        body.addWidget(self.figures)
        body.addWidget(self.verdict)
        body.addWidget(self.tabs, 1)
        body.addWidget(self.view)
        self.arrange(
            [wrapping_label(_PURPOSE), self._empty, self._body], [self.run_bar], [self.messages], [self._buttons], filling=self._body
        )

    def _region_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        self.table.setMinimumHeight(72)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.review)
        return page

    def _clean_up_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(4, 6, 4, 4)
        layout.addWidget(self.clean_up)
        layout.addStretch()
        return _scrolling(page)


def _scrolling(content: QWidget) -> QScrollArea:
    """`content` with a vertical scroll bar when the dock is too low, never a horizontal one."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setMinimumHeight(100)
    area.setWidget(content)
    return area


def _may_be_tuned(layer: Layer) -> bool:
    # The cells of a comparison show maps too, under a threshold of their own.
    return is_map(layer) and record(layer).get("kind") != "compared"


def _may_be_truth(layer: Layer) -> bool:
    return (isinstance(layer, Labels) or is_picture_mask(layer)) and record(layer).get("kind") != "regions"


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    # Qt's own least width for buttons is more than four of them have here.
    button.setMinimumWidth(button.fontMetrics().horizontalAdvance(text) + 16)
    return button
