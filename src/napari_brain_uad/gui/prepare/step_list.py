"""The steps of a preparation with their state and what each one said."""

from __future__ import annotations

from typing import Literal

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QSizePolicy, QWidget

State = Literal["waiting", "running", "done", "kept", "failed"]

_MARKS: dict[State, str] = {"waiting": "\u25cb", "running": "\u25b6", "done": "\u2713", "kept": "\u2713", "failed": "\u2717"}
"""Signs, not colours: they are read without seeing colours."""

_WORDS: dict[State, str] = {"waiting": "", "running": "running", "done": "", "kept": "kept", "failed": "not done"}


class StepList(QListWidget):
    """One item for each step.

    Attributes
    ----------
    chosen : Signal
        Emitted with the number of the step that was chosen, by hand or by `choose`.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Steps")
        self._titles: list[str] = []
        self._states: list[State] = []
        self._told: list[str] = []
        self.currentRowChanged.connect(lambda row: self.chosen.emit(row) if row >= 0 else None)

    def set_steps(self, titles: list[str]) -> None:
        """Show these steps, all waiting."""
        self.clear()
        self._titles = titles
        self._states, self._told = ["waiting"] * len(titles), [""] * len(titles)
        for number in range(len(titles)):
            self.addItem(QListWidgetItem())
            self._write(number)

    def set_state(self, number: int, state: State, told: str = "") -> None:
        """Show how far a step is and what it said."""
        self._states[number], self._told[number] = state, told
        self._write(number)

    def state_of(self, number: int) -> State:
        """How far a step is."""
        return self._states[number]

    def told_of(self, number: int) -> str:
        """What a step said."""
        return self._told[number]

    def choose(self, number: int) -> None:
        """Choose a step."""
        self.setCurrentRow(number)

    def sizeHint(self) -> QSize:
        """As high as all items: the dock scrolls, not the list."""
        return QSize(super().sizeHint().width(), self._height())

    def minimumSizeHint(self) -> QSize:
        """As `sizeHint`: no item is cut off."""
        return QSize(60, self._height())

    def resizeEvent(self, e: QResizeEvent | None) -> None:
        """Texts wrap anew."""
        super().resizeEvent(e)
        self.scheduleDelayedItemsLayout()
        self.updateGeometry()

    def _height(self) -> int:
        rows = (self.visualItemRect(self.item(row)).height() for row in range(self.count()))
        return sum(rows) + 2 * self.frameWidth() + 2

    def _write(self, number: int) -> None:
        item = self.item(number)
        if item is None:
            return
        state = self._states[number]
        told = self._told[number] or _WORDS[state]
        item.setText(f"{_MARKS[state]}  {self._titles[number]}" + (f"\n{told}" if told else ""))
        self.updateGeometry()
