"""Which sequence a scan is: as it was read, or as the user says."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtGui import QShowEvent

from ...core.errors import BrainUADError
from ...core.sequence import SEQUENCES
from ..layers.layers import read_volume_of, sequence_set, set_sequence
from .editors import ComboBox
from .layer_box import LayerBox


class SequenceBox(ComboBox):
    """Follows the box that chooses the scan; what is set stays with the scan's layer, so that every dock goes by it.

    Attributes
    ----------
    changed : Signal
        Emitted after the user set another sequence, here or in another dock.
    """

    changed = Signal()

    def __init__(self, scan: LayerBox) -> None:
        super().__init__()
        self._scan = scan
        self.setAccessibleName("Sequence")
        self.setToolTip("Decides which method is recommended, which model is taken, and which tissue counts as dark or bright")
        scan.layer_changed.connect(self.refresh)
        self.activated.connect(self._chosen)
        self.refresh()

    def refresh(self) -> None:
        """Show what is known of the scan."""
        layer = self._scan.layer
        self.clear()
        self.setEnabled(layer is not None)
        if layer is None:
            return
        try:
            read = read_volume_of(layer, values=False).sequence_words
        except BrainUADError:
            read = "sequence unknown"
        self.addItem(f"as read: {read}", None)
        for name in SEQUENCES:
            self.addItem(name, name)
        self.setCurrentIndex(max(0, self.findData(sequence_set(layer))))

    def choose(self, sequence: str | None) -> None:
        """Set the sequence as the user would; None takes it as read."""
        self.setCurrentIndex(max(0, self.findData(sequence)))
        self._chosen()

    def showEvent(self, event: QShowEvent | None) -> None:
        """It may have been set in another dock meanwhile."""
        super().showEvent(event)
        layer = self._scan.layer
        if layer is not None and sequence_set(layer) != self.currentData():
            self.refresh()
            self.changed.emit()

    def _chosen(self) -> None:
        layer = self._scan.layer
        if layer is not None and sequence_set(layer) != self.currentData():
            set_sequence(layer, self.currentData())
            self.changed.emit()
