"""How the Compare dock looks: its parts, without what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..app.docks import PRIMARY
from ..app.keys import COMPARE_WORDS, as_html
from ..widgets.editors import ComboBox
from ..widgets.empty_state import EmptyState
from ..widgets.forms import Fold
from ..widgets.messages import wrapping_label
from ..widgets.region_page import RegionPage
from ..widgets.side_dock import SideDock
from ..widgets.view_bar import ViewBar
from .comparison_table import ComparisonTable
from .inputs import CompareInputs
from .shared_threshold import SharedThreshold

if TYPE_CHECKING:
    from napari.viewer import Viewer

_PURPOSE = "Several methods over one scan: same slice, same colours, one threshold rule. Research use only."

_SCALES = {
    "auto": ("common where it can be", "One scale of the score where all have one unit, else percentiles"),
    "percentile": ("percentile of each", "The voxel's percentile among its method's scores in this brain"),
}


class CompareLayout(SideDock):
    """The parts of the Compare dock, laid out for a width of 380 px."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__(viewer)
        self.inputs = CompareInputs(self.viewer)
        self.empty = EmptyState(self.viewer)
        self.button = QPushButton("Compare")
        self.outcome = wrapping_label()
        self.threshold = SharedThreshold(self.viewer)
        self.regions = RegionPage()
        self.table = ComparisonTable()
        self.scale = ComboBox()
        self.scale_words = wrapping_label()
        self.heat, self.truth, self.masks = (QCheckBox(text) for text in ("Heatmaps", "Ground truth", "Masks"))
        self.agreement, self.difference = QCheckBox("Agreement"), QCheckBox("Difference")
        self.first, self.second = ComboBox(), ComboBox()
        self.view = ViewBar(self.viewer)
        self.slices = QLineEdit()
        self.add_slice = button("+ this slice", "Add the slice that is shown to the montage")
        self.csv = button("Table (CSV)", "Save the table, all columns")
        self.montage = button("Montage (PNG)", "Save a figure for a paper: chosen slices, 300 dpi")
        self.everything = button("All files", "Save table, montage, and every method's map and mask into a folder")
        self.copy = button("Copy as command", "Copy the brain-uad command that gives the same")
        self.leave = button("Leave comparison", "Back to the viewer as it was")
        self.show_table = button("Table", "Show the table again")
        self.keys = QToolButton()
        self.tabs = QTabWidget()
        self.setup = Fold("Scan and methods", self.inputs)
        self.result, self.footer = QWidget(), QWidget()
        self._set_up()
        self._lay_out()

    def show_result(self, shown: bool) -> None:
        """Show what belongs to a comparison, or what leads to one."""
        self.result.setVisible(shown)
        self.footer.setVisible(shown)
        self.setup.toggleButton().setChecked(not shown)

    def _set_up(self) -> None:
        self.button.setStyleSheet(PRIMARY)
        self.outcome.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.outcome.hide()
        for name, (title, tip) in _SCALES.items():
            self.scale.addItem(title, name)
            self.scale.setItemData(self.scale.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.scale.setAccessibleName("Colour scale")
        for box in (self.heat, self.truth, self.masks):
            box.setChecked(True)
        self.agreement.setToolTip("One more cell: how many methods flag a voxel")
        self.difference.setToolTip("One more cell: one method's map minus another's (orange: the first is higher)")
        self.slices.setPlaceholderText("heights in mm, like -10, 12.5; else chosen by the truth")
        self.slices.setAccessibleName("Slices")
        self.keys.setText("Keys")
        self.keys.setToolTip(as_html(COMPARE_WORDS))

    def _lay_out(self) -> None:
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.regions, "Regions")
        self.tabs.addTab(self._view_page(), "View")
        self.tabs.addTab(self._export_page(), "Export")
        self.tabs.setMinimumHeight(170)
        result = QVBoxLayout(self.result)
        result.setContentsMargins(0, 0, 0, 0)
        result.setSpacing(5)
        result.addWidget(self.threshold)
        result.addWidget(self.tabs, 1)
        result.addLayout(_row(self.view))
        footer = _row(self.show_table, self.keys, None, self.leave)
        footer.setContentsMargins(0, 0, 0, 0)
        self.footer.setLayout(footer)
        self.arrange(
            [wrapping_label(_PURPOSE), self.empty, self.setup],
            [self.button, self.run_bar],
            [self.outcome, self.messages, self.result],
            [self.footer],
            filling=self.result,
        )
        self.show_result(False)

    def _view_page(self) -> QWidget:
        page = QWidget()
        form = QFormLayout(page)
        form.setContentsMargins(2, 6, 2, 2)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Colours", self.scale)
        form.addRow(self.scale_words)
        form.addRow(_row(self.heat, self.truth, self.masks, None))
        form.addRow(_row(self.agreement, self.difference, None))
        form.addRow(_row(self.first, QLabel("minus"), self.second))
        return page

    def _export_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(2, 6, 2, 2)
        layout.addLayout(_row(QLabel("Slices"), self.slices, self.add_slice))
        layout.addLayout(_row(self.csv, self.montage, self.everything, None))
        layout.addLayout(_row(self.copy, None))
        layout.addStretch(1)
        return page


def button(text: str, tip: str) -> QPushButton:
    """A button as narrow as its text."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setMinimumWidth(made.fontMetrics().horizontalAdvance(text) + 16)
    return made


def _row(*parts: QWidget | None) -> QHBoxLayout:
    """Widgets side by side; None is what gives way."""
    row = QHBoxLayout()
    for part in parts:
        if part is None:
            row.addStretch(1)
        else:
            row.addWidget(part, 1 if isinstance(part, ComboBox | QLineEdit) else 0)
    return row
