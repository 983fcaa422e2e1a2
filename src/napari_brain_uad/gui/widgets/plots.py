"""What all plots share: the colours of the window around them, and axes with plain numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pyqtgraph as pg
from qtpy.QtCore import QEvent
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QWidget

from ...core.numbers import number_text


class NumberAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """An axis whose numbers are those of the boxes beside the plot: pyqtgraph would write 515 and "x0.001" where they say 0.515."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.enableAutoSIPrefix(False)

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Texts of the ticks."""
        places = max(0, math.ceil(-math.log10(spacing * scale))) if spacing * scale > 0 else 0
        rounded = [round(float(value) * scale, places) for value in values]
        texts = [number_text(value) for value in rounded]
        # Ticks that only differ beyond these digits.
        return texts if len(set(texts)) == len(set(rounded)) else [f"{value:.{places}f}" for value in rounded]


class Plot(pg.PlotWidget):  # type: ignore[misc]  # pyqtgraph has no types
    """A plot that stays where it is, in the colours of napari's theme, also when that changes.

    A subclass draws what is neither background nor of a colour with a meaning in `colour_ink`.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent, background=None, axisItems={side: NumberAxis(side) for side in ("left", "bottom")})
        self._shown: tuple[str, str] | None = None
        self.setMouseEnabled(x=False, y=False)
        self.setMenuEnabled(False)
        self.hideButtons()

    @property
    def ink(self) -> QColor:
        """The colour of text around the plot."""
        return QColor(self.palette().color(QPalette.ColorRole.WindowText))

    def colour_ink(self) -> None:
        """Draw lines in `ink`."""

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow the theme: napari gives its window another style sheet."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            self.follow_theme()

    def showEvent(self, event: QEvent | None) -> None:
        """Follow the theme of the window that the plot has come into."""
        super().showEvent(event)
        self.follow_theme()

    def follow_theme(self) -> None:
        """Take the colours of the window."""
        paper = self.palette().color(QPalette.ColorRole.Window)
        colours = (self.ink.name(), paper.name())
        # Also called by what it changes itself, and while the plot is being made.
        if getattr(self, "_shown", colours) == colours:
            return
        self._shown = colours
        self.setBackground(paper)
        faint = QColor(self.ink)
        faint.setAlphaF(0.65)
        for side in ("left", "bottom"):
            self.getAxis(side).setPen(faint)
            self.getAxis(side).setTextPen(self.ink)
        self.colour_ink()
