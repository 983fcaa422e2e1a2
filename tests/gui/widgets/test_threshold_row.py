from __future__ import annotations

from collections.abc import Callable

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_brain_uad.core.threshold import RULES, Threshold, ThresholdRule
from napari_brain_uad.gui.compare.shared_threshold import SharedThreshold
from napari_brain_uad.gui.widgets.threshold_row import ThresholdRow

NUMBERS = {"value": 0.123456789, "percentile": 99.99995, "healthy-ml": 2.5, "healthy-fpr": 0.0123, "fdr": 0.0001}


@pytest.fixture
def row(qtbot) -> ThresholdRow:  # type: ignore[no-untyped-def]
    made = ThresholdRow()
    qtbot.addWidget(made)
    made.set_truth(True)
    made.set_healthy(True, "")
    return made


@pytest.mark.parametrize("kind", RULES)
def test_every_rule_that_is_shown_is_the_one_that_is_chosen_to_the_last_digit(row: ThresholdRow, kind: str) -> None:
    rule = ThresholdRule(kind, NUMBERS.get(kind))
    row.show_threshold(Threshold(0.123456789, rule, "somewhere"), rule)
    assert row.rule.currentText() == RULES[kind].title
    heard: list[ThresholdRule] = []
    row.rule_chosen.connect(heard.append)
    row.rule.activated.emit(row.rule.currentIndex())
    assert heard == [rule]
    assert [name for name, box in row.numbers.items() if not box.isHidden()] == [kind] * (kind in row.numbers)


@pytest.mark.parametrize("kind", RULES)
def test_no_rule_makes_the_row_wider(row: ThresholdRow, kind: str) -> None:
    """Docks on a small screen are as wide as they are: what is wider is cut off at the right."""
    usual = ThresholdRule("value", 0.123456789)
    row.show_threshold(Threshold(0.123456789, usual, "somewhere"), usual)
    row.show()
    width = row.minimumSizeHint().width()
    rule = ThresholdRule(kind, NUMBERS.get(kind))
    row.show_threshold(Threshold(0.123456789, rule, "somewhere"), rule)
    assert row.minimumSizeHint().width() <= width


def test_rules_say_how_the_command_line_writes_them(row: ThresholdRow) -> None:
    tips = {row.rule.itemData(number): row.rule.itemData(number, Qt.ItemDataRole.ToolTipRole) for number in range(row.rule.count())}
    assert tips["healthy-fpr"] == "--threshold healthy-fpr:RATE"
    assert tips["fdr"] == "--threshold fdr:RATE"
    assert all(str(tip).rpartition("--threshold ")[1] for tip in tips.values())


def test_rules_without_what_they_need_are_not_offered(row: ThresholdRow) -> None:
    row.set_truth(False)
    row.set_healthy(False, "there is no reference")
    model = row.rule.model()
    offered = {row.rule.itemData(number) for number in range(row.rule.count()) if model.item(number).isEnabled()}  # type: ignore[union-attr]
    assert offered == {kind for kind, about in RULES.items() if not about.needs}


@pytest.mark.parametrize("kind", ["auto", "value", "percentile", "healthy-ml", "best-dice", "otsu"])
def test_the_rule_that_methods_share_is_the_one_that_was_chosen(make_napari_viewer: Callable[[], QWidget], kind: str) -> None:
    shared = SharedThreshold(make_napari_viewer())
    shared.choose(kind, NUMBERS.get(kind))
    assert shared.chosen == ThresholdRule(kind, NUMBERS.get(kind))
    shared.number.setValue(1e9)
    assert ThresholdRule.parse(str(shared.chosen)) == shared.chosen
    shared.deleteLater()


@pytest.mark.parametrize(("kind", "typed", "meant"), [("percentile", 0.98, "percentile:98"), ("fdr", 1.0, "fdr:0.01")])
def test_a_number_that_was_meant_otherwise_is_told_and_changes_nothing(row: ThresholdRow, kind: str, typed: float, meant: str) -> None:
    before = row.numbers[kind].value()
    row.rule.setCurrentIndex(row.rule.findData(kind))
    heard: list[ThresholdRule] = []
    row.rule_chosen.connect(heard.append)
    row.numbers[kind].setValue(typed)
    assert not heard
    assert row.numbers[kind].value() == before
    assert meant in row.origin.text()


def test_so_it_is_for_the_rule_that_methods_share(make_napari_viewer: Callable[[], QWidget]) -> None:
    shared = SharedThreshold(make_napari_viewer())
    shared.choose("percentile", 97.0)
    heard: list[float] = []
    shared.moved.connect(heard.append)
    shared.number.setValue(0.98)
    assert not heard
    assert shared.chosen == ThresholdRule("percentile", 97.0)
    assert "percentile:98" in shared.words.text()
    shared.deleteLater()
