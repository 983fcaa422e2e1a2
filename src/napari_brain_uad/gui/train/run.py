"""Listens to a training in its child process, from the window's own thread and without waiting for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from ...workflows.train.train_process import TrainingProcess

_POLL_MS = 100


class TrainRun(QObject):
    """Passes on what a child process says.

    Parameters
    ----------
    process : TrainingProcess
        Started.
    parent : QObject
        Owns it; when it is destroyed the child is asked to stop.

    Attributes
    ----------
    told : Signal(object)
        Emitted with every `TrainingEvent`, in order; the last one is of kind "done", "failed" or "cancelled".
    """

    told = Signal(object)

    def __init__(self, process: TrainingProcess, parent: QObject) -> None:
        super().__init__(parent)
        self.process = process
        # Not a slot of this object, which goes before its parent says that it goes.
        parent.destroyed.connect(lambda _parent=None: process.cancel())
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        self._timer.start(_POLL_MS)

    def cancel(self) -> None:
        """Ask the child to stop; it keeps its checkpoint."""
        self.process.cancel()

    def stop(self) -> None:
        """Pass on nothing any more."""
        self._timer.stop()

    def abandon(self) -> None:
        """Stop the child and pass on nothing any more."""
        self.stop()
        self.cancel()

    def _poll(self) -> None:
        for event in self.process.poll():
            self.told.emit(event)
