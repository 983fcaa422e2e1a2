"""The upper part of the Prepare dock: which scans, and what is to be done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QListWidget, QListWidgetItem, QSizePolicy, QWidget

from ...core.errors import BrainUADError
from ...core.volume import Volume
from ...preprocessing.presets import PRESETS, Preset
from ..layers.layers import outline_of
from ..layers.subjects import show_subject
from ..widgets.editors import ComboBox
from ..widgets.forms import Fold
from ..widgets.layer_box import LayerBox, is_scan
from ..widgets.messages import wrapping_label
from ..widgets.sequence_box import SequenceBox
from .layers import prepared_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

_ROWS = 4


class PrepareInputs(QWidget):
    """Scan, further sequences of the same patient, and preset.

    Attributes
    ----------
    scan_changed, preset_changed : Signal
        Emitted after other scans or another preset were chosen.
    """

    scan_changed = Signal()
    preset_changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scan = LayerBox(viewer, is_raw)
        self.sequence = SequenceBox(self.scan)
        self.facts, self.words = wrapping_label(), wrapping_label()
        self.others = QListWidget()
        self.preset = ComboBox()
        self._layers: list[Layer] = []
        for one in PRESETS.values():
            self.preset.addItem(f"{one.id}: {one.title}", one.id)
        self._lay_out()
        self.scan.layer_changed.connect(self._list_others)
        self.scan.listed.connect(self._list_others)
        self.sequence.changed.connect(self.scan_changed)
        self.scan.activated.connect(lambda: None if self.scan.layer is None else show_subject(viewer, self.scan.layer))
        self.others.itemChanged.connect(lambda _item: self.scan_changed.emit())
        self.preset.currentIndexChanged.connect(self._preset_chosen)
        self._preset_chosen()
        self._list_others()

    @property
    def chosen(self) -> Preset:
        """The chosen preset."""
        return PRESETS[self.preset.currentData()]

    def outline(self) -> Volume | None:
        """The chosen scan but for its values, None when there is none.

        Raises
        ------
        InputError
            If its layer holds no 3-D image.
        """
        return None if self.scan.layer is None else outline_of(self.scan.layer)

    def layers(self) -> list[Layer]:
        """The layers to prepare: the chosen one and the ticked ones."""
        ticked = [
            layer
            for row, layer in enumerate(self._layers)
            if (item := self.others.item(row)) is not None and item.checkState() == Qt.CheckState.Checked
        ]
        return ticked if self.scan.layer is None else [self.scan.layer, *ticked]

    def choose_preset(self, identifier: str) -> None:
        """Choose a preset by its id; an id that does not exist (any more) changes nothing."""
        index = self.preset.findData(identifier)
        if index >= 0:
            self.preset.setCurrentIndex(index)

    def tick(self, layer: Layer, ticked: bool = True) -> None:
        """Tick one of the further sequences."""
        item = self.others.item(self._layers.index(layer))
        if item is not None:
            item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)

    def disconnect_viewer(self) -> None:
        """Stop following the viewer; for a dock that ends."""
        self.scan.disconnect_viewer()

    def _list_others(self) -> None:
        """List every other scan, those that were ticked still so; all that is known of a sequence is on its item."""
        ticked = self.layers()[1:]
        self.others.blockSignals(True)
        self.others.clear()
        self._layers = [layer for layer in self.scan.layers() if layer is not self.scan.layer]
        for layer in self._layers:
            item = QListWidgetItem(_label(layer))
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
            item.setCheckState(Qt.CheckState.Checked if layer in ticked else Qt.CheckState.Unchecked)
            self.others.addItem(item)
        self.others.blockSignals(False)
        self._fold.setVisible(bool(self._layers))
        # Not the size hint of a row: it is too small until the list was shown once.
        row = self.others.fontMetrics().height() + 6
        self.others.setFixedHeight(min(_ROWS, len(self._layers)) * row + 2 * self.others.frameWidth() + 4)
        self.scan_changed.emit()

    def _preset_chosen(self) -> None:
        one = self.chosen
        self.words.setText(f"{one.notes[:1].upper()}{one.notes[1:]}.")
        self.words.setToolTip(f"<qt>{one.paper or 'No paper: our own.'}</qt>")
        self.preset_changed.emit()

    def _lay_out(self) -> None:
        self.scan.setAccessibleName("Scan")
        self.preset.setAccessibleName("Preset")
        self.preset.setToolTip("What is done to the scan, as the papers of the methods describe it")
        self.others.setAccessibleName("Other sequences of this patient")
        self.others.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._fold = Fold("Other sequences of this patient", self.others)
        self._fold.toggleButton().setToolTip("Ticked scans are aligned with the first of T1, T1c, FLAIR, T2, PD and prepared together")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 4, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for row in (("Scan", self.scan), ("Sequence", self.sequence), self.facts, self._fold, ("Preset", self.preset), self.words):
            form.addRow(*row) if isinstance(row, tuple) else form.addRow(row)


def is_raw(layer: Layer) -> bool:
    """Whether a layer may be a scan to prepare: one that we have not prepared already."""
    return is_scan(layer) and prepared_of(layer) is None


def _label(layer: Layer) -> str:
    try:
        sequence = outline_of(layer).sequence
    except BrainUADError:
        sequence = None
    return f"{layer.name} ({sequence})" if sequence and sequence != layer.name else layer.name
