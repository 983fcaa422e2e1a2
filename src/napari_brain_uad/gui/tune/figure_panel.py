"""The figures of a threshold, in large."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget
from superqt import QElidingLabel

from ...evaluation.colours import FALSE_ALARM_COLOUR, HIT_COLOUR, MISS_COLOUR
from ..layers.tuning import Figures

_CELLS = (
    ("regions", "regions", "Connected regions of the mask"),
    ("volume_ml", "ml flagged", "Volume of the mask in millilitres"),
    ("false_positive_ml", "ml false alarm", "Volume flagged outside the ground truth"),
    ("dice", "Dice", "2 TP / (2 TP + FP + FN), over the voxels of the whole volume"),
    ("precision", "precision", "TP / (TP + FP): how much of what is flagged is in the ground truth"),
    ("recall", "recall", "TP / (TP + FN): how much of the ground truth is flagged"),
)
_NEED_TRUTH = ("false_positive_ml", "dice", "precision", "recall")


class FigurePanel(QWidget):
    """Regions and volume; with a ground truth also Dice, precision, recall and false-positive volume, and what the colours mean."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: dict[str, QLabel] = {}
        self._cells: dict[str, QWidget] = {}
        self._grid = grid = QGridLayout()
        grid.setSpacing(2)
        for place, (name, caption, tip) in enumerate(_CELLS):
            cell, value = _cell(caption, tip)
            self._cells[name], self._values[name] = cell, value
            grid.addWidget(cell, place // 3, place % 3)
        self._legend = QLabel(
            " &nbsp; ".join(
                f"<span style='color:{colour}'>&#9632;</span> {word}"
                for colour, word in ((HIT_COLOUR, "hit"), (FALSE_ALARM_COLOUR, "false alarm"), (MISS_COLOUR, "miss"))
            )
        )
        self._note = QElidingLabel()
        self._note.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(grid)
        self._below = QHBoxLayout()
        self._below.addWidget(self._legend)
        layout.addLayout(self._below)
        self.set_truth(False)

    def set_truth(self, there: bool) -> None:
        """Show or hide what needs a ground truth."""
        for name in _NEED_TRUTH:
            self._cells[name].setVisible(there)
        self._legend.setVisible(there)
        # Without a truth its place is that of the third figure: a line of its own, empty at rest, pushes what is below off a low screen.
        if there:
            self._below.addWidget(self._note, 1)
        else:
            self._grid.addWidget(self._note, 0, 2)
        for column, without in enumerate((2, 2, 3)):
            self._grid.setColumnStretch(column, 1 if there else without)

    def show_figures(self, figures: Figures) -> None:
        """Show the figures; a number that is not known (yet) is a dash."""
        for name, label in self._values.items():
            value = getattr(figures, name)
            text = "-" if value is None else (str(value) if name == "regions" else _short(value, name.endswith("_ml")))
            if label.text() != text:
                label.setText(text)

    def set_note(self, text: str) -> None:
        """What the figures stand for."""
        if self._note.text() != text:
            self._note.setText(text)

    def text(self, name: str) -> str:
        """The text of one figure ("dice", "volume_ml", ...)."""
        return self._values[name].text()


def _cell(caption: str, tip: str) -> tuple[QWidget, QLabel]:
    cell = QWidget()
    cell.setToolTip(tip)
    value, below = QLabel("-"), QElidingLabel(caption)
    # A style sheet: napari's own would override a font set on the label.
    value.setStyleSheet("font-size: 15pt; font-weight: bold;")
    below.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    layout = QVBoxLayout(cell)
    layout.setContentsMargins(4, 0, 0, 0)
    layout.setSpacing(0)
    layout.addWidget(_Frame(value))
    layout.addWidget(below)
    return cell, value


class _Frame(QWidget):
    """A label in a place of fixed height. No layout knows the label: each new number would have all of the dock laid out again."""

    def __init__(self, label: QLabel) -> None:
        super().__init__()
        label.setParent(self)
        label.ensurePolished()
        self._label = label
        self.setFixedHeight(label.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """The label is as large as its place."""
        super().resizeEvent(event)
        self._label.resize(self.size())


def _short(value: float, volume: bool) -> str:
    return f"{value:.2f}" if volume and value < 100 else (f"{value:.0f}" if volume else f"{value:.3f}")
