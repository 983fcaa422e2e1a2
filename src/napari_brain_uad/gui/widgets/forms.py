"""Forms built from the metadata of `Params` fields: what is set in the window is exactly what reaches the run."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, cast

from qtpy.QtCore import QLocale, QSize, Qt, Signal
from qtpy.QtGui import QPaintEvent, QPalette, QValidator, QWheelEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from ...core.params import ROLES, FieldInfo, Params, Scalar
from ...detectors.registry import method_class

_DECIMALS = 323
"""A spin box rounds to its decimals; with Qt's most every float above 1e-305 comes back as it was given."""

SHORT_FORM = Qt.ItemDataRole.UserRole + 1
"""Role of what stands for an entry of a `ComboBox` while its list is closed, where there is no room for more."""

_ARROWS = {False: "\u25b8", True: "\u25be"}
_INT_LIMIT = 2**31 - 1
_FLOAT_LIMIT = 1e300


class _NoStrayWheel:
    """A wheel over an unfocused box scrolls the dock instead of changing the value under the pointer."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        widget = cast(QWidget, self)
        if event is None:
            return
        if widget.hasFocus():
            super().wheelEvent(event)  # type: ignore[misc]  # a mix-in: the Qt class beside it has the method
        else:
            event.ignore()


class ComboBox(_NoStrayWheel, QComboBox):
    """A combo box that shrinks with its dock and ignores the wheel until it has the focus."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def paintEvent(self, e: QPaintEvent | None) -> None:
        """Paint what is chosen by its short form, if it has one, and with an ellipsis where even that is cut off."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        painter.setPen(self.palette().color(QPalette.ColorRole.Text))
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        room = painter.style().subControlRect(  # type: ignore[union-attr]  # a widget has a style
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        text = str(self.currentData(SHORT_FORM) or option.currentText)
        option.currentText = option.fontMetrics.elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class IntBox(_NoStrayWheel, QSpinBox):
    """A box for whole numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(-_INT_LIMIT, _INT_LIMIT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setKeyboardTracking(False)


class FloatBox(_NoStrayWheel, QDoubleSpinBox):
    """A box for numbers that keeps them exactly and shows them as short as possible (1e-4 stays 1e-4)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setLocale(QLocale.c())
        self.setDecimals(_DECIMALS)
        self.setRange(-_FLOAT_LIMIT, _FLOAT_LIMIT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setKeyboardTracking(False)

    def textFromValue(self, v: float) -> str:
        """The shortest text that reads back as the same number."""
        return repr(v)[:-2] if repr(v).endswith(".0") else repr(v)

    def valueFromText(self, text: str | None) -> float:
        """The number in a text that `validate` accepted."""
        return float(self._bare(text))

    def validate(self, input: str | None, pos: int) -> tuple[Any, str, int]:  # Qt's name
        """Accept what `float` reads and the range allows; let the user go on typing anything else."""
        text = input or ""
        try:
            inside = self.minimum() <= float(self._bare(text)) <= self.maximum()
        except ValueError:
            inside = False
        return QValidator.State.Acceptable if inside else QValidator.State.Intermediate, text, pos

    def stepBy(self, steps: int) -> None:
        """Step without the tail of binary fractions (0.1 + 0.2 is shown as 0.3)."""
        self.setValue(float(f"{self.value() + steps * self.singleStep():.12g}"))

    def sizeHint(self) -> QSize:
        """As wide as an ordinary number: the default hint would make room for all decimals."""
        hint = super().sizeHint()
        hint.setWidth(self.fontMetrics().horizontalAdvance("0" * 10 + self.suffix()) + 40)
        return hint

    def minimumSizeHint(self) -> QSize:
        """As `sizeHint`, for the same reason."""
        return self.sizeHint()

    def _bare(self, text: str | None) -> str:
        return (text or "").removesuffix(self.suffix()).strip()


class ParamsForm(QWidget):
    """One row for every field of a `Params` class.

    Parameters
    ----------
    params_class : type of Params
        Whose fields to show, starting at their defaults.
    folded : bool
        Fold the advanced fields away; False where the whole form lies in a fold already.
    roles : tuple of str
        Which fields to show (`core.params.ROLES`); the values of the others count all the same.
    parent : QWidget, optional
        As in Qt.

    Attributes
    ----------
    changed : Signal
        Emitted after a value changed, by hand or by `set_value` (once for all fields).
    """

    changed = Signal()

    def __init__(
        self, params_class: type[Params], *, folded: bool = True, roles: tuple[str, ...] = ROLES, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._class = params_class
        self._fields = {name: _Field(kind, info, name, self._edited) for name, kind, info in params_class.describe()}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        advanced = [name for name, field in self._fields.items() if field.info.advanced and folded]
        plain = [name for name in self._fields if name not in advanced]
        if plain:
            layout.addWidget(self._rows(plain))
        if advanced:
            layout.addWidget(Fold("Advanced", self._rows(advanced)))
        for name, field in self._fields.items():
            if field.info.role not in roles:
                self.hide_row(name)
        self._silent = False
        self.set_value(params_class())

    def value(self) -> Params:
        """The parameters as they stand in the form.

        Raises
        ------
        InputError
            If a text does not fit its field; numbers and choices cannot be wrong.
        """
        return self._class(**{name: field.get() for name, field in self._fields.items()})

    def set_value(self, params: Params) -> None:
        """Show these parameters.

        Raises
        ------
        TypeError
            If they are of another class than the form's.
        """
        if type(params) is not self._class:
            raise TypeError(f"{type(params).__name__} given to a form for {self._class.__name__}")
        self._silent = True
        for name, value in params.as_dict().items():
            self._fields[name].set(value)
        self._silent = False
        self.changed.emit()

    def widget(self, name: str) -> QWidget:
        """The editor of one field."""
        return self._fields[name].editor

    def hide_row(self, name: str) -> None:
        """Leave out a field that has its place elsewhere; its value still counts."""
        editor = self._fields[name].editor
        rows = editor.parentWidget()
        form = None if rows is None else rows.layout()
        if isinstance(form, QFormLayout):
            form.setRowVisible(editor, False)

    def label(self, name: str) -> QLabel:
        """The label of one field."""
        editor = self._fields[name].editor
        rows = editor.parentWidget()
        form = None if rows is None else rows.layout()
        label = form.labelForField(editor) if isinstance(form, QFormLayout) else None
        if not isinstance(label, QLabel):
            raise KeyError(name)
        return label

    def _edited(self, *_: object) -> None:
        if not self._silent:
            self.changed.emit()

    def _rows(self, names: list[str]) -> QWidget:
        rows = QWidget()
        form = QFormLayout(rows)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name in names:
            field = self._fields[name]
            form.addRow(row_label(field.info.label, field.editor), field.editor)
        return rows


def form_for_scoring(method: str) -> ParamsForm:
    """The settings of a method that matter when a scan is scored: what its model was trained with cannot be changed any more."""
    found = method_class(method)
    return ParamsForm(found.Params, folded=False, roles=("inference",) if found.INFO.trainable else ROLES)


class _Field:
    """One parameter's editor with its getter and setter."""

    def __init__(self, kind: type, info: FieldInfo, name: str, edited: Callable[..., None]) -> None:
        self.info = info
        self.editor: QWidget
        self.get: Callable[[], Scalar]
        self.set: Callable[[Any], None]
        make = {bool: self._check, int: self._int, float: self._float, str: self._text}[kind]
        (self._choice if info.choices else make)(edited)
        self.editor.setObjectName(name)
        self.editor.setToolTip(_wrapped(f"{info.help}.{_span(info)}"))

    def _check(self, edited: Callable[..., None]) -> None:
        box = QCheckBox()
        box.toggled.connect(edited)
        self.editor, self.get, self.set = box, box.isChecked, box.setChecked

    def _int(self, edited: Callable[..., None]) -> None:
        box = IntBox()
        self._limits(box, int)
        box.valueChanged.connect(edited)
        self.editor, self.get, self.set = box, box.value, box.setValue

    def _float(self, edited: Callable[..., None]) -> None:
        box = FloatBox()
        self._limits(box, float)
        box.valueChanged.connect(edited)
        self.editor, self.get, self.set = box, box.value, box.setValue

    def _choice(self, edited: Callable[..., None]) -> None:
        box = ComboBox()
        for value in self.info.choices:
            box.addItem(f"{value} {self.info.unit}" if self.info.unit else str(value), value)
        box.currentIndexChanged.connect(edited)
        self.editor, self.get, self.set = box, box.currentData, lambda value: box.setCurrentIndex(box.findData(value))

    def _text(self, edited: Callable[..., None]) -> None:
        box = QLineEdit()
        box.textChanged.connect(edited)
        self.editor, self.get, self.set = box, box.text, box.setText

    def _limits(self, box: Any, kind: type) -> None:
        """Range, step and unit; `box` is an `IntBox` or a `FloatBox`."""
        if self.info.low is not None:
            box.setMinimum(kind(self.info.low))
        if self.info.high is not None:
            box.setMaximum(kind(self.info.high))
        if self.info.step is not None:
            box.setSingleStep(kind(self.info.step))
        if self.info.unit:
            box.setSuffix(f" {self.info.unit}")


def row_label(text: str, editor: QWidget) -> QLabel:
    """A label for a row of a form; of one width, so that forms below each other line up."""
    label = QLabel(text)
    label.setMinimumWidth(84)
    label.setToolTip(editor.toolTip())
    label.setBuddy(editor)
    return label


class Fold(QWidget):
    """A button that unfolds `content`, which starts folded away.

    superqt's QCollapsible fixes the height of its content when it unfolds, so a form that is exchanged for a longer one is squashed.
    """

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self.button = QPushButton()
        self.button.setCheckable(True)
        self.button.setStyleSheet("text-align: left;")
        self.content = content
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(content)
        self.button.toggled.connect(self._show)
        self._show(False)

    def _show(self, unfolded: bool) -> None:
        self.button.setText(f"{_ARROWS[unfolded]}  {self._title}")
        self.content.setVisible(unfolded)


def _span(info: FieldInfo) -> str:
    if info.low is None and info.high is None:
        return ""
    unit = f" {info.unit}" if info.unit else ""
    if info.high is None:
        return f" At least {info.low:g}{unit}."
    if info.low is None:
        return f" At most {info.high:g}{unit}."
    return f" {info.low:g} to {info.high:g}{unit}."


def _wrapped(text: str) -> str:
    # Rich text is wrapped by Qt, plain tooltips run over the screen.
    return f"<qt>{html.escape(text)}</qt>"
