"""A dropped folder: its DICOM series and image files, to choose from when there are several."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QDialog, QHBoxLayout, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from ...core.errors import InputError
from ...core.progress import Progress
from ...io.streams import is_file
from ..app import workers
from ..layers.layers import volume_layer
from ..widgets.messages import MessageArea, wrapping_label
from ..widgets.run_bar import RunBar
from .files import file_layers, warn

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from ...io.dicom.folder import Skipped

IMAGES = (".nii", ".nii.gz", ".mgz", ".mgh")
_MOST_FILES = 500
_MOST_LINES = 6


@dataclass(frozen=True)
class Choice:
    """One volume that a folder offers.

    Parameters
    ----------
    label : str
        For the list.
    path : Path
        An image file, or the folder of a series.
    uid : str
        The series; empty for a file.
    hint : str
        The scanner's free text, for the screen only: it may name the patient.
    """

    label: str
    path: Path
    uid: str = ""
    hint: str = field(default="", repr=False)


@dataclass(frozen=True)
class Offer:
    """What a folder offers.

    Parameters
    ----------
    choices : tuple of Choice
        Image files, then DICOM series.
    left_out : tuple of str
        What else lies in it and why it cannot be opened, with the files' names: for the screen only.
    """

    choices: tuple[Choice, ...]
    left_out: tuple[str, ...] = field(default=(), repr=False)


def find_choices(folder: Path) -> Offer:
    """Everything in a folder and its subfolders that can be opened; links are followed.

    Raises
    ------
    InputError
        If there is nothing, or too much.
    """
    from ...io.dicom.series import find_series, find_study
    from ...io.walk import Missed, walk_files

    missed = Missed()
    files = [path for path in walk_files(folder, missed) if path.name.lower().endswith(IMAGES)]
    if len(files) > _MOST_FILES:
        raise InputError(
            f"Folder {folder.name} holds {len(files)} images", why="that is too many to choose from", fix="Open one patient's folder"
        )
    choices = tuple(Choice(str(path.relative_to(folder)), path) for path in files)
    if choices and not holds_dicom(folder):
        return Offer(choices, missed.words(folder))
    try:
        study = find_study(folder)
    except InputError:
        if not choices:
            raise
        return Offer(choices, missed.words(folder))
    if not choices and not study.series:
        find_series(folder)  # raises, with the reason
    told = tuple(_told(one) for one in study.left_out if not (choices and one.code == "not-dicom"))
    series = tuple(Choice(one.label, folder, one.uid, one.description) for one in study.series)
    return Offer(choices + series, told)


def holds_dicom(folder: Path) -> bool:
    """Whether there is a DICOM file under a folder."""
    from ...io.dicom.frames import is_dicom
    from ...io.walk import walk

    for path in walk(folder):
        with suppress(InputError):
            if is_file(path) and is_dicom(path):
                return True
    return False


def _told(left: Skipped) -> str:
    named = ", ".join(left.names[:3]) + (" and more" if len(left.names) > 3 else "")
    return f"{left} ({named})" if named else str(left)


def open_choice(choice: Choice) -> list[tuple[Any, ...]]:
    """The layers of what was chosen, as data tuples.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    from ...io.dicom.series import read_series

    return [volume_layer(read_series(choice.path, choice.uid))] if choice.uid else file_layers(choice.path)


class SeriesPicker(QDialog):
    """Looks through a folder in the background; opens its only volume, or asks which. It does not stop the window.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers.
    folder : Path
        What was dropped.
    parent : QWidget, optional
        The window; when it is closed, so is this.
    """

    def __init__(self, viewer: ViewerModel, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._job: workers.Job | None = None
        self._choices: tuple[Choice, ...] = ()
        self.left_out = wrapping_label("")
        self.left_out.setVisible(False)
        self.left_out.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setWindowTitle("Open from a folder")
        self.setModal(False)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = wrapping_label("Looking through the folder")
        self.list = QListWidget()
        self.list.setAccessibleName("Series and files")
        self.run_bar = RunBar()
        self.messages = MessageArea()
        self.open_button = QPushButton("Open")
        self.open_button.clicked.connect(self.open_ticked)
        close = QPushButton("Close")
        close.clicked.connect(self.close)
        self.run_bar.cancelled.connect(self.close)
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.open_button)
        row.addWidget(close)
        layout = QVBoxLayout(self)
        for widget in (self.text, self.list, self.left_out, self.run_bar, self.messages):
            layout.addWidget(widget)
        layout.addLayout(row)
        self.resize(460, 320)
        self.open_button.setEnabled(False)
        self._job = workers.run(lambda _progress: find_choices(folder), parent=self, on_done=self._take, on_error=self._failed)

    @property
    def busy(self) -> bool:
        """Whether it is looking or reading."""
        return self._job is not None and self._job.running

    def open_ticked(self) -> None:
        """Read the ticked volumes in the background, then show them and close."""
        rows = range(self.list.count())
        ticked = [self._choices[n] for n in rows if (item := self.list.item(n)) and item.checkState() == Qt.CheckState.Checked]
        if ticked and not self.busy:
            self._read(ticked)

    def closeEvent(self, a0: QCloseEvent | None) -> None:
        """Whatever is going on is given up."""
        if self._job is not None:
            self._job.abandon()
        super().closeEvent(a0)

    def _take(self, offer: Offer) -> None:
        self._choices = choices = offer.choices
        if offer.left_out:
            more = f"\n... and {len(offer.left_out) - _MOST_LINES} more" if len(offer.left_out) > _MOST_LINES else ""
            self.left_out.setText("Left out:\n" + "\n".join(offer.left_out[:_MOST_LINES]) + more)
            self.left_out.setVisible(True)
        if len(choices) == 1:
            self._read(choices)
            return
        self.text.setText(f"The folder holds {len(choices)} volumes. Tick those to open.")
        for choice in choices:
            item = QListWidgetItem(f"{choice.label}  {choice.hint}".rstrip())
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            item.setCheckState(Qt.CheckState.Unchecked)
            self.list.addItem(item)
        self.list.itemChanged.connect(lambda _item: self._enable())
        self.show()

    def _enable(self) -> None:
        states = [item.checkState() for n in range(self.list.count()) if (item := self.list.item(n)) is not None]
        self.open_button.setEnabled(Qt.CheckState.Checked in states)

    def _read(self, choices: Sequence[Choice]) -> None:
        def read(progress: Progress) -> list[tuple[Any, ...]]:
            layers = []
            for number, choice in enumerate(choices):
                progress.update(number / len(choices), choice.label)
                layers += open_choice(choice)
            return layers

        self.messages.clear()
        self.open_button.setEnabled(False)
        self.run_bar.start()
        self._job = workers.run(read, parent=self, on_done=self._show, on_error=self._failed, on_progress=self.run_bar.report)

    def _show(self, layers: list[tuple[Any, ...]]) -> None:
        for data, meta, kind in layers:
            self._viewer.add_layer(Layer.create(data, meta, kind))
        self.close()
        warn(layers)

    def _failed(self, error: Exception) -> None:
        self.run_bar.stop()
        self._enable()
        self.messages.show_error(error, "Opening the folder")
        self.show()
