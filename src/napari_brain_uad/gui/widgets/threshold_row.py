"""Where the threshold is set: a number, a rule, and a sentence on where it came from."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ...core.errors import InputError
from ...core.numbers import number_text
from ...core.threshold import DEFAULT_ML, HEALTHY_ML, RULES, Threshold, ThresholdRule
from .editors import ComboBox, FloatBox
from .messages import wrapping_label

_STEPS = {
    "percentile": (0.5, 98.0, "Percentile of the brain's scores (0 to 100)"),
    HEALTHY_ML: (0.5, DEFAULT_ML, "What an average healthy brain shows, in ml"),
    "healthy-fpr": (0.001, 0.001, "What part of healthy brain is flagged (0 to 1)"),
    "fdr": (0.01, 0.05, "False discovery rate of the regions, against healthy brains"),
}
"""Step, first number and meaning of the numbers of rules that have one."""


class ShortBox(FloatBox):
    """Shows five digits; the value keeps them all until somebody types."""

    def textFromValue(self, v: float) -> str:
        """The number in short."""
        return number_text(v)


class ThresholdRow(QWidget):
    """Threshold and rule.

    Attributes
    ----------
    typed : Signal(float)
        A number was entered by hand.
    rule_chosen : Signal(ThresholdRule)
        A rule was chosen.
    """

    typed = Signal(float)
    rule_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.number = ShortBox()
        self.number.setToolTip("A voxel is flagged when its score is above this number")
        self.rule = ComboBox()
        self.rule.setToolTip("How the threshold is found")
        for kind, about in RULES.items():
            self.rule.addItem(about.title, kind)
            self.rule.setItemData(self.rule.count() - 1, _tip(kind), Qt.ItemDataRole.ToolTipRole)
        self.numbers = {kind: _box(kind, *about) for kind, about in _STEPS.items()}
        self.percentile = self.numbers["percentile"]
        self._usable = {kind: box.value() for kind, box in self.numbers.items()}
        """The last number of each rule that it could be made of."""
        self.origin = wrapping_label()
        row = QHBoxLayout()
        row.addWidget(QLabel("Threshold"))
        row.addWidget(self.number)
        row.addWidget(self.rule, 1)
        # A rule's number stands below, beside what came of it: three boxes in a row are wider than a dock on a small screen.
        below = QHBoxLayout()
        below.addWidget(self.origin, 1)
        for box in self.numbers.values():
            below.addWidget(box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addLayout(below)
        self.number.valueChanged.connect(self.typed)
        self.rule.activated.connect(self._chosen)
        for box in self.numbers.values():
            box.valueChanged.connect(self._chosen)
        self.set_healthy(False, "")

    def set_truth(self, there: bool) -> None:
        """Offer the rules that need a ground truth only when there is one."""
        self._offer("truth", there, "Needs a ground truth")

    def set_healthy(self, there: bool, why_not: str) -> None:
        """Offer the rules that need healthy brains only when the method has some that apply to the scan."""
        self._offer("healthy", there, why_not)

    def _offer(self, needs: str, there: bool, why_not: str) -> None:
        for kind in (kind for kind, about in RULES.items() if about.needs == needs):
            item = self.rule.model().item(self.rule.findData(kind))  # type: ignore[union-attr]  # a combo box's own model has items
            item.setEnabled(there)
            item.setToolTip(_tip(kind) if there else why_not)

    def _show_number(self, kind: str) -> None:
        for name, box in self.numbers.items():
            box.setVisible(name == kind)

    def show_threshold(self, threshold: Threshold, rule: ThresholdRule) -> None:
        """Show a threshold, the rule that was chosen, and its origin."""
        self.show_value(threshold.value)
        self.rule.setCurrentIndex(self.rule.findData(rule.kind))
        self._show_number(rule.kind)
        if rule.kind in self.numbers:
            self._usable[rule.kind] = rule.number or 0.0
            self._quietly(self.numbers[rule.kind], self._usable[rule.kind])
        self.show_origin(threshold.origin)

    def show_value(self, value: float) -> None:
        """Show a number, as while the line moves."""
        self._quietly(self.number, value)

    def show_by_hand(self, value: float) -> None:
        """Show a number that the user is setting."""
        self.show_value(value)
        self.rule.setCurrentIndex(self.rule.findData("value"))
        self._show_number("value")
        self.show_origin("set by hand")

    def show_origin(self, text: str) -> None:
        """Where the threshold came from."""
        if self.origin.text() != text:
            self.origin.setText(text)

    def set_step(self, step: float) -> None:
        """What one click on the number's arrows adds."""
        self.number.setSingleStep(step)

    def _chosen(self, _value: object = None) -> None:
        kind = self.rule.currentData()
        self._show_number(kind)
        box = self.numbers.get(kind, self.number if kind == "value" else None)
        try:
            rule = ThresholdRule(kind, None if box is None else box.value())
        except InputError as error:  # a percentile of 0.98: the map stays as it is, and so does the number that it is shown by
            if kind in self.numbers:
                self._quietly(self.numbers[kind], self._usable[kind])
            self.show_origin(str(error))
            return
        if kind in self.numbers and rule.number is not None:
            self._usable[kind] = rule.number
        self.rule_chosen.emit(rule)

    @staticmethod
    def _quietly(box: FloatBox, value: float) -> None:
        box.blockSignals(True)
        box.setValue(value)
        box.blockSignals(False)


def _tip(kind: str) -> str:
    """How the rule is written on the command line and in records: forms call it by other words."""
    return "Drag the line, or type the number; --threshold NUMBER" if kind == "value" else f"--threshold {RULES[kind].spelled}"


def _box(kind: str, step: float, value: float, tip: str) -> FloatBox:
    box = FloatBox()
    box.setRange(RULES[kind].low or 0.0, RULES[kind].high or 0.0)
    box.setSingleStep(step)
    box.setValue(value)
    box.setToolTip(tip)
    box.hide()
    return box
