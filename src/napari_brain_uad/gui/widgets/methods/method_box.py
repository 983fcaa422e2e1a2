"""Choosing a method: grouped by family, with the one recommended for the scan and why, and the card behind "?"."""

from __future__ import annotations

import html
from weakref import WeakKeyDictionary, ref

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QHBoxLayout, QLabel, QStyledItemDelegate, QToolButton, QWidget

from ....core.detector import MethodInfo
from ....detectors.registry import cards
from ....workflows.models.models import list_models
from ....workflows.models.recommend import cannot_score, recommend
from ..editors import SHORT_FORM, ComboBox
from ..messages import wrapping_label
from .method_card import LINK, MethodCard

NO_MODEL = "No model: train or import one"
"""The heading, below all others, of methods that have nothing to score the scan with."""

GREY = "#8a8d96"
"""For what cannot be used now; read on dark and on light."""


class MethodBox(QWidget):
    """The method box with "?" beside it.

    Parameters
    ----------
    trainable : bool
        List only methods that are trained, to train them: whether they have a model does not matter.
    parent : QWidget, optional
        As in Qt.

    Attributes
    ----------
    fit : QLabel
        Says what is recommended for the scan and why; whoever uses the box finds a place for it.
    card : MethodCard
        Shown and hidden by "?"; likewise.
    by_hand : bool
        Whether the user chose against the recommendation for this scan; every scan begins with the method recommended for it.
    missing : str
        Why the chosen method cannot score the scan now, in two or three words; empty when it can.
    changed : Signal
        Emitted after another method was chosen.
    """

    changed = Signal()

    def __init__(self, *, trainable: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cards = {info.id: info for info in cards() if info.trainable or not trainable}
        self._to_train = trainable
        self._sequence: str | None = None
        self._recommended, self._why, self._last = "", "", ""
        self._scan: ref[object] | None = None
        self._choices: WeakKeyDictionary[object, str] = WeakKeyDictionary()
        self._waiting, self._named = "", "an unknown sequence"
        self._missing: dict[str, str] = {}
        self.box = ComboBox()
        self.box.setModel(QStandardItemModel(self))
        # Qt's own for combo boxes takes all colours from napari's style sheet, grey ones too.
        self.box.setItemDelegate(QStyledItemDelegate(self.box))
        self._fill()
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
        # In one row with its label: the names of methods need more room than the second column of a form has.
        label = QLabel("Method")
        label.setBuddy(self.box)
        row.addWidget(label)
        row.addWidget(self.box, 1)
        row.addWidget(self.ask)
        self.box.setCurrentIndex(self.box.findData(next(iter(self._cards))))
        self.box.activated.connect(self._picked)
        self._show()

    @property
    def info(self) -> MethodInfo:
        """The card of the chosen method."""
        return self._cards[self.box.currentData()]

    @property
    def by_hand(self) -> bool:
        """See the class."""
        return bool(self._choice())

    @property
    def missing(self) -> str:
        """See the class."""
        return self._missing.get(self.info.id, "")

    def choose(self, method: str) -> None:
        """Choose a method by its id as if by hand; an id that does not exist (any more) changes nothing."""
        index = self.box.findData(method)
        if index >= 0:
            self._note(method)
            self.box.setCurrentIndex(index)
            self._show()

    def offer(self, method: str) -> None:
        """Name the method of the last run, beside the recommended one; it is chosen only by a click."""
        self._last = method if method in self._cards else ""
        self._show()

    def set_sequence(self, sequence: str | None, scan: object | None = None, *, several: bool = False) -> None:
        """Mark the method that is recommended for this sequence, or for `several`, and choose it unless the user chose another here."""
        self._sequence, self._named = sequence, "several sequences" if several else sequence or "an unknown sequence"
        self._scan = None if scan is None else ref(scan)
        if scan is not None and self._waiting:
            # Chosen before there was a scan.
            self._choices[scan], self._waiting = self._waiting, ""
        self._recommended, self._why = recommend(sequence, several=several)
        self.refresh()
        self.box.setCurrentIndex(self.box.findData(self._choice() or self._recommended))
        self._show()

    def same_for(self, scan: object) -> None:
        """What the user chose for the scan at hand holds for another one, too, which is about to take its place."""
        self._choices[scan] = self._choice()

    def refresh(self) -> None:
        """Look again which methods have a model."""
        chosen = self.box.currentData()
        self.box.blockSignals(True)
        self._fill()
        self.box.setCurrentIndex(self.box.findData(chosen))
        self.box.blockSignals(False)

    def _choice(self) -> str:
        scan = None if self._scan is None else self._scan()
        return self._waiting if scan is None else self._choices.get(scan, "")

    def _note(self, method: str) -> None:
        chosen = "" if method == self._recommended else method
        scan = None if self._scan is None else self._scan()
        if scan is None:
            self._waiting = chosen
        else:
            self._choices[scan] = chosen

    def _fill(self) -> None:
        """List the methods by family, those without a model below all others."""
        models, asked = list_models(), () if self._to_train else self._cards
        self._missing = {method: cannot_score(method, self._sequence, models)[0] for method in asked}
        families = {method: NO_MODEL if self._missing.get(method) else info.family for method, info in self._cards.items()}
        model = self.box.model()
        assert isinstance(model, QStandardItemModel)  # as it was made
        model.clear()
        for family in sorted(dict.fromkeys(families.values()), key=lambda family: family == NO_MODEL):
            heading = QStandardItem(family)
            heading.setFlags(Qt.ItemFlag.NoItemFlags)
            font = heading.font()
            font.setBold(True)
            heading.setFont(font)
            model.appendRow(heading)
            for method in (method for method, its in families.items() if its == family):
                model.appendRow(self._item(self._cards[method]))

    def _item(self, info: MethodInfo) -> QStandardItem:
        item = QStandardItem(info.name)
        item.setData(info.id, Qt.ItemDataRole.UserRole)
        item.setData(info.name, SHORT_FORM)  # below the box it says what is recommended
        item.setToolTip(info.summary)
        if self._missing.get(info.id):
            # Grey, but it can be chosen: what it needs is then said below.
            item.setText(f"{info.name} ({self._missing[info.id]})")
            item.setForeground(QColor(GREY))
        elif info.id == self._recommended:
            item.setText(f"{info.name} - recommended for {self._named}")
        return item

    def _chosen(self) -> None:
        # A heading cannot be chosen by hand, but setModel starts at the first row.
        if self.box.currentData() is not None:
            self._show()
            self.changed.emit()

    def _picked(self) -> None:
        self._note(self.box.currentData())
        self._show()

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
        why, named = html.escape(self._why), self._named
        if info.id == self._recommended:
            return f"Recommended for {named}: {why}.{self._last_words(info)}"
        own = f"Made for {made_for}; this scan is {self._sequence}. " if self._sequence and info.sequences else ""
        own = "" if self._sequence in info.sequences else own
        name = html.escape(self._cards[self._recommended].name)
        return f"{own}For {named} <a href='{self._recommended}' style='{LINK}'>{name}</a> is recommended: {why}.{self._last_words(info)}"

    def _last_words(self, info: MethodInfo) -> str:
        if self._last in ("", info.id, self._recommended):
            return ""
        return f" Last used: <a href='{self._last}' style='{LINK}'>{html.escape(self._cards[self._last].name)}</a>."
