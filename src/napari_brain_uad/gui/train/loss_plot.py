"""The loss of a training as it goes: of the training slices, and of healthy scans it has not seen."""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QWidget

from ..widgets.plots import Plot
from ..widgets.theme import BLUE, coloured

VALIDATION_COLOUR = BLUE


class LossPlot(Plot):
    """Two curves over the steps, on a logarithmic axis while all losses are above zero.

    Attributes
    ----------
    training, validation : list of (int, float)
        Step and loss, as drawn.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.training: list[tuple[int, float]] = []
        self.validation: list[tuple[int, float]] = []
        self.setFixedHeight(150)
        self.setLabel("bottom", "step")
        self.setLabel("left", "loss")
        self.getAxis("left").setWidth(58)
        self.getAxis("bottom").setHeight(40)
        self.setToolTip(
            "Thin: the slices trained on. Blue: healthy scans kept apart; when it rises while the thin line falls, training is over"
        )
        self._training = self.plot([], [])
        self._validation = self.plot([], [], symbol="o", symbolSize=6, symbolPen=None)
        self.colour_ink()

    def colour_ink(self) -> None:
        """See `Plot`."""
        self._training.setPen(pg.mkPen(self.ink, width=1))
        blue = coloured(VALIDATION_COLOUR, self.ink)
        self._validation.setPen(pg.mkPen(blue, width=2))
        self._validation.setSymbolBrush(blue)

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(200, 150)

    def clear_losses(self) -> None:
        """Start anew."""
        self.training, self.validation = [], []
        self._draw()

    def add(self, step: int, loss: float, validation: float | None) -> None:
        """Append what a training says."""
        self.training.append((step, loss))
        if validation is not None:
            self.validation.append((step, validation))
        self._draw()

    def add_many(self, rows: list[tuple[int, float, float | None]]) -> None:
        """Append what a training said before it was paused."""
        self.training += [(step, loss) for step, loss, _ in rows]
        self.validation += [(step, value) for step, _, value in rows if value is not None]
        self._draw()

    def _draw(self) -> None:
        values = [loss for _, loss in (*self.training, *self.validation)]
        logarithmic = bool(values) and min(values) > 0
        for curve, points in ((self._training, self.training), (self._validation, self.validation)):
            losses = np.array([loss for _, loss in points])
            curve.setData([step for step, _ in points], np.log10(losses) if logarithmic else losses)
        # Own ticks: pyqtgraph's for logarithms print over each other.
        self.getAxis("left").setTicks([ticks(min(values), max(values))] if logarithmic else None)
        self.enableAutoRange()


def ticks(low: float, high: float, most: int = 6) -> list[tuple[float, str]]:
    """Places (log10) and texts of round numbers from `low` to `high`, both above zero, and one beyond each."""
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    for mantissas in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        numbers = [mantissa * 10.0**exponent for exponent in exponents for mantissa in mantissas]
        first = max((place for place, number in enumerate(numbers) if number <= low), default=0)
        shown = [number for number in numbers[first:] if number <= high] + [number for number in numbers if number > high][:1]
        if len(shown) <= most:
            break
    step = -(-len(shown) // most)
    return [(math.log10(number), f"{number:g}") for number in shown[::step]]
