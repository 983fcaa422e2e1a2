"""The regions of the method that is chosen in a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...core.text import counted
from ..layers.tuning import neighbour
from .messages import wrapping_label
from .region_table import RegionTable

if TYPE_CHECKING:
    from ...postprocessing.regions import Region


class RegionPage(QWidget):
    """A sentence, the table of regions, and a button that finds the worst false alarm.

    Attributes
    ----------
    chosen : Signal(object)
        The `Region` to go to.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = RegionTable()
        self.words = wrapping_label()
        self.worst = QPushButton("Worst false alarm")
        self.worst.setToolTip("Go to the strongest region of this method that touches no ground truth")
        row = QHBoxLayout()
        row.addWidget(self.words, 1)
        row.addWidget(self.worst)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 4, 2, 2)
        layout.addLayout(row)
        layout.addWidget(self.table, 1)
        self.table.chosen.connect(self.chosen)
        self.worst.clicked.connect(self._go_to_worst)

    def show_regions(self, title: str, regions: tuple[Region, ...]) -> None:
        """List a method's regions."""
        self.table.show_regions(regions)
        self.words.setText(f"{title}: {counted(len(regions), 'region')}")
        self.worst.setEnabled(any(region.hit is False for region in regions))

    def set_truth(self, there: bool) -> None:
        """False alarms are known only with a ground truth."""
        self.worst.setVisible(there)

    def step(self, step: int) -> None:
        """To the next region, or the one before."""
        number = neighbour([region.number for region in self.table.regions], self.table.current, step)
        if number is not None:
            self.table.choose(number)

    def _go_to_worst(self) -> None:
        # Strongest first.
        wrong = [region.number for region in self.table.regions if region.hit is False]
        if wrong:
            self.table.choose(wrong[0])
