"""A line for a folder, or for the CSV file of a data set: typed, chosen, or dropped."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from ..app.settings import last_folder, remember
from .drops import accept_files, dropped_files


class FolderLine(QWidget):
    """A line with a button beside it.

    Parameters
    ----------
    title : str
        What the folder holds: for the dialog, and for screen readers.
    tip : str
        What is to be known about it.

    Attributes
    ----------
    changed : Signal
        Emitted after another path was given.
    """

    changed = Signal()

    def __init__(self, title: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self.line, self.button = QLineEdit(), QPushButton("Browse")
        self.line.setPlaceholderText("Folder")
        self.line.setToolTip(tip)
        self.setToolTip(tip)
        self.line.setAccessibleName(title)
        self.line.setAcceptDrops(False)  # or it would take a dropped folder as text
        self.setAcceptDrops(True)
        self.setFocusProxy(self.line)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 1)
        row.addWidget(self.button)
        self.line.textChanged.connect(lambda _: self.changed.emit())
        self.button.clicked.connect(self._ask)

    @property
    def path(self) -> str:
        """What was given; empty when nothing was."""
        return self.line.text().strip()

    def take(self, path: Path) -> None:
        """Take a folder, the CSV file of a data set, or the folder of another file."""
        self.line.setText(str(path if path.is_dir() or path.suffix == ".csv" else path.parent))
        remember("last_folder", str(path if path.is_dir() else path.parent))

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        """Accept a folder."""
        accept_files(a0)

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """Take what was dropped."""
        files = dropped_files(a0)
        if files:
            self.take(files[0])

    def _ask(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self._title, self.path or str(last_folder()))
        if name:
            self.take(Path(name))
