"""Where the threshold that all methods of a comparison share is set: a rule, a number, a slider, and a sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QSlider, QVBoxLayout, QWidget

from ...core.errors import InputError
from ...core.threshold import HEALTHY_ML, RULES, ThresholdRule
from ..widgets.editors import ComboBox
from ..widgets.healthy_choice import HealthyChoice
from ..widgets.messages import wrapping_label
from ..widgets.threshold_row import ShortBox
from .comparing import LIVE

if TYPE_CHECKING:
    from napari.components import ViewerModel

_RULES = {
    "auto": ("each method's own", "Every method follows its own default rule"),
    "percentile": ("percentile", "Every method flags the same part of this brain"),
    "value": ("one score", "One score for all; only where the scores have one unit"),
    HEALTHY_ML: ("same false alarm", "Every method flags the same volume in healthy scans: the fair one"),
    "best-dice": ("best Dice", "Each method's best Dice on this scan; uses the ground truth"),
    "otsu": ("Otsu", "Otsu on each method's map"),
}
_START = {"percentile": 98.0, HEALTHY_ML: 2.0}
_STEPS = 1000
_FAR = 1e30
"""As far as a box for numbers goes."""
_LOWEST_ML, _HIGHEST_ML = 0.01, 100.0
_LOWEST_PERCENTILE = 75.0


class SharedThreshold(QWidget):
    """The rule that all methods follow.

    Attributes
    ----------
    moved : Signal(float)
        While a number moves, by the slider, the arrows or the keys.
    rule_chosen : Signal(ThresholdRule)
        A rule was chosen.
    """

    moved = Signal(float)
    rule_chosen = Signal(object)

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._range = (0.0, 1.0)
        self._numbers = dict(_START)
        self.rule = ComboBox()
        for kind, (title, tip) in _RULES.items():
            self.rule.addItem(title, kind)
            self.rule.setItemData(self.rule.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.rule.setAccessibleName("Threshold rule")
        self.rule.setToolTip("The rule that all methods follow")
        self.number = ShortBox()
        self.number.setAccessibleName("Threshold")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setAccessibleName("Threshold slider")
        self.healthy = HealthyChoice(viewer)
        self.words = wrapping_label()
        row = QHBoxLayout()
        row.addWidget(self.rule, 1)
        row.addWidget(self.number)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(row)
        layout.addWidget(self.slider)
        layout.addWidget(self.healthy)
        layout.addWidget(self.words)
        self.rule.activated.connect(self._chosen)
        self.healthy.changed.connect(self._show_healthy)
        self.number.valueChanged.connect(self._typed)
        self.slider.valueChanged.connect(self._slid)
        self._show()

    @property
    def kind(self) -> str:
        """The chosen rule without its number."""
        return str(self.rule.currentData())

    @property
    def live(self) -> bool:
        """Whether the rule has a number that can be moved."""
        return self.kind in LIVE

    @property
    def needs_healthy(self) -> bool:
        """Whether the rule needs healthy scans."""
        return RULES[self.kind].needs == "healthy"

    @property
    def chosen(self) -> ThresholdRule:
        """The rule with its number."""
        return self.with_number(self.number.value())

    def with_number(self, number: float) -> ThresholdRule:
        """The rule with another number; without one where it takes none."""
        return ThresholdRule(self.kind, number if self.live else None)

    def choose(self, kind: str, number: float | None = None) -> None:
        """Choose a rule, and its number, as if by hand."""
        if number is not None:
            self._numbers[kind] = number
        self.rule.setCurrentIndex(self.rule.findData(kind))
        self._chosen()

    def set_number(self, number: float) -> None:
        """Move the number, as the slider does."""
        self.number.setValue(number)

    def nudge(self, steps: int) -> None:
        """Move the number by a few clicks of its arrows."""
        if self.live:
            self.number.stepBy(steps)

    def offer(self, *, truth: bool, one_unit: bool, span: tuple[float, float]) -> None:
        """Offer what the comparison allows: rules that need a ground truth or one unit, and the scores between which the slider moves."""
        self._range = span if span[1] > span[0] else (span[0], span[0] + 1.0)
        self._numbers.setdefault("value", float(f"{sum(self._range) / 2:.4g}"))
        for kind, there, why in (("best-dice", truth, "Needs a ground truth"), ("value", one_unit, "The scores have different units")):
            item = self.rule.model().item(self.rule.findData(kind))  # type: ignore[union-attr]  # a combo box's own model has items
            item.setEnabled(there)
            item.setToolTip(_RULES[kind][1] if there else why)
        self._show()

    def say(self, words: str) -> None:
        """The rule in words, as the table has it."""
        if self.words.text() != words:
            self.words.setText(words)

    def _chosen(self, _index: int = 0) -> None:
        self._show()
        self.rule_chosen.emit(self.chosen)

    def _show(self) -> None:
        for part in (self.number, self.slider):
            part.setVisible(self.live)
        self._show_healthy()
        if not self.live:
            return
        number = self._numbers.get(self.kind, sum(self._range) / 2)
        for part in (self.number, self.slider):
            part.blockSignals(True)
        about = RULES[self.kind]
        self.number.setRange(max(about.low or 0.0, -_FAR), min(about.high or 0.0, _FAR))
        self.number.setSuffix(f" {about.unit}" if about.unit else "")
        self.number.setSingleStep(self._step())
        self.number.setValue(number)
        self.slider.setValue(self._place(number))
        for part in (self.number, self.slider):
            part.blockSignals(False)

    def _show_healthy(self) -> None:
        # Those that are chosen count for every rule, which is to be seen.
        self.healthy.setVisible(self.needs_healthy or self.healthy.chosen)

    def _step(self) -> float:
        if self.kind == "value":
            return float(10.0 ** math.floor(math.log10((self._range[1] - self._range[0]) / 50)))
        return 0.1

    def _typed(self, number: float) -> None:
        try:
            self.with_number(number)
        except InputError as error:  # a percentile of 0.98: all stays as it is
            self._show()
            self.say(str(error))
            return
        self._numbers[self.kind] = number
        self.slider.blockSignals(True)
        self.slider.setValue(self._place(number))
        self.slider.blockSignals(False)
        self.moved.emit(number)

    def _slid(self, place: int) -> None:
        # Rounded to what the slider can tell apart: a number that can be read and typed again.
        self.number.setValue(float(f"{self._number(place):.4g}"))

    def _place(self, number: float) -> int:
        if self.kind == HEALTHY_ML:
            part = math.log(max(number, _LOWEST_ML) / _LOWEST_ML) / math.log(_HIGHEST_ML / _LOWEST_ML)
        else:
            low, high = (_LOWEST_PERCENTILE, 100.0) if self.kind == "percentile" else self._range
            part = (number - low) / (high - low)
        return round(_STEPS * min(max(part, 0.0), 1.0))

    def _number(self, place: int) -> float:
        part = place / _STEPS
        if self.kind == HEALTHY_ML:
            return float(_LOWEST_ML * (_HIGHEST_ML / _LOWEST_ML) ** part)
        low, high = (_LOWEST_PERCENTILE, 100.0) if self.kind == "percentile" else self._range
        return low + part * (high - low)
