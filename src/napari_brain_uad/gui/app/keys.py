"""The keys of the docks that look at regions: none of them is napari's, and the same one does the same in every dock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QWidget

NEXT_REGION, PREVIOUS_REGION = "Alt+Right", "Alt+Left"
THRESHOLD_UP, THRESHOLD_DOWN = "Ctrl+Alt+Up", "Ctrl+Alt+Down"
HEATMAP, TRUTH, NEXT_METHOD = "Ctrl+Alt+H", "Ctrl+Alt+G", "Ctrl+Alt+M"
ONLY_SUBJECT = "Ctrl+Alt+S"
ACCEPT, REJECT, MERGE, NOTE = "Ctrl+Alt+A", "Ctrl+Alt+R", "Ctrl+Alt+J", "Ctrl+Alt+N"
PLANE_KEYS = {"Ctrl+1": "axial", "Ctrl+2": "coronal", "Ctrl+3": "sagittal"}

COMPARE_WORDS = (
    (f"{NEXT_REGION}, {PREVIOUS_REGION}", "next, previous region of the chosen method"),
    (f"{THRESHOLD_UP}, {THRESHOLD_DOWN}", "threshold up, down"),
    (HEATMAP, "heatmaps on and off"),
    (TRUTH, "ground truth on and off"),
    (NEXT_METHOD, "next method"),
    (", ".join(PLANE_KEYS), ", ".join(PLANE_KEYS.values())),
    ("click in a cell", "the crosshair goes there in every cell"),
)


def bind(widget: QWidget, keys: Mapping[str, Callable[[], object]]) -> None:
    """Have keys do something wherever the focus is in the widget's window, as long as the widget is seen.

    Qt passes no key to the shortcuts of a widget behind a tab, so docks in one tab area may share keys. When two docks that share one are
    both seen, Qt asks one of them, by turns: both must do the same (see `pressed_elsewhere`).
    """
    for key, action in keys.items():
        shortcut = QShortcut(QKeySequence(key), widget, context=Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(action)
        shortcut.activatedAmbiguously.connect(action)


def pressed_elsewhere(key: str, widget: QWidget, others: Iterable[QWidget]) -> bool:
    """Do what a key does in the first of `others` that is seen and binds it; False when there is none."""
    wanted = QKeySequence(key)
    for other in others:
        if other is not widget and other.isVisible():
            for shortcut in other.findChildren(QShortcut):
                if shortcut.key() == wanted:
                    shortcut.activated.emit()
                    return True
    return False


def as_html(words: tuple[tuple[str, str], ...]) -> str:
    """A table of keys for a tooltip."""
    rows = "".join(f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{does}</td></tr>" for key, does in words)
    return f"<qt><table>{rows}</table></qt>"
