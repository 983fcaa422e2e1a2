"""What a form shows is what its parameters are, to the last bit."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from napari.qt import get_stylesheet
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLabel, QLineEdit, QSpinBox, QVBoxLayout, QWidget

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.params import INTS, Params, param
from napari_brain_uad.detectors.registry import method_class, method_ids
from napari_brain_uad.gui.app.home import WIDTH
from napari_brain_uad.gui.widgets.editors import FloatBox
from napari_brain_uad.gui.widgets.forms import Fold, ParamsForm, form_for_scoring
from napari_brain_uad.postprocessing.params import MEDIAN_SIZES, PostParams
from napari_brain_uad.preprocessing.steps.registry import STEPS
from napari_brain_uad.simulation.params import SimulationParams


@dataclass(frozen=True)
class _All(Params):
    rate: float = param(1e-4, "A small number", low=0.0, high=1.0)
    size_mm: float = param(2.5, "A length", unit="mm", low=0.0, step=0.1)
    free: float = param(0.0, "Any number")
    count: int = param(3, "A count", low=1, high=100)
    keep: bool = param(True, "A switch")
    side: str = param("left", "A choice", choices=("left", "right"))
    size: int = param(3, "One of some numbers", unit="voxels", choices=(0, 3, 5, 7))
    widths: tuple[int, ...] = param((4, 8), "Several numbers", unit="mm", low=1, high=64, most=4)
    note: str = param("", "A text", advanced=True)


_TRAINED = {kind for method in method_ids() if (kind := method_class(method).Training) is not None}
CLASSES = [
    *(method_class(method).Params for method in method_ids()),
    *sorted(_TRAINED, key=lambda kind: kind.__name__),
    SimulationParams,
    PostParams,
    _All,
]


def _values(kind: type, info) -> st.SearchStrategy:  # type: ignore[no-untyped-def]
    if kind is bool:
        return st.booleans()
    if kind == INTS:
        return st.lists(st.integers(int(info.low), int(info.high)), min_size=1, max_size=info.most).map(tuple)
    if info.choices:
        return st.sampled_from(info.choices)
    if kind is int:
        return st.integers(int(info.low) if info.low is not None else -(10**6), int(info.high) if info.high is not None else 10**6)
    if kind is float:
        low, high = info.low if info.low is not None else -1e9, info.high if info.high is not None else 1e9
        return st.floats(low, high).filter(lambda value: value == 0 or abs(value) > 1e-300)
    return st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=10)


def _seen(qtbot, form: ParamsForm) -> ParamsForm:
    """A form with its rows: they are made when it is shown."""
    qtbot.addWidget(form)
    form.show()
    return form


def test_several_numbers_have_their_unit_in_the_label(qtbot) -> None:
    form = _seen(qtbot, ParamsForm(_All, folded=False))
    assert form.label("widths").text() == "Widths (mm)"
    assert form.label("size_mm").text() == "Size"  # its unit stands behind the number
    form.set_value(_All(widths=(5, 6)))
    assert form.value() == _All(widths=(5, 6))


def _wheel() -> QWheelEvent:
    return QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip


@pytest.mark.parametrize("params_class", CLASSES, ids=lambda cls: cls.__name__)
def test_a_form_starts_at_the_defaults(qtbot, params_class):
    form = _seen(qtbot, ParamsForm(params_class))
    assert form.value() == params_class()


@pytest.mark.parametrize("params_class", CLASSES, ids=lambda cls: cls.__name__)
def test_what_is_set_comes_back_exactly(qtbot, params_class):
    form = _seen(qtbot, ParamsForm(params_class))

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.fixed_dictionaries({name: _values(kind, info) for name, kind, info in params_class.describe()}))
    def round_trip(values):
        try:
            params = params_class(**values)
        except InputError:  # classes may refuse combinations that single fields allow
            return
        form.set_value(params)
        assert form.value() == params

    round_trip()


_PRESETS = [(kind, name) for kind in CLASSES for name in kind.PRESETS]


@pytest.mark.parametrize(("params_class", "name"), _PRESETS, ids=lambda part: getattr(part, "__name__", part))
def test_every_preset_comes_back_as_it_is(qtbot, params_class, name):
    form = _seen(qtbot, ParamsForm(params_class))
    form.set_value(params_class.preset(name))
    assert form.value() == params_class.preset(name)


def test_rows_are_made_when_a_form_is_seen_and_show_what_was_set_before(qtbot):
    form = ParamsForm(_All)
    qtbot.addWidget(form)
    form.set_value(_All(rate=0.25, note="before"))
    assert form.findChildren(QWidget) == []
    assert form.value() == _All(rate=0.25, note="before")
    form.show()
    assert form.widget("rate").value() == 0.25
    assert form.widget("note").text() == "before"
    form.widget("count").setValue(9)
    assert form.value() == _All(rate=0.25, count=9, note="before")


def test_a_field_that_has_its_place_elsewhere_has_no_row_and_keeps_its_value(qtbot):
    form = _seen(qtbot, ParamsForm(PostParams, without=("threshold",)))
    form.set_value(PostParams(threshold="otsu", median=3))
    assert form.findChildren(QWidget, "threshold") == []
    form.widget("erode").setValue(2)
    assert form.value() == PostParams(threshold="otsu", median=3, erode=2)


@pytest.mark.parametrize("params_class", CLASSES, ids=lambda cls: cls.__name__)
def test_every_editor_is_a_widget_of_magicgui(qtbot, params_class):
    form = ParamsForm(params_class)
    qtbot.addWidget(form)
    for name in form.shown:
        assert form.widget(name)._magic_widget.name == name


@pytest.mark.parametrize("value", [1e-4, 0.1 + 0.2, 1 / 3, 1e-12, 123456.789, 1e15, 1e-300, -2.5e-7])
def test_floats_keep_every_bit(qtbot, value):
    box = FloatBox()
    qtbot.addWidget(box)
    box.setValue(value)
    assert box.value() == value
    assert box.valueFromText(box.textFromValue(value)) == value


def test_typing_a_small_number_reaches_the_params(qtbot):
    form = _seen(qtbot, ParamsForm(_All))
    box = form.widget("rate")
    box.selectAll()
    qtbot.keyClicks(box, "2.5e-05")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert form.value().rate == 2.5e-05


def test_typing_out_of_range_or_nonsense_keeps_a_valid_value(qtbot):
    form = _seen(qtbot, ParamsForm(_All))
    box = form.widget("rate")
    for text in ("7", "abc", "nan", "inf", "-1", ""):
        box.selectAll()
        qtbot.keyClicks(box, text)
        qtbot.keyClick(box, Qt.Key.Key_Return)
        assert 0.0 <= form.value().rate <= 1.0


@pytest.mark.parametrize("params_class", CLASSES, ids=lambda cls: cls.__name__)
def test_every_click_on_an_arrow_gives_a_value_that_is_accepted(qtbot, params_class):
    form = _seen(qtbot, ParamsForm(params_class))
    for name, kind, info in params_class.describe():
        box = form.widget(name)
        for _ in range(4):
            if isinstance(box, QAbstractSpinBox):
                box.stepUp()
            elif isinstance(box, QComboBox):
                qtbot.keyClick(box, Qt.Key.Key_Down)
            value = getattr(form.value(), name)
            assert kind == INTS or type(value) is kind
            assert not info.choices or value in info.choices
        form.set_value(params_class())


def test_several_numbers_are_typed_as_text_and_what_is_wrong_is_said(qtbot):
    form = _seen(qtbot, ParamsForm(_All))
    box = form.widget("widths")
    assert box.text() == "4,8"
    assert "1 to 64 mm, at most 4 numbers" in box.toolTip()
    box.selectAll()
    qtbot.keyClicks(box, "8, 16,32")
    assert form.value().widths == (8, 16, 32)
    for text, said in (("8,", "whole numbers like"), ("8,65", "65 is outside"), ("1,2,3,4,5", "at most 4")):
        box.selectAll()
        qtbot.keyClicks(box, text)
        with pytest.raises(InputError, match=f"Widths: .*{said}"):
            form.value()


def test_the_median_steps_over_the_sizes_there_are(qtbot):
    form = _seen(qtbot, ParamsForm(PostParams))
    sizes = [form.value().median]
    for _ in MEDIAN_SIZES[1:]:
        qtbot.keyClick(form.widget("median"), Qt.Key.Key_Down)
        sizes.append(form.value().median)
    assert tuple(sizes) == MEDIAN_SIZES


def test_stepping_shows_no_binary_tail(qtbot):
    form = _seen(qtbot, ParamsForm(_All))
    box = form.widget("size_mm")
    box.setValue(0.1)
    box.stepBy(2)
    assert box.text() == "0.3 mm"
    assert form.value().size_mm == 0.3


def test_a_number_out_of_a_few_offers_only_these(qtbot):
    form = _seen(qtbot, ParamsForm(PostParams))
    box = form.widget("median")
    assert [box.itemData(row) for row in range(box.count())] == [0, 3, 5, 7]
    assert [box.itemText(row) for row in range(box.count())] == ["0 voxels", "3 voxels", "5 voxels", "7 voxels"]
    for row in range(box.count()):
        box.setCurrentIndex(row)
        assert form.value().median == box.itemData(row)


def test_changed_is_emitted_once_for_all_fields_and_once_an_edit(qtbot):
    form = _seen(qtbot, ParamsForm(_All))
    seen = []
    form.changed.connect(lambda: seen.append(form.value()))
    form.set_value(_All(rate=0.5, count=7, side="right"))
    assert seen == [_All(rate=0.5, count=7, side="right")]
    form.widget("keep").setChecked(False)
    assert len(seen) == 2
    assert seen[1].keep is False


def test_params_of_another_class_are_refused(qtbot):
    form = _seen(qtbot, ParamsForm(_All))
    with pytest.raises(TypeError, match="_All"):
        form.set_value(method_class("threshold").Params())


def test_every_row_has_label_tooltip_range_and_unit(qtbot):
    form = _seen(qtbot, ParamsForm(_All))
    assert {label.text() for label in form.findChildren(QLabel)} >= {"Rate", "Size", "Free", "Count", "Keep", "Side"}
    assert "A small number. 0 to 1." in form.widget("rate").toolTip()
    assert form.widget("size_mm").suffix() == " mm"


@pytest.mark.parametrize("params_class", [*CLASSES[:-1], *STEPS.values()], ids=lambda cls: cls.__name__)
def test_labels_are_words_and_none_of_a_form_is_there_twice(qtbot, params_class):
    form = _seen(qtbot, ParamsForm(params_class))
    labels = {name: form.label(name).text() for name, _, _ in params_class.describe()}
    assert len(set(labels.values())) == len(labels)
    for name, label in labels.items():
        # A word of the field, not a variable's name: no underscores, no unit at its end, no single letter.
        assert re.fullmatch(r"[A-Z][\w' ().-]{3,27}|and at least", label), label
        assert not label.endswith((" mm", " deg", " ml"))
        assert form.label(name).toolTip() == form.widget(name).toolTip() != ""


def test_the_wheel_changes_only_what_has_the_focus(qtbot):
    form = _seen(qtbot, ParamsForm(_All))
    before = form.value()
    for name in ("rate", "count", "side"):
        box = form.widget(name)
        box.clearFocus()
        wheel = _wheel()
        QApplication.sendEvent(box, wheel)
        assert not wheel.isAccepted()  # it goes to the dock, which scrolls
    assert form.value() == before
    form.activateWindow()
    for name, changed in (("rate", 0.0), ("count", 2), ("side", "right")):
        box = form.widget(name)
        box.setFocus()
        qtbot.waitUntil(box.hasFocus)
        QApplication.sendEvent(box, _wheel())
        assert getattr(form.value(), name) == changed


@pytest.mark.parametrize("method", method_ids())
def test_a_form_for_scoring_shows_what_a_trained_model_leaves_open(qtbot, method):
    """The others keep the model's values, unseen."""
    form = _seen(qtbot, form_for_scoring(method))
    kind, info = method_class(method).Params, method_class(method).INFO
    shown = {name for name, _, _ in kind.describe() if form.findChildren(QWidget, name)}
    assert shown == set(form.shown) == {name for name, _, field in kind.describe() if field.role == "inference" or not info.trainable}
    preset = kind.preset(next(iter(kind.PRESETS))) if kind.PRESETS else kind()
    form.set_value(preset)
    assert form.value() == preset


