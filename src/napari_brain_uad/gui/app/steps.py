"""Work that only the main thread can do, in steps: the window answers between them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qtpy.QtCore import QObject, QTimer

_PAUSE_MS = 5
"""Between two steps: what waits, a repaint among it, comes first."""


class Steps(QObject):
    """Runs a generator, one step a turn of the event loop.

    Parameters
    ----------
    work : iterator of float
        Each step yields how much is done, 0 to 1. It puts right in a ``finally`` what must not stay half done.
    parent : QObject
        Whom it is for; when that is destroyed, the work stops.
    on_done : callable
        Called when the work is done.
    on_broken : callable
        Called when a step raised; the exception goes on to Qt.
    on_step : callable, optional
        Gets what a step yields.
    """

    def __init__(
        self,
        work: Iterator[float],
        *,
        parent: QObject,
        on_done: Callable[[], None],
        on_broken: Callable[[], None],
        on_step: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(parent)
        self._work: Iterator[float] | None = work
        self._on_done, self._on_broken, self._on_step = on_done, on_broken, on_step
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(self._turn)
        self._timer.start()

    @property
    def running(self) -> bool:
        """Whether there are steps left."""
        return self._work is not None

    def stop(self) -> None:
        """Take no further step; nothing is called any more."""
        work = self._end()
        if work is not None and hasattr(work, "close"):
            work.close()

    def _turn(self) -> None:
        if self._work is None:
            return
        raised = True
        try:
            done = next(self._work, None)
            raised = False
        finally:
            if raised:
                self._end()
                self._on_broken()
        if done is None:
            self._end()
            self._on_done()
            return
        if self._on_step is not None:
            self._on_step(done)
        self._timer.start()

    def _end(self) -> Iterator[float] | None:
        self._timer.stop()
        work, self._work = self._work, None
        self.deleteLater()
        return work


@contextmanager
def young_garbage_only() -> Iterator[None]:
    """Let Python's garbage collector look only at objects made from now on.

    napari has it go through everything after each change of many layers: a fifth of a second in a window with a few hundred thousand
    objects, none of which became garbage by adding layers.
    """
    if gc.get_freeze_count():  # whoever has it look at young objects only already ends that
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
