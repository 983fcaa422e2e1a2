"""Saving and opening sessions: what the menu File > IO Utilities, the reader and ``brain-uad window`` call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info, show_warning
from napari.viewer import Viewer
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from ...core.errors import BrainUADError, Cancelled
from ...core.progress import Progress
from ...core.text import counted, readable
from ..app.docks import reopening_docks
from ..app.home import unwrapped
from ..app.settings import last_folder, remember
from ..app.steps import Steps
from ..app.workers import run
from .collect import collect
from .files import RECORD, SUFFIX, is_session, read_session, save_session
from .restore import Ready, computed, restoring

if TYPE_CHECKING:
    from .items import WindowSession


def save_session_as(viewer: Viewer) -> None:
    """Ask for a place and write what the viewer shows."""
    viewer = unwrapped(viewer)
    try:
        session = collect(viewer)
    except BrainUADError as error:
        show_error(str(error))
        return
    parent = viewer.window._qt_window
    name, _ = QFileDialog.getSaveFileName(
        parent, "Save session", str(last_folder() / f"session{SUFFIX}"), f"Session folder (*{SUFFIX})", options=_NO_QUESTION
    )
    if not name:
        return
    folder = Path(name if name.endswith(SUFFIX) else name + SUFFIX)
    if folder.exists() and not _replace(parent, folder):
        return
    save_to(viewer, session, folder)


_NO_QUESTION = QFileDialog.Option.DontConfirmOverwrite
"""Qt asks whether to replace a file; ours is a folder, and we say what happens to it."""


def _replace(parent: QWidget, folder: Path) -> bool:
    if not is_session(folder):
        show_error(f"{readable(folder.name)} is there and holds no session. Choose another name.")
        return False
    text = f"{readable(folder.name)} holds a session. Replace it?"
    return bool(QMessageBox.question(parent, "Save session", text) == QMessageBox.StandardButton.Yes)


def save_to(viewer: Viewer, session: WindowSession, folder: Path, on_end: Callable[[], None] | None = None) -> None:
    """Write a session in the background, and say so."""

    def done(_: object) -> None:
        viewer.status = ""
        remember("last_folder", str(folder.absolute().parent))
        left = f" Not kept: {'; '.join(session.left_out)}." if session.left_out else ""
        (show_warning if left else show_info)(f"Session saved: {counted(len(session.items), 'layer')} in {readable(folder.name)}.{left}")
        if on_end is not None:
            on_end()

    _in_background(viewer, lambda progress: save_session(session, folder, progress), done, on_end)


def ask_for_session(viewer: Viewer) -> None:
    """Ask for a session and add its layers."""
    viewer = unwrapped(viewer)
    filters = f"Session ({RECORD})"
    name, _ = QFileDialog.getOpenFileName(viewer.window._qt_window, f"Open session (its {RECORD})", str(last_folder()), filters)
    if name:
        open_session(viewer, Path(name).parent)


def open_session(viewer: Viewer, folder: Path, on_end: Callable[[], None] | None = None) -> None:
    """Read a session in the background, add its layers, open its docks, and say what could not be opened."""
    viewer = unwrapped(viewer)

    def read(progress: Progress) -> Ready:
        return computed(read_session(folder, progress.part(0.0, 0.5)), progress.part(0.5, 1.0))

    def show(ready: Ready) -> None:
        def ended() -> None:
            viewer.status = ""
            if ready.said:
                show_warning(f"{readable(folder.name)}: {'; '.join(ready.said)}")
            if on_end is not None:
                on_end()

        def work() -> Iterator[float]:
            yield from restoring(viewer, ready)
            yield from reopening_docks(viewer, ready.session.docks)

        Steps(work(), parent=viewer.window._qt_window, on_done=ended, on_broken=ended)

    _in_background(viewer, read, show, on_end)


def _in_background(
    viewer: Viewer, job: Callable[[Progress], object], on_done: Callable[..., None], on_end: Callable[[], None] | None
) -> None:
    """Run a job, its progress in the status bar."""

    def failed(error: Exception) -> None:
        viewer.status = ""
        if not isinstance(error, Cancelled):
            show_error(str(error))
        if on_end is not None:
            on_end()

    def report(fraction: float, message: str) -> None:
        viewer.status = f"{message} ({fraction:.0%})"

    run(job, parent=viewer.window._qt_window, on_done=on_done, on_error=failed, on_progress=report)
