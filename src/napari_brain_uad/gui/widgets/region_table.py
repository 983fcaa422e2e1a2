"""The table of regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from ..layers.region_colours import region_colour

if TYPE_CHECKING:
    from ...postprocessing.regions import Region

_COLUMNS = ("No.", "ml", "Peak", "Centroid mm", "Truth")
_TIPS = (
    "Number, the strongest region first; without a ground truth, in the region's colour",
    "Volume in millilitres",
    "Highest score in the region, in the map's unit",
    "Centre of the region: right, anterior, superior",
    "Whether the region touches the ground truth",
)
_Index = QModelIndex | QPersistentModelIndex


class RegionModel(QAbstractTableModel):
    """Regions as rows. A model, because hundreds of regions as table items would cost more than finding them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.regions: tuple[Region, ...] = ()

    def show_regions(self, regions: tuple[Region, ...]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self.regions = regions
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        """One row a region."""
        return 0 if parent.isValid() else len(self.regions)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  # Qt's signature
        """Number, volume, peak, centroid, hit or miss."""
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Names of the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section]
        return _TIPS[section] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        region = self.regions[index.row()]
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0 and region.hit is None:
            return QColor(region_colour(region.number))
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return _text(region, index.column())

    def longest(self, column: int) -> int:
        """The row with the longest text in a column; 0 without rows."""
        return max(range(len(self.regions)), key=lambda row: len(_text(self.regions[row], column)), default=0)


def _text(region: Region, column: int) -> str:
    if column == 3:
        return ", ".join(f"{value:.0f}" for value in region.centroid_mm)
    if column == 4:
        return "" if region.hit is None else ("hit" if region.hit else "false")
    return (str(region.number), f"{region.volume_ml:.2f}", f"{region.peak:.4g}")[column]


class RegionTable(QTableView):
    """Shows regions; choosing a row asks to go there.

    Attributes
    ----------
    chosen : Signal(object)
        The `Region` that was clicked or reached by the keyboard.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = RegionModel(self)
        self.setModel(self._model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrap(False)
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
            columns.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        selection = self.selectionModel()
        if selection is not None:
            selection.currentRowChanged.connect(self._row_changed)
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

    def show_regions(self, regions: tuple[Region, ...]) -> None:
        """Replace the rows; none is chosen, and nothing jumps."""
        self._model.show_regions(regions)
        self.setColumnHidden(4, not regions or regions[0].hit is None)

    def choose(self, number: int) -> None:
        """Choose a region by its number, as a click does."""
        self.selectRow(number - 1)

    def _row_changed(self, index: QModelIndex, _previous: QModelIndex | None = None) -> None:
        if index.isValid():
            self.chosen.emit(self.regions[index.row()])
