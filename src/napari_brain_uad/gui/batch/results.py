"""The table of a batch: a row a scan, filled as the scans are done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

if TYPE_CHECKING:
    from ...workflows.cohort.batch import BatchOutcome
    from ...workflows.cohort.case import Case

_COLUMNS = ("Scan", "State", "Regions", "ml", "Dice")
_STATE = 1


class BatchResults(QTableWidget):
    """Shows what became of each scan.

    Attributes
    ----------
    opened : Signal(object)
        The `BatchOutcome` whose row was double-clicked, or Enter pressed on it; rows that failed or wait are not opened.
    """

    opened = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_COLUMNS), parent)
        self._rows: dict[str, int] = {}
        self._outcomes: dict[int, BatchOutcome] = {}
        self.setHorizontalHeaderLabels(_COLUMNS)
        self.setAccessibleName("Results")
        self.setToolTip("Double-click a scan, or press Enter on it, to open it with its result")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # Tab goes on to what comes next; the arrows go through the rows
        self.setMinimumHeight(100)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        if rows is not None:
            rows.hide()
            rows.setDefaultSectionSize(22)
        if columns is not None:
            columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        # By Enter or a double click; the system may ask for a single one.
        self.activated.connect(lambda index: self._open(index.row()))

    def start(self, scans: Sequence[Case]) -> None:
        """Show these scans, all waiting."""
        self._rows = {scan.name: row for row, scan in enumerate(scans)}
        self._outcomes = {}
        self.setRowCount(len(scans))
        for row, scan in enumerate(scans):
            self._fill(row, (scan.name, "waiting", "", "", ""), Path(str(scan.scan)).name)

    def working(self, name: str) -> None:
        """Mark the scan that is being worked on."""
        row = self._rows.get(name)
        if row is not None and row not in self._outcomes and (item := self.item(row, _STATE)) is not None:
            item.setText("running")
            self.scrollToItem(item)

    def show_outcome(self, outcome: BatchOutcome) -> None:
        """Fill a scan's row."""
        row = self._rows[outcome.case.name]
        self._outcomes[row] = outcome
        if outcome.error:
            self._fill(row, (outcome.case.name, "failed", "", "", ""), outcome.error)
            return
        dice = "" if outcome.dice is None else f"{outcome.dice:.3f}"
        tip = "\n".join(f"{one['volume_ml']:.2f} ml: {one['region_name']}" for one in outcome.regions[:5] if one["region_name"])
        self._fill(row, (outcome.case.name, "done", str(len(outcome.regions)), f"{outcome.volume_ml:.2f}", dice), tip)

    def stopped(self) -> None:
        """Nothing is worked on any more."""
        for row in range(self.rowCount()):
            item = self.item(row, _STATE)
            if row not in self._outcomes and item is not None:
                item.setText("not run")

    def states(self) -> list[str]:
        """The state of every scan, in the order of the rows."""
        items = (self.item(row, _STATE) for row in range(self.rowCount()))
        return [item.text() for item in items if item is not None]

    def _fill(self, row: int, texts: Sequence[str], tip: str) -> None:
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setToolTip(tip)
            if column > _STATE:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.setItem(row, column, item)

    def _open(self, row: int) -> None:
        outcome = self._outcomes.get(row)
        if outcome is not None and not outcome.error:
            self.opened.emit(outcome)