@pytest.fixture
def column(qtbot):
    column = QWidget()
    layout = QVBoxLayout(column)
    content = QWidget()
    QVBoxLayout(content).addWidget(ParamsForm(method_class("threshold").Params))
    layout.addWidget(Fold("Advanced", content))
    layout.addWidget(QLineEdit())
    layout.addStretch()
    qtbot.addWidget(column)
    column.resize(380, 900)
    column.show()
    return column


def test_a_fold_opens_and_closes_and_says_which(qtbot, column):
    fold = column.findChild(Fold)
    box = fold.findChild(QSpinBox, "bins")
    assert box is None  # not even made
    low = fold.height()
    qtbot.mouseClick(fold.toggleButton(), Qt.MouseButton.LeftButton)
    assert fold.text() == "\u25be  Advanced"
    assert fold.findChild(QSpinBox, "bins").isVisible()
    qtbot.waitUntil(lambda: fold.height() > low + 20)
    qtbot.mouseClick(fold.toggleButton(), Qt.MouseButton.LeftButton)
    assert fold.text() == "\u25b8  Advanced"
    assert not fold.findChild(QSpinBox, "bins").isVisible()
    qtbot.waitUntil(lambda: fold.height() == low)


def test_the_tab_key_does_not_enter_what_is_folded_away(qtbot, column):
    fold = column.findChild(Fold)
    fold.expand()
    fold.collapse()
    fold.window().activateWindow()
    fold.toggleButton().setFocus()
    qtbot.waitUntil(fold.toggleButton().hasFocus)
    qtbot.keyClick(fold.toggleButton(), Qt.Key.Key_Tab)
    assert isinstance(QApplication.focusWidget(), QLineEdit)
    assert not fold.isAncestorOf(QApplication.focusWidget())


