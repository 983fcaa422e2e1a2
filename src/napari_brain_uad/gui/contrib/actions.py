"""Actions of the menu that need no dock."""

from __future__ import annotations

from napari.utils.notifications import show_info
from napari.viewer import Viewer

from ..layers.subjects import scan_of, scans, show_only


def show_only_subject(viewer: Viewer) -> None:
    """Hide all but the subject of the chosen layer, or of the topmost scan that is seen."""
    scan = scan_of(viewer, viewer.layers.selection.active)
    if scan is None:
        scan = next((layer for layer in reversed(scans(viewer)) if layer.visible), None)
    if scan is None:
        show_info("No scan is open: open one, or a sample")
    else:
        show_only(viewer, scan)
