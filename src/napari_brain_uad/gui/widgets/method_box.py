"""Choosing a method: grouped by family, with the one recommended for the scan and why, and the card behind "?"."""

from __future__ import annotations

import html

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QWidget

from ...core.detector import MethodInfo
from ...detectors.registry import cards
from ...workflows.recommend import recommend
from .forms import ComboBox
from .messages import wrapping_label
from .method_card import LINK, MethodCard


class MethodBox(QWidget):
    """The method box with "?" beside it.

    Parameters
    ----------
    trainable : bool
        List only methods that are trained.
    parent : QWidget, optional
        As in Qt.

    Attributes
    ----------
    fit : QLabel
        Says what is recommended for the scan and why; whoever uses the box finds a place for it.
    card : MethodCard
        Shown and hidden by "?"; likewise.
    by_hand : bool
        Whether the user chose against the recommendation; otherwise another scan brings the method recommended for it.
    changed : Signal
        Emitted after another method was chosen.
    """

    changed = Signal()

    def __init__(self, *, trainable: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards = {info.id: info for info in cards() if info.trainable or not trainable}
        self._sequence: str | None = None
        self._recommended, self._why = "", ""
        self.by_hand = False
        self._items: dict[str, QStandardItem] = {}
        self.box = ComboBox()
        self.box.setModel(self._model())
        self.box.setAccessibleName("Method")
        self.ask = QToolButton()
        self.ask.setText("?")
        self.ask.setCheckable(True)
        self.ask.setToolTip("What this method is: paper, needs, licence, measured figures")
        self.card = MethodCard()
        self.fit = wrapping_label(rich=True)
        self.fit.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard)
        self.fit.linkActivated.connect(self.choose)
        self.ask.toggled.connect(self.card.setVisible)
        self.box.currentIndexChanged.connect(self._chosen)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box, 1)
        row.addWidget(self.ask)
        self.box.setCurrentIndex(self.box.findData(next(iter(self._cards))))
        self.box.activated.connect(self._picked)
        self._show()

    @property
    def info(self) -> MethodInfo:
        """The card of the chosen method."""
        return self._cards[self.box.currentData()]

    def choose(self, method: str) -> None:
        """Choose a method by its id as if by hand; an id that does not exist (any more) changes nothing."""
        index = self.box.findData(method)
        if index >= 0:
            self.by_hand = method != self._recommended
            self.box.setCurrentIndex(index)
            self._show()

    def set_sequence(self, sequence: str | None) -> None:
        """Mark the method that is recommended for this sequence, and choose it unless the user chose another."""
        self._sequence = sequence
        self._recommended, self._why = recommend(sequence)
        for method, item in self._items.items():
            name = self._cards[method].name
            item.setText(f"{name} - recommended for {_named(sequence)}" if method == self._recommended else name)
        if not self.by_hand:
            self.box.setCurrentIndex(self.box.findData(self._recommended))
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

    def _picked(self) -> None:
        self.by_hand = self.box.currentData() != self._recommended

    def _show(self) -> None:
        info = self.info
        self.card.show_method(info)
        self.box.setToolTip(info.summary)
        self.fit.setText(self._fit_words(info))
        self.fit.setVisible(bool(self.fit.text()))

    def _fit_words(self, info: MethodInfo) -> str:
        made_for = ", ".join(info.sequences)
        if not self._recommended:
            return f"Made for {made_for}." if made_for else ""
        why, named = html.escape(self._why), _named(self._sequence)
        if info.id == self._recommended:
            return f"Recommended for {named}: {why}."
        own = f"Made for {made_for}; this scan is {self._sequence}. " if self._sequence and info.sequences else ""
        own = "" if self._sequence in info.sequences else own
        name = html.escape(self._cards[self._recommended].name)
        return f"{own}For {named} <a href='{self._recommended}' style='{LINK}'>{name}</a> is recommended: {why}."


def _named(sequence: str | None) -> str:
    return sequence or "an unknown sequence"
