"""Progress, remaining time and Cancel."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ...core.progress import Eta
from .messages import wrapping_label


class RunBar(QWidget):
    """Visible while a job runs.

    Attributes
    ----------
    cancelled : Signal
        Emitted when the user asks to stop.
    """

    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._eta = Eta()
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.left = QLabel()
        self.step = wrapping_label()
        self.button = QPushButton("Cancel")
        self.button.clicked.connect(self._cancel)
        row = QHBoxLayout()
        row.addWidget(self.bar, 1)
        row.addWidget(self.left)
        row.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.step)
        self.hide()

    def start(self) -> None:
        """Appear, at nothing done."""
        self._eta = Eta()
        self.bar.setValue(0)
        self.left.clear()
        self.step.setText("Starting")
        self.button.setEnabled(True)
        self.button.setText("Cancel")
        self.show()

    def report(self, fraction: float, message: str) -> None:
        """Show how far it is."""
        # The bar would paint itself at once, and with it Qt puts the whole window together again, the canvas read back from OpenGL.
        if self.bar.value() != round(1000 * fraction):
            self.bar.setUpdatesEnabled(False)
            self.bar.setValue(round(1000 * fraction))
            self.bar.setUpdatesEnabled(True)
        remaining = self._eta.remaining(fraction)
        self.left.setText("" if remaining is None else f"{time_words(remaining)} left")
        self.step.setText(message)

    def stop(self) -> None:
        """Disappear."""
        self.hide()

    def _cancel(self) -> None:
        self.button.setEnabled(False)
        self.button.setText("Cancelling")
        self.cancelled.emit()


def time_words(seconds: float) -> str:
    """A duration as one says it: "4 s", "3 min", "1.5 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
