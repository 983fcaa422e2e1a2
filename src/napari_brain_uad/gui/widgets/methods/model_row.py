"""Choosing the trained model of a method that needs one."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ....core.text import html_text
from ....workflows.models.models import Model, default_model, list_models
from ..editors import ComboBox
from ..messages import wrapping_label
from .method_card import LINK


class ModelRow(QWidget):
    """The models of one method, the one for the scan's sequence chosen; "Load" for a file that is not in the list.

    Attributes
    ----------
    chosen : Signal
        Emitted after another model (or none) was chosen, by hand or for another method or sequence.
    asked : Signal(str)
        Emitted with "train" or "models" when the user asks to get a model.
    """

    chosen = Signal()
    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models: list[Model] = []
        self._loaded: list[Model] = []
        self._method = ""
        self._sequence: str | None = None
        self._by_hand = False
        self.box = ComboBox()
        self.box.setAccessibleName("Model")
        self.box.setPlaceholderText("No model")
        self.button = QPushButton("Load")
        self.button.setToolTip("Load a trained model (.safetensors) without adding it to the list of models")
        self.words = wrapping_label(rich=True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard)
        self.words.linkActivated.connect(self.asked.emit)
        self.box.activated.connect(self._picked)
        label = QLabel("Model")
        label.setBuddy(self.box)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.box, 1)
        row.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.words)

    @property
    def model(self) -> Model | None:
        """The chosen model."""
        index = self.box.currentIndex()
        return self._models[index] if 0 <= index < len(self._models) else None

    @property
    def path(self) -> Path | None:
        """The chosen model's file."""
        return None if self.model is None else self.model.path

    def show_method(self, method: str, sequence: str | None) -> None:
        """List the models of a method; what was chosen by hand stays, else the default for the sequence is taken."""
        other = method != self._method
        if other:
            self._by_hand, self._loaded = False, []
        self._method, self._sequence = method, sequence
        self._list(None if other else self.model)

    def refresh(self) -> None:
        """Read the list of models again."""
        self._list(self.model)

    def _list(self, before: Model | None) -> None:
        listed = list_models(self._method)
        self._models = [*listed, *(model for model in self._loaded if model.path not in {one.path for one in listed})]
        kept = before is not None and self._by_hand and before.path in {one.path for one in self._models}
        self._fill(before if kept else default_model(self._method, self._sequence))
        if self.model is not None and (before is None or self.model.sha256 != before.sha256):
            self.chosen.emit()

    def choose(self, model: Model) -> None:
        """Choose a model as if by hand; one that is not listed is added."""
        if model.path not in {one.path for one in self._models}:
            self._loaded.append(model)
            self._models.append(model)
        self._by_hand = True
        self._fill(model)
        self.chosen.emit()

    def _fill(self, chosen: Model | None) -> None:
        self.box.blockSignals(True)
        self.box.clear()
        for model in self._models:
            self.box.addItem(f"{model.title} ({', '.join(model.sequences)})" if model.sequences else model.title)
            tip = f"<qt>{html_text(model.id)}, SHA-256 {model.sha256}</qt>"
            self.box.setItemData(self.box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        paths = [model.path for model in self._models]
        self.box.setCurrentIndex(paths.index(chosen.path) if chosen is not None and chosen.path in paths else -1)
        self.box.setEnabled(bool(self._models))
        self.box.blockSignals(False)
        self._say()

    def _picked(self) -> None:
        self._by_hand = True
        self._say()
        self.chosen.emit()

    def _say(self) -> None:
        model, sequence = self.model, self._sequence
        self.box.setToolTip("" if model is None else f"<qt>{html_text(model.id)}<br>SHA-256 {model.sha256[:16]}...</qt>")
        text = ""
        if not self._models:
            text = f"This method learns from healthy scans, and there is no model of it yet: <a href='train' style='{LINK}'>train one</a>"
            text += f", or <a href='models' style='{LINK}'>import one</a>."
        elif model is None:
            text = f"There is no model for {sequence}: choose another's by hand, or <a href='train' style='{LINK}'>train one</a>."
        elif sequence and model.sequences and sequence not in model.sequences:
            text = f"This model was trained for {html_text(', '.join(model.sequences))}; this scan is {sequence}."
        self.words.setText(text)
        self.words.setVisible(bool(text))
