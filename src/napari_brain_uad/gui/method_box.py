"""Choosing a method: grouped by family, with what is recommended for the scan, and the card behind "?"."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from ..core.detector import MethodInfo
from ..detectors.registry import cards
from .forms import ComboBox
from .messages import wrapping_label
from .method_card import MethodCard


class MethodBox(QWidget):
    """The method box with "?" beside it.

    Attributes
    ----------
    fit : QLabel
        Says whether the method is meant for the scan; whoever uses the box finds a place for it.
    card : MethodCard
        Shown and hidden by "?"; likewise.
    changed : Signal
        Emitted after another method was chosen.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards = {info.id: info for info in cards()}
        self._sequence: str | None = None
        self._items: dict[str, QStandardItem] = {}
        self.box = ComboBox()
        self.box.setModel(self._model())
        self.box.setAccessibleName("Method")
        self.ask = QToolButton()
        self.ask.setText("?")
        self.ask.setCheckable(True)
        self.ask.setToolTip("What this method is: paper, needs, licence, measured figures")
        self.card = MethodCard()
        self.fit = wrapping_label()
        self.ask.toggled.connect(self.card.setVisible)
        self.box.currentIndexChanged.connect(self._chosen)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box, 1)
        row.addWidget(self.ask)
        self.choose(next(iter(self._cards)))

    @property
    def info(self) -> MethodInfo:
        """The card of the chosen method."""
        return self._cards[self.box.currentData()]

    def choose(self, method: str) -> None:
        """Choose a method by its id; an id that does not exist (any more) changes nothing."""
        index = self.box.findData(method)
        if index >= 0:
            self.box.setCurrentIndex(index)
            self._show()

    def set_sequence(self, sequence: str | None) -> None:
        """Mark the methods that are meant for this sequence."""
        self._sequence = sequence
        for method, item in self._items.items():
            info = self._cards[method]
            item.setText(f"{info.name} - recommended for {sequence}" if sequence and sequence in info.sequences else info.name)
        self._show()

    def _model(self) -> QStandardItemModel:
        model = QStandardItemModel(self)
        families = list(dict.fromkeys(info.family for info in self._cards.values()))
        for family in families:
            heading = QStandardItem(family)
            heading.setFlags(Qt.ItemFlag.NoItemFlags)
            font = heading.font()
            font.setBold(True)
            heading.setFont(font)
            model.appendRow(heading)
            for info in (info for info in self._cards.values() if info.family == family):
                item = QStandardItem(info.name)
                item.setData(info.id, Qt.ItemDataRole.UserRole)
                item.setToolTip(info.summary)
                model.appendRow(item)
                self._items[info.id] = item
        return model

    def _chosen(self) -> None:
        # A heading cannot be chosen by hand, but setModel starts at the first row.
        if self.box.currentData() is not None:
            self._show()
            self.changed.emit()

    def _show(self) -> None:
        info = self.info
        self.card.show_method(info)
        self.box.setToolTip(info.summary)
        made_for = ", ".join(info.sequences)
        if not info.sequences or self._sequence is None:
            self.fit.setText(f"Made for {made_for}." if made_for else "")
        elif self._sequence in info.sequences:
            self.fit.setText(f"Recommended for {self._sequence}.")
        else:
            self.fit.setText(f"Made for {made_for}; this scan is {self._sequence}.")
        self.fit.setVisible(bool(self.fit.text()))
