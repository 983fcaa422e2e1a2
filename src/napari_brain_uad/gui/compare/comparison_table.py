"""The comparison's table: one row a method, sorted by any column, with what each column means on its header."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSize, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QFont
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QVBoxLayout, QWidget

from ..app.home import raise_dock
from ..widgets.messages import wrapping_label

if TYPE_CHECKING:
    from napari.viewer import Viewer

_TITLE = "Comparison table (Brain UAD)"

WITH_TRUTH = (
    "method",
    "best_dice",
    "dice",
    "auprc",
    "auroc",
    "pro",
    "lesion_recall",
    "false_positive_regions",
    "flagged_ml",
    "regions",
    "mutual_dice",
    "threshold",
    "seconds",
    "memory_mb",
)
"""Columns of `workflows.compare.compare_table.COLUMNS`, in reading order."""

WITHOUT_TRUTH = ("method", "flagged_ml", "regions", "largest_region_ml", "mutual_dice", "threshold", "seconds", "memory_mb")
"""What is known without a ground truth."""

_VALUE = int(Qt.ItemDataRole.UserRole)
_Index = QModelIndex | QPersistentModelIndex


class ComparisonModel(QAbstractTableModel):
    """The rows of a comparison; a value that is not known (yet) is None and shown as a dash."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[dict[str, Any]] = []
        self.columns: tuple[str, ...] = WITHOUT_TRUTH
        self.moving = False

    def show_rows(self, rows: Sequence[dict[str, Any]], columns: tuple[str, ...], *, moving: bool = False) -> None:
        """Show other values; the whole table is laid out anew only when its rows or columns are others."""
        same = columns == self.columns and [row["method"] for row in rows] == [row["method"] for row in self.rows]
        if not same:
            self.beginResetModel()
        before, self.rows, self.columns, self.moving = self.rows, list(rows), columns, moving
        if same:
            # Cells that stay are not laid out and painted anew: most of them, while a threshold moves.
            for place, name in enumerate(columns):
                if [row[name] for row in before] != [row[name] for row in rows]:
                    self.dataChanged.emit(self.index(0, place), self.index(len(self.rows) - 1, place))
        else:
            self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        """One row a method."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        """What is known with, or without, a ground truth."""
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Titles of the columns, and on hovering their definitions."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        # In a function: the table's module brings the evaluation with it.
        from ...workflows.compare.compare_table import COLUMNS

        column = COLUMNS[self.columns[section]]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title
        if role == Qt.ItemDataRole.ToolTipRole:
            best = f" ({column.best} is good)" if column.best else ""
            return f"<qt><b>{html.escape(column.title)}</b>: {html.escape(column.definition)}{best}. Click to sort.</qt>"
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, value for sorting, and on hovering what stands behind it."""
        row, name = self.rows[index.row()], self.columns[index.column()]
        value = row[name]
        if role == _VALUE:
            return value
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if name == "method" else Qt.AlignmentFlag.AlignRight
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.FontRole:
            return self._font(index.column(), value)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(row, name)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        from ...workflows.compare.compare_table import cell

        return cell(name, value)

    def _font(self, column: int, value: Any) -> QFont | None:
        """The best value of a column in bold, where one can be said to be."""
        from ...workflows.compare.compare_table import COLUMNS

        name = self.columns[column]
        known = [row[name] for row in self.rows if row[name] is not None]
        best = COLUMNS[name].best
        if not best or len(known) < 2 or value is None or min(known) == max(known):
            return None
        if value != (max(known) if best == "high" else min(known)):
            return None
        font = QFont()
        font.setBold(True)
        return font

    def _tip(self, row: dict[str, Any], name: str) -> str | None:
        if row[name] is None and self.moving:
            return "Counted when the threshold rests"
        if name == "threshold":
            return f"<qt>{html.escape(str(row['threshold_origin']))}</qt>"
        if name in ("seconds", "memory_mb") and row["cached"]:
            return "Of the run that made the map; this time it came from the cache"
        return row["method"] if name == "method" else None


class _Sorted(QSortFilterProxyModel):
    """Sorts by value; what is not known stands last either way."""

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        """Qt's order of two cells."""
        one, other = left.data(_VALUE), right.data(_VALUE)
        if one is None or other is None:
            falling = self.sortOrder() == Qt.SortOrder.DescendingOrder
            return (one is None) == falling if (one is None) != (other is None) else False
        return bool(one < other)


class ComparisonTable(QWidget):
    """Shows the table and a sentence below it.

    Attributes
    ----------
    chosen : Signal(int)
        The number of the run whose row was clicked or reached by the keyboard.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = ComparisonModel(self)
        self._sorted = _Sorted(self)
        self._sorted.setSourceModel(self._model)
        self.view = QTableView()
        self.view.setModel(self._sorted)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setWordWrap(False)
        self.view.setTabKeyNavigation(False)  # Tab goes on to what comes next; the arrows go through the rows
        self.view.setSortingEnabled(True)
        self.view.setAccessibleName("Comparison")
        rows, columns = self.view.verticalHeader(), self.view.horizontalHeader()
        if rows is not None:
            rows.hide()
            rows.setDefaultSectionSize(22)
        if columns is not None:
            columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            columns.setSortIndicatorClearable(True)
            columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.words = wrapping_label()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.setSpacing(2)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.words)
        selection = self.view.selectionModel()
        if selection is not None:
            selection.currentRowChanged.connect(self._row_changed)
        self.view.clicked.connect(self._row_changed)

    def sizeHint(self) -> QSize:
        """As high as its rows, up to eight."""
        return QSize(600, 26 + 22 * min(max(len(self._model.rows), 2), 8) + self.fontMetrics().height() + 16)

    def minimumSizeHint(self) -> QSize:
        """Two rows."""
        return QSize(200, 26 + 44 + self.fontMetrics().height() + 8)

    def show_rows(self, rows: Sequence[dict[str, Any]], *, with_truth: bool, moving: bool = False) -> None:
        """Show the rows; the chosen one stays chosen."""
        self._model.show_rows(rows, WITH_TRUTH if with_truth else WITHOUT_TRUTH, moving=moving)
        self.updateGeometry()

    def choose(self, run: int) -> None:
        """Choose a run's row, as a click does."""
        self.view.selectRow(self._sorted.mapFromSource(self._model.index(run, 0)).row())

    @property
    def current(self) -> int | None:
        """The run of the chosen row."""
        index = self._sorted.mapToSource(self.view.currentIndex())
        return index.row() if index.isValid() else None

    def text(self, run: int, column: str) -> str:
        """The text of one cell."""
        return str(self._model.data(self._model.index(run, self._model.columns.index(column))))

    def order(self) -> list[int]:
        """The runs as they are sorted."""
        return [self._sorted.mapToSource(self._sorted.index(row, 0)).row() for row in range(self._sorted.rowCount())]

    def _row_changed(self, index: QModelIndex, _previous: QModelIndex | None = None) -> None:
        if index.isValid():
            self.chosen.emit(self._sorted.mapToSource(index).row())


def opening_table(viewer: Viewer, table: ComparisonTable) -> Iterator[None]:
    """Show the table below the viewer, in steps; it may have been closed by hand."""
    if table.parentWidget() is None:
        viewer.window.add_dock_widget(table, name=_TITLE, area="bottom")
        yield
    table.show()
    raise_dock(table)


def close_table(viewer: Viewer, table: ComparisonTable) -> None:
    """Take the table out of the window, if it is there."""
    if table.parentWidget() is not None:
        viewer.window.remove_dock_widget(table)
