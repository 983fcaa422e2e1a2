"""Files that are dropped on a widget."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtGui import QDragEnterEvent, QDropEvent


def accept_files(event: QDragEnterEvent | None) -> None:
    """Let files be dropped; for ``dragEnterEvent``."""
    data = None if event is None else event.mimeData()
    if event is not None and data is not None and data.hasUrls():
        event.acceptProposedAction()


def dropped_files(event: QDropEvent | None) -> list[Path]:
    """The files of this machine that were dropped; for ``dropEvent``."""
    data = None if event is None else event.mimeData()
    return [] if data is None else [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
