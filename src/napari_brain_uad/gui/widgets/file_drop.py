"""Files and folders dropped on a dock are opened as if they were dropped on the canvas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtGui import QDragEnterEvent, QDropEvent

from .empty_state import open_files
from .side_dock import SideDock

if TYPE_CHECKING:
    from napari.viewer import Viewer


class FileDrop(SideDock):
    """A dock of a viewer that takes files.

    Parameters
    ----------
    viewer : Viewer
        Opens them.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.setAcceptDrops(True)

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        """Accept files."""
        data = None if a0 is None else a0.mimeData()
        if a0 is not None and data is not None and data.hasUrls():
            a0.acceptProposedAction()

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """Open dropped files as scans or masks, and folders by what they hold."""
        data = None if a0 is None else a0.mimeData()
        if data is not None:
            open_files(self.viewer, [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()])
