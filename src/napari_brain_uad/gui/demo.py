"""The demo window: a sample, a run of Detect anomalies through its dock, and Tune beside it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import QObject, QTimer

from ..core.errors import InputError
from ..io.atomic import atomic_path
from ..workflows.samples import sample
from .docks import PLUGIN, open_dock

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from .detect_dock import DetectDock

_SIZE = (1600, 1000)
_POLL_MS = 100
_SETTLE_SECONDS = 2.0
"""Between the end of the run and the screenshot: Tune computes its regions, the canvas is drawn."""

_PATIENCE_SECONDS = 180.0


def open_demo(sample_id: str = "ms-flair-simulated", *, method: str = "threshold", screenshot: Path | None = None) -> int:
    """Open napari with a sample, detect anomalies as a click would, and show the result.

    Parameters
    ----------
    sample_id : str
        One of `workflows.samples.samples`.
    method : str
        A method that needs no model.
    screenshot : Path, optional
        Save a picture of the whole window here and close it, instead of leaving it to the user.

    Returns
    -------
    int
        0, or 1 when the run failed or took longer than three minutes; the dock then shows why.

    Raises
    ------
    InputError
        For an unknown sample, or a screenshot that cannot be written.
    """
    sample(sample_id)
    viewer = napari.Viewer()
    viewer.window.resize(*_SIZE)
    dock = open_dock(viewer, "Detect anomalies")
    viewer.open_sample(PLUGIN, sample_id)
    dock.inputs.method.choose(method)
    QTimer.singleShot(0, dock.button.click)
    photographer = None if screenshot is None else _Photographer(viewer, dock, screenshot)
    napari.run()
    if photographer is not None and photographer.error is not None:
        raise photographer.error
    return 0 if dock.detection is not None else 1


class _Photographer(QObject):
    """Waits for the run to end, takes the picture and closes the window."""

    def __init__(self, viewer: Viewer, dock: DetectDock, target: Path) -> None:
        super().__init__()
        self.error: InputError | None = None
        self._viewer, self._dock, self._target = viewer, dock, target
        self._start = self._busy = time.monotonic()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look)
        self._timer.start(_POLL_MS)

    def _look(self) -> None:
        now = time.monotonic()
        if self._dock.running:
            self._busy = now
        if now - self._start > _PATIENCE_SECONDS:
            self._dock.cancel()
        elif now - self._busy < _SETTLE_SECONDS:
            return
        self._timer.stop()
        try:
            with atomic_path(self._target) as temporary:
                self._viewer.window.screenshot(path=str(temporary), canvas_only=False, flash=False)
        except InputError as error:
            # An exception must not leave a slot: it is raised again when the event loop has ended.
            self.error = error
        self._viewer.close()
