"""Choosing healthy scans, from the open ones or from files: what a fair threshold is measured on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget

from ...core.text import counted, html_text
from ...core.volume import Volume
from ..app.settings import last_folder, remember
from ..layers.layers import volume_of
from .empty_state import FILTER
from .layer_box import is_scan
from .messages import wrapping_label

if TYPE_CHECKING:
    from napari.components import ViewerModel


class HealthyChoice(QWidget):
    """A sentence on the healthy scans that are chosen, and a button to choose them.

    Attributes
    ----------
    changed : Signal
        Emitted after others were chosen.
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: list[Layer] = []
        self._files: list[Path] = []
        self.words = wrapping_label()
        self.button = QPushButton("Healthy scans")
        self.button.setToolTip(
            "<qt>Scans without lesions, of the same sequence. Every method scores them too, once. "
            "They take the place of the methods' healthy references under every rule, as with <i>compare --healthy</i>.</qt>"
        )
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(self._fill)
        self.button.setMenu(self.menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.words, 1)
        row.addWidget(self.button)
        self._show()

    @property
    def chosen(self) -> bool:
        """Whether there is any."""
        return bool(self._files) or any(layer in self._viewer.layers for layer in self._layers)

    def scans(self) -> tuple[Volume | Path, ...]:
        """The chosen scans; of the open ones those that still are.

        Raises
        ------
        InputError
            If a layer holds no 3-D image.
        """
        return (*(volume_of(layer) for layer in self._layers if layer in self._viewer.layers), *self._files)

    def choose_layer(self, layer: Layer, chosen: bool = True) -> None:
        """Take an open scan as healthy, or no longer."""
        self._layers = [one for one in self._layers if one is not layer] + ([layer] if chosen else [])
        self._show()
        self.changed.emit()

    def choose_files(self, files: list[Path]) -> None:
        """Take these files as healthy, in place of those chosen before."""
        self._files = files
        self._show()
        self.changed.emit()

    def clear(self) -> None:
        """Take no scan as healthy."""
        self._layers, self._files = [], []
        self._show()
        self.changed.emit()

    def _fill(self) -> None:
        self.menu.clear()
        for layer in self._viewer.layers:
            if is_scan(layer):
                action = self.menu.addAction(layer.name)
                if action is not None:
                    action.setCheckable(True)
                    action.setChecked(layer in self._layers)
                    action.toggled.connect(lambda chosen, layer=layer: self.choose_layer(layer, chosen))
        self.menu.addSeparator()
        ask = self.menu.addAction("From files")
        if ask is not None:
            ask.triggered.connect(self._ask)
        none = self.menu.addAction("None")
        if none is not None:
            none.setEnabled(self.chosen)
            none.triggered.connect(self.clear)

    def _ask(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(self, "Healthy scans", str(last_folder()), FILTER)
        if files:
            remember("last_folder", str(Path(files[0]).parent))
            self.choose_files([Path(file) for file in files])

    def _show(self) -> None:
        names = [layer.name for layer in self._layers] + [file.name for file in self._files]
        count = f"{counted(len(names), 'healthy scan')}"
        self.words.setText(count if names else "Choose scans without lesions")
        self.words.setToolTip(f"<qt>{'<br>'.join(map(html_text, names))}</qt>" if names else "")
