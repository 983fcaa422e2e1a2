"""Trainings that can go on: one line in the Train dock, hidden when there are none."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from ...core.errors import BrainUADError
from ...workflows.train.unfinished import Unfinished, discard, unfinished_trainings
from ..widgets.editors import ComboBox

_DELETE, _REALLY = "Delete", "Really"


class UnfinishedRow(QWidget):
    """A box with their names, and what can be done with the chosen one.

    Attributes
    ----------
    resumed : Signal(object)
        Emitted with the `Unfinished` to go on with.
    deleted : Signal
        Emitted after one was deleted.
    failed : Signal(object)
        Emitted with an exception to show.
    """

    resumed = Signal(object)
    deleted = Signal()
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = ComboBox()
        self.box.setAccessibleName("Unfinished trainings")
        self.resume, self.delete = QPushButton("Resume"), QPushButton(_DELETE)
        self.delete.setToolTip("Delete its checkpoint and log")
        self._found: tuple[Unfinished, ...] = ()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("Unfinished"))
        row.addWidget(self.box, 1)
        row.addWidget(self.resume)
        row.addWidget(self.delete)
        self.box.currentIndexChanged.connect(lambda _: self.delete.setText(_DELETE))
        self.resume.clicked.connect(self._resume)
        self.delete.clicked.connect(self._delete)

    def refresh(self) -> None:
        """Look for them again."""
        self._found = unfinished_trainings()
        self.box.clear()
        for one in self._found:
            steps = one.job.get("training", {}).get("steps", 0)
            # Of several stages each has so many: how many there are in all is not known here.
            of = f" of {steps:,}" if one.step <= steps else ""
            self.box.addItem(f"{one.name}: step {one.step:,}{of}")
        self.setVisible(bool(self._found))

    def _chosen(self) -> Unfinished | None:
        row = self.box.currentIndex()
        return self._found[row] if 0 <= row < len(self._found) else None

    def _resume(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self.resumed.emit(chosen)

    def _delete(self) -> None:
        """The first click asks, the second does it."""
        chosen = self._chosen()
        if chosen is None:
            return
        if self.delete.text() == _DELETE:
            self.delete.setText(_REALLY)
            return
        try:
            discard(chosen)
        except BrainUADError as error:
            self.failed.emit(error)
        self.refresh()
        self.deleted.emit()
