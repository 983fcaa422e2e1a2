"""The demo window: a sample, a run of Detect anomalies through its dock, and Tune beside it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import QObject, QTimer

from ...core.errors import InputError
from ...io.atomic import atomic_path
from ...workflows.scans.samples import sample
from ..app.docks import PLUGIN, open_dock

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ..detect.dock import DetectDock

_SIZE = (1600, 1000)
_POLL_MS = 100
_SETTLE_SECONDS = 2.0
"""Between the end of the run and the screenshot: Tune computes its regions, the canvas is drawn."""

_PATIENCE_SECONDS = 180.0


def open_demo(sample_id: str = "ms-flair-simulated", *, methods: Sequence[str] = ("threshold",), screenshot: Path | None = None) -> int:
    """Open napari with a sample, detect anomalies as a click would, and show the result.

    Parameters
    ----------
    sample_id : str
        One of `workflows.scans.samples.samples`.
    methods : sequence of str
        Run one after the other; they need no model, or have one that came with the package.
    screenshot : Path, optional
        Save a picture of the whole window here and close it, instead of leaving it to the user.

    Returns
    -------
    int
        0, or 1 when a run failed or all took longer than three minutes; the dock then shows why.

    Raises
    ------
    InputError
        For an unknown sample, or a screenshot that cannot be written.
    """
    sample(sample_id)
    viewer = napari.Viewer()
    if screenshot is None:
        viewer.window._qt_window.showMaximized()
    else:
        viewer.window.resize(*_SIZE)
    dock = open_dock(viewer, "Detect anomalies")
    viewer.open_sample(PLUGIN, sample_id)
    runs = _Runs(dock, methods)
    photographer = None if screenshot is None else _Photographer(viewer, runs, dock, screenshot)
    napari.run()
    if photographer is not None and photographer.error is not None:
        raise photographer.error
    return 0 if runs.succeeded else 1


class _Runs(QObject):
    """Presses Detect anomalies for one method after the other."""

    def __init__(self, dock: DetectDock, methods: Sequence[str]) -> None:
        super().__init__()
        self._dock, self._left = dock, list(methods)
        self._before: object = None
        self._pressed = False
        self.failed = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._go_on)
        self._timer.start(_POLL_MS)

    @property
    def done(self) -> bool:
        """Whether no run is under way or to come."""
        return not self._left and not self._pressed

    @property
    def succeeded(self) -> bool:
        """Whether every method gave a result."""
        return self.done and not self.failed

    def _go_on(self) -> None:
        if self._dock.running:
            return
        if self._pressed:
            self._pressed = False
            self.failed |= self._dock.detection is self._before
        if self.failed or not self._left:
            self._left.clear()
            self._timer.stop()
            return
        self._before = self._dock.detection
        self._dock.inputs.method.choose(self._left.pop(0))
        self._pressed = True
        self._dock.button.click()


class _Photographer(QObject):
    """Waits for the runs to end, takes the picture and closes the window."""

    def __init__(self, viewer: Viewer, runs: _Runs, dock: DetectDock, target: Path) -> None:
        super().__init__()
        self.error: InputError | None = None
        self._viewer, self._runs, self._dock, self._target = viewer, runs, dock, target
        self._start = self._busy = time.monotonic()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._look)
        self._timer.start(_POLL_MS)

    def _look(self) -> None:
        now = time.monotonic()
        if not self._runs.done:
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
