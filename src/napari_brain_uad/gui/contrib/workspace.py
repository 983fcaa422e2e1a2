"""All docks at once: the menu's **Workspace**, and ``brain-uad window``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ...core.errors import InputError
from ...datasets.plain import with_masks_beside
from ..app.docks import opening_workspace
from ..app.home import unwrapped
from ..app.steps import Steps
from ..widgets.empty_state import open_files

if TYPE_CHECKING:
    from napari.viewer import Viewer


class Workspace(QWidget):
    """Opens the docks Prepare, Detect, Tune, Compare, Train and Models, and goes.

    It is a dock only because a plugin's menu lists nothing else.

    Parameters
    ----------
    napari_viewer : Viewer
        Injected by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = unwrapped(napari_viewer)
        self._steps: Steps | None = None
        QVBoxLayout(self).addWidget(QLabel("Opening the workspace"))

    def event(self, a0: QEvent | None) -> bool:
        """Begin once napari has made it a dock; it cannot be taken out before."""
        if a0 is not None and a0.type() == QEvent.Type.ParentChange and self.parentWidget() is not None and self._steps is None:
            self._steps = Steps(opening_workspace(self._viewer), parent=self, on_done=self._go, on_broken=self._go)
        return super().event(a0)

    def _go(self) -> None:
        self._viewer.window.remove_dock_widget(self)
        self.deleteLater()


def open_window(files: Sequence[Path] = ()) -> int:
    """Open napari with the workspace and some files, and wait until it is closed.

    Parameters
    ----------
    files : sequence of Path
        Scans, masks, maps saved earlier, or folders of DICOM files. The brain mask and the ground truth that lie beside a scan and say so
        by their names are opened with it.

    Returns
    -------
    int
        0.

    Raises
    ------
    InputError
        For a file that does not exist.
    """
    for file in files:
        if not file.exists():
            raise InputError(f"There is no file {file}", fix="Check the path")
    viewer = napari.Viewer()
    window = viewer.window._qt_window
    window.showMaximized()

    def opened() -> None:
        open_files(viewer, with_masks_beside(files))

    # They end with the window.
    Steps(opening_workspace(viewer), parent=window, on_done=opened, on_broken=opened)
    napari.run()
    return 0
