"""The table of regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from ...postprocessing.edits import ACCEPTED, REJECTED
from ...postprocessing.region_colours import region_colour

if TYPE_CHECKING:
    from ...postprocessing.regions import Region

_COLUMNS = ("No.", "ml", "Peak", "Centre mm", "Truth", "Region name", "✓")
_CENTROID, _TRUTH, _NAME, _REVIEW = 3, 4, 5, 6
_TIPS = (
    "Number, the strongest region first; without a ground truth, in the region's colour",
    "Volume in millilitres",
    "Highest score in the region, in the map's unit",
    "Centre of the region: right, anterior, superior",
    "Whether the region touches the ground truth",
    "What the region lies in, by an atlas of coarse structures on MNI152",
    "What you said about the region: accepted (✓) or rejected (✗), and whether there is a note (✎)",
)
_MARKS = {ACCEPTED: "✓", REJECTED: "✗"}
_SHORT = {"left ": "L ", "right ": "R ", "cerebral ": "", "cerebellar ": "cerebellum, "}
NO_NAMES = "Not in MNI"
_Index = QModelIndex | QPersistentModelIndex


class RegionModel(QAbstractTableModel):
    """Regions as rows. A model, because hundreds of regions as table items would cost more than finding them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.regions: tuple[Region, ...] = ()
        self._no_names = ""

    def show_regions(self, regions: tuple[Region, ...], no_names: str = "") -> None:
        """Replace all rows; `no_names` says why the regions have no names."""
        self.beginResetModel()
        self.regions = regions
        self._no_names = no_names
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        """One row a region."""
        return 0 if parent.isValid() else len(self.regions)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        """Number, volume, peak, centroid, hit or miss, name, review."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Names of the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if section == _NAME and self._no_names:
            return {Qt.ItemDataRole.DisplayRole: NO_NAMES, Qt.ItemDataRole.ToolTipRole: self._no_names}.get(Qt.ItemDataRole(role))
        if role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section]
        return _TIPS[section] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if index.column() in (_NAME, _REVIEW) else Qt.AlignmentFlag.AlignRight
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        region = self.regions[index.row()]
        if role == Qt.ItemDataRole.FontRole and region.review == REJECTED:
            font = QFont()
            font.setStrikeOut(True)
            return font
        if role == Qt.ItemDataRole.ToolTipRole:
            return _words(region) or None
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0 and region.hit is None:
            return QColor(region_colour(region.number))
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return _text(region, index.column())

    def longest(self, column: int) -> int:
        """The row with the longest text in a column; 0 without rows."""
        return max(range(len(self.regions)), key=lambda row: len(_text(self.regions[row], column)), default=0)


def _text(region: Region, column: int) -> str:
    if column == _CENTROID:
        return ", ".join(f"{value:z.0f}" for value in region.centroid_mm)
    if column == _TRUTH:
        return "" if region.hit is None else ("hit" if region.hit else "false")
    if column == _NAME:
        return _short(region.name)
    if column == _REVIEW:
        return " ".join(filter(None, (_MARKS.get(region.review, ""), "✎" if region.note else "")))
    return (str(region.number), f"{region.volume_ml:.2f}", f"{region.peak:.4g}")[column]


def _short(name: str) -> str:
    """A region's name as the column has room for it; the row's tooltip has all of it."""
    for long, short in _SHORT.items():
        name = name.replace(long, short)
    return name


def _words(region: Region) -> str:
    """What a row holds that its columns have no room for."""
    merged = f"merged from {region.parts}" if region.parts > 1 else ""
    compared = region.verdict[:1].upper() + region.verdict[1:]
    here = "" if region.healthy_mean is None else f"Healthy brains score {region.healthy_mean:.3g} here on average"
    return "\n".join(filter(None, (region.name, compared, here, ", ".join(filter(None, (region.review, merged))), region.note)))


class RegionTable(QTableView):
    """Shows regions; choosing a row asks to go there.

    Attributes
    ----------
    chosen : Signal(object)
        The `Region` that was clicked or reached by the keyboard.
    selected_changed : Signal
        Emitted when other rows are selected.
    """

    chosen = Signal(object)
    selected_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = RegionModel(self)
        self._quiet = False
        self.setModel(self._model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)  # Tab goes on to what comes next; the arrows go through the rows
        self.setMinimumHeight(100)
        self.setAccessibleName("Regions")
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        if rows is not None:
            rows.hide()
            rows.setDefaultSectionSize(22)
        if columns is not None:
            columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            # Of the rows in sight; of the others `sizeHintForColumn` asks the one that needs the most room.
            columns.setResizeContentsPrecision(0)
            columns.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        selection = self.selectionModel()
        if selection is not None:
            selection.currentRowChanged.connect(self._row_changed)
            selection.selectionChanged.connect(lambda *_: self.selected_changed.emit())
        self.clicked.connect(self._row_changed)

    def sizeHintForColumn(self, column: int) -> int:
        """Room for the longest text, without laying out every row: with hundreds of regions that takes longer than finding them."""
        longest = self.sizeHintForIndex(self._model.index(self._model.longest(column), column)).width()
        return max(super().sizeHintForColumn(column), longest + 1)

    def sizeHint(self) -> QSize:
        """Low: the table takes what room the dock has, and scrolls."""
        return QSize(200, 110)

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions shown."""
        return self._model.regions

    @property
    def current(self) -> int | None:
        """Number of the chosen region."""
        row = self.currentIndex().row()
        return self.regions[row].number if 0 <= row < len(self.regions) else None

    @property
    def selected(self) -> list[int]:
        """Numbers of the selected regions."""
        selection = self.selectionModel()
        rows = [] if selection is None else selection.selectedRows()
        return sorted(self.regions[index.row()].number for index in rows)

    def allow_several(self) -> None:
        """Let several rows be selected, with Shift and Ctrl."""
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)

    def show_regions(self, regions: tuple[Region, ...], no_names: str | None = None) -> None:
        """Replace the rows; none is chosen, and nothing jumps.

        Parameters
        ----------
        regions : tuple of Region
            In the order of their numbers.
        no_names : str, optional
            Why the regions have no names, empty when they have; without it there is no column for names.
        """
        self._model.show_regions(regions, no_names or "")
        self.setColumnHidden(_TRUTH, not regions or regions[0].hit is None)
        self.setColumnHidden(_NAME, no_names is None)
        self.setColumnHidden(_REVIEW, not any(region.review or region.note for region in regions))
        columns = self.horizontalHeader()
        if columns is not None:
            mode = QHeaderView.ResizeMode
            columns.setSectionResizeMode(_CENTROID, mode.Stretch if no_names is None else mode.ResizeToContents)

    def select(self, numbers: Sequence[int]) -> None:
        """Select regions without going there."""
        selection = self.selectionModel()
        if selection is None or not numbers:
            return
        self._quiet = True
        try:
            flag = QItemSelectionModel.SelectionFlag
            rows = [self._model.index(number - 1, 0) for number in numbers]
            selection.setCurrentIndex(rows[0], flag.NoUpdate)
            for row in rows:
                selection.select(row, flag.Select | flag.Rows)
        finally:
            self._quiet = False

    def choose(self, number: int) -> None:
        """Choose a region by its number, as a click does."""
        self.selectRow(number - 1)

    def _row_changed(self, index: QModelIndex, _previous: QModelIndex | None = None) -> None:
        if index.isValid() and not self._quiet:
            self.chosen.emit(self.regions[index.row()])
