"""Choosing healthy scans to train on: where from, how many, which sequence; counted and looked at in the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFormLayout, QWidget

from ...core.errors import Cancelled
from ...core.progress import Progress
from ..app import workers
from ..app.settings import remembered
from ..widgets.editors import ComboBox, IntBox
from ..widgets.folder_line import FolderLine
from ..widgets.forms import row_label
from ..widgets.messages import ChecksLabel, wrapping_label
from ..widgets.picture_strip import PictureStrip

if TYPE_CHECKING:
    from ...workflows.train.training_data import DataSummary

SOURCES = {"folder": "Folder of scans", "dataset": "Data set", "simulation": "Simulated from label maps"}
_SIMULATED = ("T1", "T1c", "T2", "FLAIR", "PD", "random")
_SEQUENCES = ("FLAIR", "T1", "T1c", "T2", "PD")
_PICTURES = 5
_WAIT_MS = 400
"""After the last change, before the scans are counted: typing a path must not count at every letter."""


@dataclass(frozen=True, eq=False)
class _Seen:
    data: dict[str, Any]
    summary: DataSummary


class DataBox(QWidget):
    """The form of a `workflows.train.training_data.TrainingData`.

    Attributes
    ----------
    changed : Signal
        Emitted after a value changed.
    counted : Signal
        Emitted after the scans were counted; `summary` then holds what was found.
    summary : DataSummary or None
        What is known of the data as it stands; None while it is being counted.
    """

    changed = Signal()
    counted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self.summary: DataSummary | None = None
        self._jobs: list[workers.Job] = []
        self.source, self.layout_box, self.sequence = ComboBox(), ComboBox(), ComboBox()
        self.folder = FolderLine("Healthy scans", "Scans of healthy subjects only: what is in them will count as normal")
        self.count, self.share = IntBox(), IntBox()
        self.words, self.problems = wrapping_label(), ChecksLabel()
        self.pictures = PictureStrip("Some of the scans")
        self._waiting = QTimer(self)
        self._waiting.setSingleShot(True)
        self._waiting.setInterval(_WAIT_MS)
        self._lay_out()
        self._connect()
        self._source_changed()

    def value(self) -> dict[str, Any]:
        """The data as `TrainingData.from_dict` takes it, without its seed."""
        source = self.source.currentData()
        return {
            "source": source,
            "path": self.folder.path,
            "dataset": self.layout_box.currentData() if source == "dataset" else "",
            "sequence": self.sequence.currentData(),
            "count": self.count.value(),
            "validation": self.share.value() / 100,
        }

    def set_value(self, data: dict[str, Any]) -> None:
        """Show these data."""
        self.source.setCurrentIndex(self.source.findData(data["source"]))
        self.folder.line.setText(data["path"])
        layout = data.get("dataset", "")
        if self.layout_box.findData(layout) < 0:  # the list may still be on its way
            self.layout_box.addItem(layout, layout)
        self.layout_box.setCurrentIndex(self.layout_box.findData(layout))
        self._offer(self.sequence.currentData(), also=data.get("sequence", ""))
        self.sequence.setCurrentIndex(max(0, self.sequence.findData(data.get("sequence", ""))))
        self.count.setValue(data.get("count", 0))
        self.share.setValue(round(100 * data.get("validation", 0.1)))

    def stop(self) -> None:
        """Stop looking at scans; for a dock that ends."""
        self._waiting.stop()
        for job in self._jobs:
            job.abandon()

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        """Accept a folder anywhere in the box."""
        self.folder.dragEnterEvent(a0)

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """Take a dropped folder (or the folder of a dropped file)."""
        self.folder.dropEvent(a0)

    def _source_changed(self) -> None:
        source = self.source.currentData()
        for row in (self.layout_box, self._layout_label):
            row.setVisible(source == "dataset")
        self._offer(self.sequence.currentData())
        self.count.setSpecialValueText("One a map" if source == "simulation" else "All")
        self._edited()

    def _offer(self, chosen: str | None, *, also: str = "") -> None:
        """List the sequences: of the simulator, or those that were found."""
        self.sequence.blockSignals(True)
        self.sequence.clear()
        if self.source.currentData() == "simulation":
            for name in _SIMULATED:
                self.sequence.addItem("Random contrast" if name == "random" else name, name)
        else:
            self.sequence.addItem("The only one", "")
            found = {} if self.summary is None else self.summary.sequences
            for name in found or _SEQUENCES:
                self.sequence.addItem(f"{name} ({found[name]})" if found else name, name)
            if also and self.sequence.findData(also) < 0:
                self.sequence.addItem(also, also)
        self.sequence.setCurrentIndex(max(0, self.sequence.findData(chosen)))
        self.sequence.blockSignals(False)

    def _edited(self, *_: object) -> None:
        for job in self._jobs:
            job.abandon()
        self._jobs.clear()
        self.summary = None
        self.problems.show_checks()
        self.pictures.show_rows([])
        self.words.setText("Looking for scans" if self.folder.path else "Choose a folder of healthy scans, or drop it here.")
        if self.folder.path:
            self._waiting.start()
        else:
            self._waiting.stop()
        self.changed.emit()

    def _list_layouts(self, layouts: list[tuple[str, str]]) -> None:
        chosen = self.layout_box.currentData()
        self.layout_box.blockSignals(True)
        while self.layout_box.count() > 1:
            self.layout_box.removeItem(1)
        for identifier, name in layouts:
            self.layout_box.addItem(name, identifier)
        self.layout_box.setCurrentIndex(max(0, self.layout_box.findData(chosen)))
        self.layout_box.blockSignals(False)

    def _look(self) -> None:
        data = self.value()
        self._jobs.append(workers.run(lambda _: _described(data), parent=self, on_done=self._counted, on_error=self._failed))

    def _counted(self, seen: _Seen) -> None:
        self.summary = seen.summary
        if seen.data["source"] != "simulation":
            self._offer(self.sequence.currentData(), also=seen.data["sequence"])
        self.words.setText(_sentence(seen.summary))
        self.problems.show_checks(*seen.summary.problems)
        self.counted.emit()
        if seen.summary.count:
            job = workers.run(lambda p: _pictures(seen.data, p), parent=self, on_done=self._show_pictures, on_error=self._failed)
            self._jobs.append(job)

    def _show_pictures(self, pictures: list[NDArray[np.float32]]) -> None:
        turned = remembered("convention") != "neurological"
        self.pictures.show_rows([("", [picture[:, ::-1] if turned else picture for picture in pictures])])

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, Cancelled):
            self.problems.show_checks(str(error))

    def _connect(self) -> None:
        self._waiting.timeout.connect(self._look)
        self.source.currentIndexChanged.connect(self._source_changed)
        self.folder.changed.connect(self._edited)
        for box in (self.layout_box, self.sequence):
            box.currentIndexChanged.connect(self._edited)
        for number in (self.count, self.share):
            number.valueChanged.connect(self._edited)

    def _lay_out(self) -> None:
        for name, text in SOURCES.items():
            self.source.addItem(text, name)
        self.layout_box.addItem("Found by its file names", "")
        workers.run(lambda _: _layouts(), parent=self, on_done=self._list_layouts, on_error=self._failed)
        self.count.setRange(0, 1_000_000)
        self.share.setRange(0, 90)
        self.share.setValue(10)
        self.share.setSuffix(" %")
        self.share.setToolTip("Subjects kept apart, to watch the loss on scans the training has not seen")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(row_label("Data", self.source), self.source)
        form.addRow(row_label("Folder", self.folder), self.folder)
        self._layout_label = row_label("Layout", self.layout_box)
        form.addRow(self._layout_label, self.layout_box)
        form.addRow(row_label("Sequence", self.sequence), self.sequence)
        form.addRow(row_label("Subjects", self.count), self.count)
        form.addRow(row_label("Kept apart", self.share), self.share)
        for widget in (self.words, self.problems, self.pictures):
            form.addRow(widget)


def _layouts() -> list[tuple[str, str]]:
    from ...datasets.registry import LAYOUTS

    return [(one.id, one.name) for one in LAYOUTS]


def _described(data: dict[str, Any]) -> _Seen:
    # Here, in the job's thread: these workflows bring readers and image libraries.
    from ...workflows.train.training_data import TrainingData, describe

    return _Seen(data, describe(TrainingData.from_dict(data)))


def _pictures(data: dict[str, Any], progress: Progress) -> list[NDArray[np.float32]]:
    from ...workflows.train.training_data import TrainingData, thumbnails

    found = thumbnails(TrainingData.from_dict(data), _PICTURES)
    progress.check()
    return found


def _sentence(summary: DataSummary) -> str:
    known = ", ".join(f"{name} {count}" for name, count in summary.sequences.items())
    return f"{summary.words}{f' ({known})' if known else ''}."
