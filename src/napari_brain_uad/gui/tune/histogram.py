"""The plots of the Tune dock: a histogram with a line to drag, and the precision-recall curve with a dot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QGraphicsItem, QWidget

from ...evaluation.colours import FALSE_ALARM_COLOUR, HIT_COLOUR
from ...evaluation.curves import LiveHistogram
from ..widgets.plots import Plot

if TYPE_CHECKING:
    from ...calibration.reference import HealthyReference

_BARS = 200
"""Bars drawn: as many as a dock is pixels wide makes no difference to see and a large one to paint."""

_PLAIN = "#9A9A9A"
"""Bars without a ground truth: seen on dark and on light."""

_TIP = (
    "Drag the line. Bars: voxels of the brain at each score; with a ground truth, green lies inside it, orange outside. "
    "Dotted: an average healthy brain, where the method has a healthy reference"
)


class HistogramPlot(Plot):
    """Histogram of the brain's scores on a logarithmic axis, and the threshold as a line.

    Attributes
    ----------
    moved : Signal(float)
        While the user drags the line.
    """

    moved = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(150)
        self.getAxis("left").setLabel("voxels")
        self.getAxis("left").setWidth(46)
        self.getAxis("bottom").setHeight(34)
        self.setToolTip(_TIP)
        self._others = self._bars(FALSE_ALARM_COLOUR)
        self._truth = self._bars(HIT_COLOUR)
        self._healthy = self.plot([], [])
        self.line = pg.InfiniteLine(movable=True, angle=90, name="threshold")
        self.line.setCursor(Qt.CursorShape.SplitHCursor)
        self.addItem(self.line)
        self.line.sigDragged.connect(self._dragged)
        self.colour_ink()
        self.getAxis("left").setTicks([[(0, "0"), *((n, f"{10 ** (n % 3)}{'kM'[n // 3 - 1] if n >= 3 else ''}") for n in range(1, 8))]])

    def colour_ink(self) -> None:
        """See `Plot`."""
        self._healthy.setPen(pg.mkPen(self.ink, width=1.5, style=Qt.PenStyle.DotLine))
        self.line.setPen(pg.mkPen(self.ink, width=2))
        self.line.setHoverPen(pg.mkPen(self.ink, width=4))

    def show_histogram(self, live: LiveHistogram, unit: str) -> None:
        """Draw a histogram; with a ground truth its voxels stand before the others in another colour."""
        edges, others, truth = _thinned(live)
        self._others.setData(edges, np.log10(others + 1.0))
        self._others.setBrush(pg.mkBrush(_faded(FALSE_ALARM_COLOUR if live.has_truth else _PLAIN)))
        self._truth.setData(edges, np.log10(truth + 1.0))
        self._truth.setVisible(live.has_truth)
        # The unit is a sentence, longer than the axis: it is told on hovering.
        self.getAxis("bottom").setLabel("score")
        self.setToolTip(f"{_TIP}. Score: {unit}")
        margin = 0.01 * (edges[-1] - edges[0])
        self.setXRange(edges[0] - margin, edges[-1] + margin, padding=0)
        highest = float(np.log10(max(others.max(), truth.max(), 9) + 1.0))
        above = float(np.ceil(highest))
        # Room for the label of the power of ten above, where that is shown.
        self.setYRange(0, 1.08 * (above if above < 1.08 * highest else highest), padding=0)
        self.line.setBounds((edges[0] - margin, edges[-1] + margin))

    def show_healthy(self, live: LiveHistogram, healthy: HealthyReference | None) -> None:
        """Draw what an average healthy brain of this size would have, dotted; nothing without a reference that applies."""
        if healthy is None:
            self._healthy.setData([], [])
            return
        edges, others, truth = _thinned(live)
        expected = healthy.expected(edges, int(others.sum() + truth.sum()))
        self._healthy.setData((edges[:-1] + edges[1:]) / 2, np.log10(expected + 1.0))

    def set_threshold(self, value: float) -> None:
        """Put the line at a value (drawn at the plot's edge when it lies outside)."""
        self.line.blockSignals(True)
        self.line.setValue(value)
        self.line.blockSignals(False)

    def _dragged(self) -> None:
        self.moved.emit(float(self.line.value()))

    def _bars(self, colour: str) -> pg.PlotDataItem:
        bars = self.plot([0.0, 1.0], [0.0], stepMode="center", fillLevel=0.0, brush=pg.mkBrush(_faded(colour)), pen=None)
        # As a picture: a line that moves over hundreds of bars would have them filled anew.
        bars.curve.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        return bars


class CurvePlot(Plot):
    """Precision against recall over all thresholds; the dot is the mask now, and while the threshold moves all that lies above it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setXRange(0, 1, padding=0.03)
        self.setYRange(0, 1, padding=0.03)
        self.setLabel("bottom", "recall")
        self.setLabel("left", "precision")
        self.setMinimumHeight(100)
        self._curve = self.plot([], [])
        self._dot = pg.ScatterPlotItem(size=11, brush=pg.mkBrush(HIT_COLOUR))
        self.addItem(self._dot)
        self.colour_ink()

    def colour_ink(self) -> None:
        """See `Plot`."""
        self._curve.setPen(pg.mkPen(self.ink, width=2))
        self._dot.setPen(pg.mkPen(self.ink))

    def sizeHint(self) -> QSize:
        """Low: the plot takes what room the dock has."""
        return QSize(200, 110)

    def show_curve(self, live: LiveHistogram) -> None:
        """Draw the curve of a histogram; nothing without a ground truth."""
        recall, precision = curve_points(live)
        self._curve.setData(recall, precision)
        self._dot.clear()

    def set_dot(self, recall: float | None, precision: float | None) -> None:
        """Put the dot; none where precision or recall is undefined."""
        if recall is None or precision is None:
            self._dot.clear()
        else:
            self._dot.setData([recall], [precision])


def curve_points(live: LiveHistogram, points: int = 400) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and precision at thresholds spread over the histogram so that each step has as many voxels of truth."""
    if not live.has_truth or not live.positives.sum():
        return np.zeros(0), np.zeros(0)
    share = np.cumsum(live.positives) / live.positives.sum()
    # Bins hold many voxels of truth where the curve bends: walk them by rank, not by score.
    places = np.unique(np.searchsorted(share, np.linspace(0, 1, points)).clip(0, live.positives.size - 1))
    figures = [live.at(float(edge)) for edge in live.edges[places]]
    known = [(f.recall, f.precision) for f in figures if f.recall is not None and f.precision is not None]
    recall, precision = np.array(known, dtype=np.float64).reshape(-1, 2).T
    return recall, precision


def _thinned(live: LiveHistogram) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Bins added up to about `_BARS` bars."""
    step = max(1, live.negatives.size // _BARS)
    starts = np.arange(0, live.negatives.size, step)
    edges = np.append(live.edges[starts], live.edges[-1])
    return edges, np.add.reduceat(live.negatives, starts), np.add.reduceat(live.positives, starts)


def _faded(colour: str) -> pg.QtGui.QColor:
    faded = pg.mkColor(colour)
    faded.setAlpha(190)
    return faded
