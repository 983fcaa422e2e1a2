"""The row below the table of regions: what a person says about the chosen ones."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget

from ..app import keys

ACTS = {
    "accept": ("Accept", keys.ACCEPT, "The chosen regions are real"),
    "reject": ("Reject", keys.REJECT, "The chosen regions are not real: they leave the mask, not the table"),
    "merge": ("Merge", keys.MERGE, "The chosen regions are one: one number, joint volume, a box around all"),
    "clear": ("Clear", "", "Take the chosen regions as they were found: no review, no note, not merged"),
}
"""Name of the act: text of its button, key, tooltip."""


class ReviewBar(QWidget):
    """Buttons and the line for a note; grey where nothing is chosen.

    Attributes
    ----------
    acted : Signal(str)
        A name of `ACTS`.
    noted : Signal(str)
        The note that was typed for the chosen regions.
    """

    acted = Signal(str)
    noted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[str, QPushButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        for act, (text, key, tip) in ACTS.items():
            button = self.buttons[act] = QPushButton(text)
            button.setToolTip(f"{tip} ({key})" if key else tip)
            button.setMinimumWidth(button.fontMetrics().horizontalAdvance(text) + 14)
            button.clicked.connect(lambda _checked=False, act=act: self.acted.emit(act))
            row.addWidget(button)
        self.note = QLineEdit()
        self.note.setPlaceholderText("Note")
        self.note.setToolTip(f"A note on the chosen regions; Enter keeps it ({keys.NOTE})")
        self.note.setAccessibleName("Note on the chosen regions")
        self.note.setMinimumWidth(60)
        self.note.editingFinished.connect(self.keep_note)
        row.addWidget(self.note, 1)
        self._shown = ""
        self.show_chosen(0, "")

    def show_chosen(self, count: int, note: str) -> None:
        """Say how many regions are chosen, and the note that they share."""
        for act, button in self.buttons.items():
            button.setEnabled(count > (1 if act == "merge" else 0))
        self.note.setEnabled(count > 0)
        self._shown = note
        self.note.setText(note)

    @property
    def typed(self) -> str | None:
        """What was typed and is not kept yet."""
        return None if self.note.text() == self._shown else self.note.text()

    def keep_note(self) -> None:
        """Tell of what was typed, if anything was, as when the line is left."""
        typed = self.typed
        if typed is not None:
            self._shown = typed
            self.noted.emit(typed)
