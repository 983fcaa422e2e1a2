"""What our docks on the right have in common: their place, their width, and what of them scrolls when the screen is low."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...core.errors import Cancelled
from ..app.home import WIDTH, Home, unwrapped
from ..app.lifetime import Lifetime
from ..app.workers import Job
from .drops import accept_files, dropped_files
from .empty_state import open_files
from .fitting_scroll import FittingScroll, WidgetColumn
from .messages import MessageArea
from .run_bar import RunBar

if TYPE_CHECKING:
    from napari.viewer import Viewer


class SideDock(QWidget):
    """Base of the docks of a viewer that compute: messages, a bar with *Cancel*, an end. Files dropped on it are opened as on the canvas.

    Parameters
    ----------
    viewer : Viewer
        What napari gives; a proxy of it is unwrapped.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = unwrapped(viewer)
        self.messages = MessageArea()
        self.run_bar = RunBar()
        self._home = Home(self)
        self._lifetime = Lifetime(self)
        self._lifetime.ended.connect(self._end)
        self.setAcceptDrops(True)

    def jobs(self) -> Iterable[Job | None]:
        """What is going on in the background; nobody hears of it any more when the dock ends."""
        return ()

    def show_failure(self, error: Exception, doing: str, kept: str = "Nothing was changed") -> None:
        """Say why a run ended early; a run that the user cancelled is no error.

        Parameters
        ----------
        error : Exception
            What it raised.
        doing : str
            What it was doing, like "Detecting anomalies".
        kept : str
            What is left of a cancelled run.
        """
        if isinstance(error, Cancelled):
            self.messages.show_message("info", "Cancelled", why=kept)
        else:
            self.messages.show_error(error, doing)

    def _end(self) -> None:
        """The dock was closed, or its window."""
        for job in self.jobs():
            if job is not None:
                job.abandon()
        self.deleteLater()

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

    def dragEnterEvent(self, a0: QDragEnterEvent | None) -> None:
        """Accept files."""
        accept_files(a0)

    def dropEvent(self, a0: QDropEvent | None) -> None:
        """Take what was dropped."""
        files = dropped_files(a0)
        if files:
            self.take_files(files)

    def take_files(self, files: list[Path]) -> None:
        """Open dropped files as scans or masks, and folders by what they hold; a dock for other files takes those."""
        open_files(self.viewer, files)
