"""When a dock ends: napari takes a closed dock's widget out of its window without destroying it, and a window may go first."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QDockWidget, QWidget


class Lifetime(QObject):
    """Watches a widget in a dock.

    Parameters
    ----------
    widget : QWidget
        The dock's content; owns this object.

    Attributes
    ----------
    ended : Signal
        Emitted once, when the dock was closed (not when it is hidden behind a tab) or its window was.
    """

    ended = Signal()

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._window: QWidget | None = None
        self._closing = self._over = self._went_with_window = False
        widget.installEventFilter(self)

    @property
    def over(self) -> bool:
        """Whether the dock or its window was closed; results must not be shown any more."""
        if not self._over:
            self._check_window()
        return self._over

    @property
    def window_closed(self) -> bool:
        """Whether the window around the dock was closed, and its viewer with it."""
        return self._went_with_window or (self._closing and self._window is not None and not self._window.isVisible())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Note closing and re-parenting; no event is held back."""
        if event is not None:
            kind = event.type()
            if watched is self._widget and kind == QEvent.Type.ParentChange:
                self._moved()
            elif watched is self._widget and kind == QEvent.Type.Show:
                self._watch(_main_window(self._widget))
            elif watched is self._window and kind == QEvent.Type.Close:
                self._closing = True
                # The window may still refuse to close; ask once it has decided.
                QTimer.singleShot(0, self._check_window)
            elif watched is self._window and kind == QEvent.Type.Hide:
                self._check_window()
        return False

    def _moved(self) -> None:
        if self._widget.parentWidget() is None:
            self._end()
        else:
            self._watch(_main_window(self._widget))

    def _watch(self, window: QWidget | None) -> None:
        if window is self._window or window is self._widget or window is None:
            return
        if self._window is not None:
            self._window.removeEventFilter(self)
        self._window = window
        window.installEventFilter(self)

    def _check_window(self) -> None:
        if self.window_closed:
            self._end()

    def _end(self) -> None:
        if not self._over:
            self._over, self._went_with_window = True, self.window_closed
            # A closed dock may be kept a while by whoever opened it; the window, with napari's canvas, need not be.
            self._window = None
            self.ended.emit()


def _main_window(widget: QWidget) -> QWidget | None:
    """The window that a widget goes with; a dock afloat is a window of its own, but goes with the one it was taken out of."""
    window = widget.window()
    while isinstance(window, QDockWidget) and (owner := window.parentWidget()) is not None:
        window = owner.window()
    return window
