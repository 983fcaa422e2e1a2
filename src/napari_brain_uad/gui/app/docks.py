"""Opening this plugin's docks from each other, and all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .home import raise_dock

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.viewer import Viewer

PLUGIN = "napari-brain-uad"

PRIMARY = "QPushButton { font-weight: bold; padding: 6px; } QPushButton:enabled { background: #2f6fb5; color: white; }"
"""Style of the one button that a dock is there for."""

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
"""Docks that are far wider than high; the others are tabs on the right (see `home`)."""


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
        area = "bottom" if title in _AT_BOTTOM else "right"
        viewer.window.add_dock_widget(widget, name=f"{title} (Brain UAD)", area=area)
        yield widget
    raise_dock(widget)
    yield widget


def open_titles(viewer: ViewerModel) -> tuple[str, ...]:
    """Titles of our docks that are open, those in front of their tab area first; none without a window."""
    window = getattr(viewer, "window", None)
    open_now = {type(widget).__name__: widget for widget in window.dock_widgets.values()} if window is not None else {}
    found = {title: open_now[name] for title, place in _DOCKS.items() if (name := place.partition(":")[2]) in open_now}
    return tuple(sorted(found, key=lambda title: found[title].visibleRegion().isEmpty()))


def reopening_docks(viewer: Viewer, titles: Sequence[str]) -> Iterator[float]:
    """Open docks that were open before and are not now, in steps, the first of the known `titles` in front; others are left out."""
    missing = [title for title in titles if title in _DOCKS and title not in open_titles(viewer)]
    front = [title for title in titles if title in _DOCKS][:1] if missing else []
    for title in (*missing, *front):
        for _ in opening_dock(viewer, title):
            yield 1.0


def opening_workspace(viewer: Viewer) -> Iterator[float]:
    """Open all docks on the right, **Detect anomalies** in front; in steps that yield how much is done."""
    titles = [title for title in _DOCKS if title not in _AT_BOTTOM]
    for number, title in enumerate((*titles, "Detect anomalies")):
        for _ in opening_dock(viewer, title):
            yield number / len(titles)


def leaving_comparison(viewer: Viewer) -> Iterator[float]:
    """Have a dock that shows a comparison put the viewer back, in steps: what comes next would be one more of its cells."""
    window = getattr(viewer, "window", None)
    if window is None:
        return
    for widget in window.dock_widgets.values():
        if getattr(widget, "in_view", False):
            widget.leave_comparison()
    while any(getattr(widget, "in_view", False) for widget in window.dock_widgets.values()):
        yield 0.0


def tell_judged(viewer: Viewer, heat: Layer) -> None:
    """Have every open dock that shows a map's result work it out again: its settings, or the healthy reference, may be others now."""
    _tell(viewer, "judge_again", heat)


def tell_models_changed(viewer: Viewer) -> None:
    """Have every open dock that shows models read their list again."""
    _tell(viewer, "refresh_models")


def _tell(viewer: Viewer, what: str, *about: object) -> None:
    """Call this of every open dock that has it."""
    window = getattr(viewer, "window", None)
    for widget in window.dock_widgets.values() if window is not None else ():
        if hasattr(widget, what):
            getattr(widget, what)(*about)