def test_a_longer_form_in_an_open_fold_is_not_squashed(qtbot, column):
    fold = column.findChild(Fold)
    fold.expand()
    old = fold.findChild(ParamsForm)
    new = ParamsForm(method_class("strega").Params, folded=False)
    old.parentWidget().layout().replaceWidget(old, new)
    old.deleteLater()
    qtbot.waitUntil(lambda: new.height() >= new.sizeHint().height() > 300)
    boxes = [new.widget(name) for name in new.shown]
    assert all(box.height() >= box.minimumSizeHint().height() for box in boxes)
    tops = [box.mapTo(new, QPoint(0, 0)).y() for box in boxes]
    assert all(below - above >= box.height() for above, below, box in zip(tops, tops[1:], boxes, strict=False))


def _cut_off(form: ParamsForm) -> list[str]:
    """Fields whose label or text does not fit the room that it has."""
    cut = []
    for name in form.shown:
        label, box = form.label(name), form.widget(name)
        if isinstance(box, QAbstractSpinBox):
            line, text = box.lineEdit().width(), box.text()
        elif isinstance(box, QComboBox):
            line, text = box.width() - 24, box.currentText()  # the arrow
        else:
            line, text = box.width(), getattr(box, "text", str)()
        if label.width() < label.sizeHint().width() or line < box.fontMetrics().horizontalAdvance(text):
            cut.append(name)
    return cut


@pytest.mark.parametrize("params_class", [*CLASSES[:-1], *STEPS.values()], ids=lambda cls: cls.__name__)
def test_nothing_of_a_form_is_cut_off_in_a_dock(qtbot, params_class):
    form = ParamsForm(params_class, folded=False)
    form.setStyleSheet(get_stylesheet("dark"))
    form.setFixedWidth(WIDTH - 40)  # the dock's margins and a scroll bar
    _seen(qtbot, form)
    for params in (params_class(), *(params_class.preset(name) for name in getattr(params_class, "PRESETS", ()))):
        form.set_value(params)
        QApplication.processEvents()
        assert _cut_off(form) == []
        assert form.minimumSizeHint().width() <= form.width()
