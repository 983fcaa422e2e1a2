"""Opening this plugin's docks from each other, as one tab area."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QDockWidget, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

PLUGIN = "napari-brain-uad"
_DOCKS = {"Detect anomalies": "detect_dock:DetectDock", "Tune": "tune_dock:TuneDock"}


def open_dock(viewer: Viewer, title: str) -> Any:
    """Show one of our docks, in front of its tab area; opened if it is not there yet.

    Parameters
    ----------
    viewer : Viewer
        With a window.
    title : str
        As in the manifest.

    Returns
    -------
    DetectDock or TuneDock
        The dock's content.
    """
    module, _, name = _DOCKS[title].partition(":")
    kind = getattr(import_module(f".{module}", __package__), name)
    # By type: napari names a dock after the way it was opened (menu, command line, script).
    widget = next((widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, kind)), None)
    if widget is None:
        widget = kind(viewer)
        # The name the menu gives, so that the menu's tick belongs to this dock.
        viewer.window.add_dock_widget(widget, name=f"{title} (Brain UAD)", area="right", tabify=True)
    raise_dock(widget)
    return widget


def raise_dock(widget: QWidget) -> None:
    """Bring the dock around `widget` to the front of its tabs."""
    around = widget.parentWidget()
    while around is not None and not isinstance(around, QDockWidget):
        around = around.parentWidget()
    if around is not None:
        around.show()
        around.raise_()
