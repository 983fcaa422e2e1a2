"""What a window's tab area of docks shows."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QTabBar, QWidget


def dock_tabs(viewer: Any) -> list[str]:
    """Titles of the tabs, from the left; none while there is only one dock."""
    window = viewer.window._qt_window
    # Qt keeps bars of earlier tab areas, hidden or out of sight.
    bars = [bar for bar in window.findChildren(QTabBar) if bar.parent() is window and not bar.visibleRegion().isEmpty()]
    return [bar.tabText(n) for bar in bars for n in range(bar.count())]


def docks_in_front(viewer: Any) -> list[QWidget]:
    """The contents of all plugins' docks that are seen."""
    return [content for content in viewer.window.dock_widgets.values() if not content.visibleRegion().isEmpty()]
