"""How the ortho view looks: three planes, a corner in 3-D, and the panel, in a row or in a square."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QCheckBox, QFrame, QGridLayout, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from ..app import keys
from ..layers.windowing import WINDOWS
from ..widgets.editors import ComboBox
from ..widgets.messages import wrapping_label
from ..widgets.view_bar import ViewBar
from .canvas import OrthoCanvas
from .plane import PlaneCanvas
from .readout import Readout
from .volume import VolumeCanvas

if TYPE_CHECKING:
    from napari.components import ViewerModel

_PANEL_WIDTH = 330
_ROW_FROM = 2.4
"""Width over height from which everything goes into one row."""

_NARROW = 560
_WORDS = (
    ("click or drag", "moves the crosshair, here and in the viewer"),
    ("wheel", "slices of the plane under the cursor"),
    ("Ctrl+wheel, right button", "zooms all planes"),
    ("middle button, Shift", "moves the picture"),
    ("double click", "all of the scan"),
    (f"{keys.NEXT_REGION}, {keys.PREVIOUS_REGION}", "next, previous region"),
    (f"{keys.HEATMAP}, {keys.TRUTH}", "heatmap, ground truth on and off"),
    (keys.NEXT_METHOD, "next method"),
)
_EMPTY = "There is no scan yet. Open one, or a sample (File > Open Sample); its three planes appear here."


class OrthoLayout(QWidget):
    """The parts of the ortho view.

    The panel stands beside the planes when they are in a row, in the fourth corner of a square, and below them where that is too narrow.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.planes: dict[str, PlaneCanvas] = {}
        self.volume: VolumeCanvas | None = None
        self.view = ViewBar(viewer)
        self.window_box = ComboBox()
        self.window_box.setAccessibleName("Window")
        self.window_box.setPlaceholderText("Window")
        self.window_box.addItems(list(WINDOWS))
        self.window_box.setToolTip("Grey levels of the scan, by percentiles of its tissue; by hand: contrast limits of its layer")
        self.window_box.setCurrentIndex(-1)
        self.reset = _button("Reset", "Grey levels and gamma as the scan was opened with, and all of it in sight")
        self.in_3d = QCheckBox("3-D")
        self.in_3d.setToolTip("Show heatmap and boxes in 3-D as well; slow without a graphics card")
        self.readout = Readout()
        self._empty = wrapping_label(_EMPTY)
        self.panel = self._make_panel()
        self.readout.setToolTip(keys.as_html(_WORDS))
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(2, 2, 2, 2)
        self._grid.setSpacing(2)
        self._arranged: tuple[str, bool] | None = None
        self.arrange()

    def sizeHint(self) -> QSize:
        """A row of three planes above the bottom of a laptop's screen."""
        return QSize(1000, 270)

    def show_empty(self, empty: bool) -> None:
        """Say what to do when there is nothing to show."""
        self._empty.setVisible(empty)
        self.readout.setVisible(not empty)

    def canvases(self) -> list[OrthoCanvas]:
        """The planes, and the 3-D canvas when there is one."""
        return [*self.planes.values(), *([] if self.volume is None else [self.volume])]

    def set_canvases(self, planes: dict[str, PlaneCanvas], volume: VolumeCanvas | None) -> None:
        """Show these canvases; those that are shown no more end."""
        kept = [*planes.values(), volume]
        for canvas in self.canvases():
            if canvas not in kept:
                self._grid.removeWidget(canvas)
                canvas.end()
                canvas.deleteLater()
        self.planes, self.volume, self._arranged = planes, volume, None
        self.arrange()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Arrange anew for another shape."""
        super().resizeEvent(event)
        self.arrange()

    def arrange(self) -> None:
        """Put the parts where the room is."""
        row = self.width() >= _ROW_FROM * self.height()
        shape = "row" if row else "narrow" if self.width() < _NARROW else "square"
        if self._arranged == (shape, self.volume is not None):
            return
        self._arranged = shape, self.volume is not None
        canvases = self.canvases()
        for widget in (*canvases, self.panel):
            self._grid.removeWidget(widget)
        columns = max(len(canvases), 1) if shape == "row" else 2
        for number, canvas in enumerate(canvases):
            self._grid.addWidget(canvas, *divmod(number, columns))
            canvas.show()
        if shape == "row":
            self._grid.addWidget(self.panel, 0, columns)
        elif shape == "square" and self.volume is None:
            self._grid.addWidget(self.panel, 1, 1)
        else:
            self._grid.addWidget(self.panel, 2, 0, 1, 2)
        self.panel.setMinimumWidth(_PANEL_WIDTH if shape == "row" else 0)
        self.panel.setMaximumWidth(_PANEL_WIDTH if shape == "row" else 16_777_215)
        for column in range(6):
            self._grid.setColumnStretch(column, int(column < columns))
        for line in range(3):
            self._grid.setRowStretch(
                line, 2 if line < (1 if shape == "row" else 2) else int(self._grid.itemAtPosition(line, 0) is not None)
            )

    def _make_panel(self) -> QScrollArea:
        choices = QHBoxLayout()
        choices.setSpacing(4)
        for widget, stretch in ((self.window_box, 1), (self.reset, 0), (self.in_3d, 0)):
            choices.addWidget(widget, stretch)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(4, 2, 4, 2)
        layout.setSpacing(4)
        layout.addWidget(self.view)
        layout.addLayout(choices)
        layout.addWidget(self._empty)
        layout.addWidget(self.readout)
        layout.addStretch()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setMinimumHeight(80)
        area.setWidget(content)
        return area


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    # Qt's own least width for buttons is more than this row has.
    button.setMinimumWidth(button.fontMetrics().horizontalAdvance(text) + 16)
    return button
