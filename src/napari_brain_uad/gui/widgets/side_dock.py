"""What our docks on the right have in common: their place, their width, and what of them scrolls when the screen is low."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ..app.home import WIDTH, Home
from .empty_state import open_files
from .fitting_scroll import FittingScroll, WidgetColumn

if TYPE_CHECKING:
    from napari.viewer import Viewer


class SideDock(QWidget):
    """The content of a dock."""

    def __init__(self) -> None:
        super().__init__()
        self._home = Home(self)

    def sizeHint(self) -> QSize:
        """Wide enough for the longest row, narrow enough for a laptop."""
        return QSize(WIDTH, super().sizeHint().height())

    def arrange(
        self,
        scrolled: Sequence[QWidget],
        fixed: Sequence[QWidget],
        after: Sequence[QWidget] = (),
        footer: Sequence[QWidget] = (),
        *,
        filling: QWidget | None = None,
    ) -> None:
        """Lay the parts out below each other.

        Parameters
        ----------
        scrolled : sequence of QWidget
            What is chosen; scrolls where there is not room for all of it.
        fixed : sequence of QWidget
            What stays in sight below it: the button that the dock is there for, its cost and its progress.
        after : sequence of QWidget
            What came of it; scrolls by itself.
        footer : sequence of QWidget
            Buttons for what came of it; always in sight.
        filling : QWidget, optional
            One of `scrolled` or `after`, which takes the room that is left.
        """
        layout = QVBoxLayout(self)
        layout.setSpacing(5)
        for parts, scrolls in ((scrolled, True), (fixed, False), (after, True), (footer, False)):
            fills = filling is not None and filling in parts
            if scrolls and parts:
                layout.addWidget(FittingScroll(WidgetColumn(parts, filling), fills=fills), int(fills))
            elif not scrolls:
                for part in parts:
                    layout.addWidget(part)
        if filling is None:
            layout.addStretch(1)


class FileDrop(SideDock):
    """A dock of a viewer; files and folders dropped on it are opened as if they were dropped on the canvas.

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
