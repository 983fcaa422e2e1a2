"""What a dock shows while there is no scan: what to do next, with the buttons to do it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from ...core.errors import BrainUADError
from ...io.pictures import is_picture_file
from ...workflows.scans.samples import samples
from ..app.docks import PLUGIN
from ..app.settings import last_folder
from .messages import wrapping_label

if TYPE_CHECKING:
    from napari.viewer import Viewer

FILTER = "Brain scans and slices (*.nii *.nii.gz *.mgz *.mgh *.hdr *.png *.jpg *.jpeg)"


class EmptyState(QFrame):
    """Invites to drop a file, open one, or open a sample.

    Attributes
    ----------
    failed : Signal
        Emitted with the exception when a sample cannot be opened.
    """

    failed = Signal(object)

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.setObjectName("empty")
        self.setStyleSheet("#empty { border: 1px dashed rgba(127, 127, 127, 200); border-radius: 6px; }")
        text = wrapping_label("Drop a NIfTI file, a DICOM folder or a picture of a slice here, or open a sample.")
        text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.sample = QPushButton("Open a sample")
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self._fill)
        self.sample.setMenu(self.menu)
        file = QPushButton("Open a file")
        file.clicked.connect(self._choose_file)
        row = QHBoxLayout()
        row.addStretch()
        row.addWidget(self.sample)
        row.addWidget(file)
        row.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 24, 10, 24)
        layout.addWidget(text)
        layout.addLayout(row)

    def open_sample(self, sample_id: str) -> None:
        """Open one of the sample scans, as File > Open Sample does."""
        self._viewer.open_sample(PLUGIN, sample_id)

    def _fill(self) -> None:
        self.menu.clear()
        try:
            for sample in samples():
                action = self.menu.addAction(f"{sample.title} ({sample.kind})" if sample.kind not in sample.title else sample.title)
                if action is not None:
                    action.setToolTip(sample.summary)
                    action.triggered.connect(lambda _checked=False, chosen=sample.id: self.open_sample(chosen))
        except BrainUADError as error:
            self.failed.emit(error)

    def _choose_file(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self, "Open a brain scan", str(last_folder()), FILTER)
        open_files(self._viewer, map(Path, files))


def open_files(viewer: Viewer, files: Iterable[Path]) -> None:
    """Open files with this plugin's reader, since others claim NIfTI too; pictures with napari's, as if they were dropped on it."""
    for file in files:
        viewer.open(file, plugin="napari" if is_picture_file(file) else PLUGIN)
