"""Opening this plugin's docks from each other, as one tab area."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

PLUGIN = "napari-brain-uad"
WIDTH = 380
"""Of a dock, in pixels: wide enough for the longest row, narrow enough for a laptop."""

PRIMARY = "QPushButton { font-weight: bold; padding: 6px; } QPushButton:enabled { background: #2f6fb5; color: white; }"
"""Style of the one button that a dock is there for."""

# In the order of the work, which is the order of their tabs.
_DOCKS = {
    "Prepare": "prepare.dock:PrepareDock",
    "Detect anomalies": "detect.dock:DetectDock",
    "Tune": "tune.dock:TuneDock",
    "Compare": "compare.dock:CompareDock",
    "Batch": "batch.dock:BatchDock",
    "Ortho view": "ortho.dock:OrthoDock",
    "Train": "train.dock:TrainDock",
    "Models": "models.dock:ModelsDock",
}

_AT_BOTTOM = ("Ortho view",)
"""Docks that are far wider than high; the others are tabs on the right."""

_BOTTOM_HEIGHT, _LOW_WINDOW = 300, 900
_MARGIN, _LEAST_FLOATING = 30, 640


def open_dock(viewer: Viewer, title: str) -> Any:
    """Show one of our docks, in front of its tab area or at the bottom; opened if it is not there yet.

    Parameters
    ----------
    viewer : Viewer
        With a window.
    title : str
        As in the manifest.

    Returns
    -------
    QWidget
        The dock's content.
    """
    *_, widget = opening_dock(viewer, title)
    return widget


def opening_dock(viewer: Viewer, title: str) -> Iterator[Any]:
    """`open_dock` in steps; each yields the dock's content."""
    module, _, name = _DOCKS[title].partition(":")
    kind = getattr(import_module(f"..{module}", __package__), name)
    # By type: napari names a dock after the way it was opened (menu, command line, script).
    widget = next((widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, kind)), None)
    if widget is None:
        widget = kind(viewer)
        yield widget
        # The name the menu gives, so that the menu's tick belongs to this dock.
        side = title not in _AT_BOTTOM
        viewer.window.add_dock_widget(widget, name=f"{title} (Brain UAD)", area="right" if side else "bottom", tabify=side)
        yield widget
        if side:
            _sort_tabs(viewer)
    raise_dock(widget)
    yield widget


def tell_models_changed(viewer: Viewer) -> None:
    """Have every open dock that shows models read their list again."""
    window = getattr(viewer, "window", None)
    for widget in window.dock_widgets.values() if window is not None else ():
        if hasattr(widget, "refresh_models"):
            widget.refresh_models()


def raise_dock(widget: QWidget) -> None:
    """Bring the dock around `widget` to the front of its tabs."""
    around = _around(widget)
    if around is not None:
        around.show()
        around.raise_()


def settle(widget: QWidget) -> None:
    """Put a wide dock, which napari's menu opens at a side, at the bottom of its window, or afloat where that would be too low."""
    dock = _around(widget)
    window = None if dock is None else dock.parentWidget()
    if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
        return
    if window.height() < _LOW_WINDOW:
        # napari's layer controls and list leave no room below them: over them and the canvas, beside our other docks.
        beside = max((other.width() for other in window.findChildren(QDockWidget) if _on_the_right(window, other)), default=0)
        dock.setFloating(True)
        dock.resize(max(window.width() - beside - _MARGIN, _LEAST_FLOATING), window.height() - 3 * _MARGIN)
        dock.move(window.geometry().topLeft() + QPoint(_MARGIN // 2, _MARGIN))
        return
    if window.dockWidgetArea(dock) in (Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea):
        window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
    window.resizeDocks([dock], [_BOTTOM_HEIGHT], Qt.Orientation.Vertical)


def _on_the_right(window: QMainWindow, dock: QDockWidget) -> bool:
    return dock.isVisible() and not dock.isFloating() and window.dockWidgetArea(dock) == Qt.DockWidgetArea.RightDockWidgetArea


def _around(widget: QWidget) -> QDockWidget | None:
    around = widget.parentWidget()
    while around is not None and not isinstance(around, QDockWidget):
        around = around.parentWidget()
    return around


def _sort_tabs(viewer: Viewer) -> None:
    """Put our docks' tabs in the order of the work, whatever was opened first."""
    names = [content.partition(":")[2] for title, content in _DOCKS.items() if title not in _AT_BOTTOM]
    ours = [widget for widget in viewer.window.dock_widgets.values() if type(widget).__name__ in names]
    docks = [_around(widget) for widget in sorted(ours, key=lambda widget: names.index(type(widget).__name__))]
    for first, second in pairwise(docks):
        window = None if first is None else first.parentWidget()
        if second is not None and isinstance(window, QMainWindow) and not second.isFloating():
            # Each goes to the end of the tabs in its turn.
            window.tabifyDockWidget(first, second)
