"""Colours with a meaning that are read as text or thin lines, on dark and on light paper."""

from __future__ import annotations

from qtpy.QtCore import QEvent
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QLabel, QWidget

LINK_COLOUR, BLUE = "#4c9be8", "#56B4E9"
"""Of links, whose own colour Qt takes from elsewhere than the window, and of what is told from ink by its colour; both on dark paper."""

_ON_LIGHT = {LINK_COLOUR: "#1f5fa8", BLUE: "#0069a6"}
_MIDDLE = 128


def ink_of(widget: QWidget) -> QColor:
    """The colour of text in a widget."""
    return QColor(widget.palette().color(QPalette.ColorRole.WindowText))


def coloured(text: str, ink: QColor) -> str:
    """A colour of this module, or rich text with them, as it can be read on the paper that such ink is for."""
    if ink.lightness() >= _MIDDLE:
        return text
    for dark, light in _ON_LIGHT.items():
        text = text.replace(dark, light)
    return text


class RichLabel(QLabel):
    """A label of rich text whose colours of this module follow napari's theme."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._html = ""
        self.setText(text)

    def setText(self, a0: str | None) -> None:
        """Show rich text."""
        self._html = a0 or ""
        super().setText(coloured(self._html, ink_of(self)))

    def changeEvent(self, a0: QEvent | None) -> None:
        """Follow the theme: napari gives its window another style sheet."""
        super().changeEvent(a0)
        if a0 is not None and a0.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange) and hasattr(self, "_html"):
            wanted = coloured(self._html, ink_of(self))
            if wanted != self.text():
                super().setText(wanted)
