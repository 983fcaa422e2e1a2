"""Choosing scans with known anomalies, for the methods that learn from them beside healthy ones; counted in the background."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from ...core.errors import BrainUADError, Cancelled
from ...core.text import counted
from ..app import workers
from ..widgets.folder_line import FolderLine
from ..widgets.forms import row_label
from ..widgets.messages import ChecksLabel, wrapping_label

_NONE = "Scans with a mask of their lesions beside them, like a.nii.gz and a_seg.nii.gz. Left empty, the method does without."
_TIP = "Scans with a mask of their lesions: nothing is learned of them but what is marked"
_WAIT_MS = 400
"""After the last letter, before the folder is looked at."""


class AnomaliesBox(QWidget):
    """A folder of scans with known anomalies, and how many of them fit the healthy scans.

    Attributes
    ----------
    changed : Signal
        Emitted after another folder was given.
    count : int or None
        How many there are; None where none are asked for, and while they are counted.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.count: int | None = None
        self.folder = FolderLine(
            "Known anomalies", "Scans with a mask of their lesions: the method learns nothing of them but what is marked"
        )
        self.words, self.problems = wrapping_label(), ChecksLabel()
        self._error: BrainUADError | None = None
        self._method, self._data = "", dict[str, Any]()
        self._job: workers.Job | None = None
        self._waiting = QTimer(self)
        self._waiting.setSingleShot(True)
        self._waiting.setInterval(_WAIT_MS)
        self._waiting.timeout.connect(self._look)
        self.folder.changed.connect(self._edited)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(row_label("Known anomalies", self.folder), self.folder)
        for widget in (self.words, self.problems):
            form.addRow(widget)
        self._again()

    def beside(self, method: str, data: Mapping[str, Any]) -> None:
        """Count them again for this method and these healthy scans, as `TrainingData.from_dict` takes them; empty where there are none."""
        self._method, self._data = method, dict(data)
        self._again()

    def value(self) -> str:
        """The folder; empty when none was given.

        Raises
        ------
        BrainUADError
            If it was looked at, and cannot be used.
        """
        if self._error is not None:
            raise self._error
        return self.folder.path

    def stop(self) -> None:
        """Stop looking; for a dock that ends."""
        self._waiting.stop()
        if self._job is not None:
            self._job.abandon()

    def _edited(self) -> None:
        self._again()
        self.changed.emit()

    def _again(self) -> None:
        self.stop()
        self.count, self._error = None, None
        self.problems.show_checks()
        looking = bool(self.folder.path and self._data)
        self.words.setText("Looking for scans" if looking else "Counted once there are healthy scans." if self.folder.path else _NONE)
        if looking:
            self._waiting.start()

    def _look(self) -> None:
        path, method, data = self.folder.path, self._method, self._data
        self._job = workers.run(lambda _: _counted(path, method, data), parent=self, on_done=self._show_count, on_error=self._failed)

    def _show_count(self, count: int) -> None:
        self.count = count
        self.words.setText(f"{counted(count, 'scan')} with known anomalies.")

    def _failed(self, error: Exception) -> None:
        if isinstance(error, Cancelled):
            return
        self._error = error if isinstance(error, BrainUADError) else None
        self.words.clear()
        self.problems.show_checks(str(error))


def _counted(path: str, method: str, data: Mapping[str, Any]) -> int:
    # Here, in the job's thread: these workflows bring readers and image libraries.
    from ...workflows.train.known_anomalies import count_anomalies
    from ...workflows.train.training_data import TrainingData

    return count_anomalies(Path(path), method, TrainingData.from_dict(data))
