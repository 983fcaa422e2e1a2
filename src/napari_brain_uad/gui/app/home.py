"""Where a dock of ours belongs: a tab on the right, beside our others, however it was opened."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QPoint, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

WIDTH = 380
"""Of a dock, in pixels: wide enough for the longest row, narrow enough for a laptop."""

ORDER = ("PrepareDock", "DetectDock", "TuneDock", "CompareDock", "BatchDock", "TrainDock", "ModelsDock")
"""The docks on the right, in the order of the work, which is the order of their tabs."""

_BOTTOM_HEIGHT, _LOW_WINDOW = 300, 900
_MARGIN, _LEAST_FLOATING = 30, 640


class Home(QObject):
    """Puts a dock's content among our other docks as soon as somebody puts it into a window.

    napari's menus and scripts open a dock below the one before. Side by side their least heights add up, and the window grows over
    the edge of the screen, from where it never comes back. What the user moves later stays where it was put.

    Parameters
    ----------
    widget : QWidget
        The dock's content, one of `ORDER`; owns this object.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        # A dock opened in a narrow window would keep the width it got there, with its rows cut off.
        widget.setMinimumWidth(WIDTH)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Note when the content gets its dock; no event is held back."""
        if event is not None and watched is self._widget and event.type() == QEvent.Type.ParentChange:
            dock = self._widget.parentWidget()
            if isinstance(dock, QDockWidget):
                dock.dockLocationChanged.connect(self._placed)
        return False

    def _placed(self, area: Qt.DockWidgetArea) -> None:
        """Before the window lays itself out: it must not grow for a stack that is about to become tabs."""
        dock = around(self._widget)
        window = None if dock is None else dock.parentWidget()
        if dock is None or not isinstance(window, QMainWindow) or area == Qt.DockWidgetArea.NoDockWidgetArea:
            return
        dock.dockLocationChanged.disconnect(self._placed)
        if area == Qt.DockWidgetArea.RightDockWidgetArea:
            # The table of a comparison lies below the canvas alone; across the window it would take height from our docks.
            window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
            # Seven tabs share the width of one dock: napari's names, which tell plugins apart, would all be cut off.
            dock.setWindowTitle(_name(dock).removesuffix("Dock"))
            sort_tabs(window)
            raise_dock(self._widget)


def unwrapped(viewer: Viewer) -> Viewer:
    """The viewer itself; a dock opened by a script or by ``napari -w`` gets a proxy, whose layers are never *the* layers of a list."""
    return getattr(viewer, "__wrapped__", viewer)


def sort_tabs(window: QMainWindow) -> None:
    """Make our docks on the right one stack of tabs, in the order of the work, whatever was opened first."""
    docks = [dock for dock in window.findChildren(QDockWidget) if _name(dock) in ORDER and _is_at_right(window, dock)]
    for first, second in pairwise(sorted(docks, key=lambda dock: ORDER.index(_name(dock)))):
        # Each goes to the end of the tabs in its turn.
        window.tabifyDockWidget(first, second)


def raise_dock(widget: QWidget) -> None:
    """Bring the dock around `widget` to the front of its tabs."""
    dock = around(widget)
    if dock is not None:
        dock.show()
        dock.raise_()


def settle(widget: QWidget) -> None:
    """Put a wide dock, which napari's menu opens at a side, at the bottom of its window, or afloat where that would be too low."""
    dock = around(widget)
    window = None if dock is None else dock.parentWidget()
    if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
        return
    if window.height() < _LOW_WINDOW:
        # napari's layer controls and list leave no room below them: over them and the canvas, beside our other docks.
        on_the_right = (other for other in window.findChildren(QDockWidget) if other.isVisible() and _is_at_right(window, other))
        beside = max((other.width() for other in on_the_right), default=0)
        dock.setFloating(True)
        dock.resize(max(window.width() - beside - _MARGIN, _LEAST_FLOATING), window.height() - 3 * _MARGIN)
        dock.move(window.geometry().topLeft() + QPoint(_MARGIN // 2, _MARGIN))
        return
    if window.dockWidgetArea(dock) in (Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea):
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
    window.resizeDocks([dock], [_BOTTOM_HEIGHT], Qt.Orientation.Vertical)


def around(widget: QWidget) -> QDockWidget | None:
    """The dock that holds `widget`, at any depth."""
    dock = widget.parentWidget()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    return dock


def _is_at_right(window: QMainWindow, dock: QDockWidget) -> bool:
    return not dock.isFloating() and window.dockWidgetArea(dock) == Qt.DockWidgetArea.RightDockWidgetArea


def _name(dock: QDockWidget) -> str:
    # By type: napari names a dock after the way it was opened (menu, command line, script).
    return type(dock.widget()).__name__
