"""What a value is edited with: magicgui's widgets, over boxes that keep numbers exactly and leave the wheel to the dock."""

from __future__ import annotations

from typing import Any, cast

from magicgui.backends._qtpy import widgets as qt_backend
from magicgui.widgets import create_widget
from magicgui.widgets.bases import CategoricalWidget, RangedWidget, ValueWidget
from qtpy.QtCore import QLocale, QSize, Qt
from qtpy.QtGui import QPaintEvent, QPalette, QValidator, QWheelEvent
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QSizePolicy, QSpinBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

from ...core.params import INTS, FieldInfo

_DECIMALS = 323
"""A spin box rounds to its decimals; with Qt's most every float above 1e-305 comes back as it was given."""

SHORT_FORM = Qt.ItemDataRole.UserRole + 1
"""Role of what stands for an entry of a `ComboBox` while its list is closed, where there is no room for more."""

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
    """A box for whole numbers; magicgui's own has no place for a unit."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(-_INT_LIMIT, _INT_LIMIT)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setKeyboardTracking(False)


class FloatBox(_NoStrayWheel, QDoubleSpinBox):
    """A box for numbers that keeps them exactly and shows them as short as possible (1e-4 stays 1e-4); magicgui's own rounds."""

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


class _IntBackend(qt_backend.QBaseRangedWidget):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(IntBox, **kwargs)

    def _pre_set_hook(self, value: Any) -> int:
        return int(value)


class _FloatBackend(qt_backend.QBaseRangedWidget):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(FloatBox, **kwargs)


class _ChoiceBackend(qt_backend.ComboBox):
    def __init__(self, **kwargs: Any) -> None:
        # Not the base's own `__init__`, which makes Qt's plain box.
        qt_backend.QBaseValueWidget.__init__(self, ComboBox, "currentData", "setCurrentIndex", "", **kwargs)
        self._qwidget.currentIndexChanged.connect(self._emit_data)


class _IntEdit(RangedWidget[int]):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"widget_type": _IntBackend})


class _FloatEdit(RangedWidget[float]):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"widget_type": _FloatBackend})


class _ChoiceEdit(CategoricalWidget[Any]):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs | {"widget_type": _ChoiceBackend})


def editor(name: str, kind: type, info: FieldInfo, tooltip: str) -> ValueWidget[Any]:
    """The magicgui widget for one field of a `Params` class; `native` is the Qt widget.

    Parameters
    ----------
    name : str
        Of the field.
    kind : type
        Of its values: bool, int, float, str or tuple of int; several numbers are edited as text, which `Params` reads.
    info : FieldInfo
        Its range, step, choices and unit.
    tooltip : str
        Rich text.
    """
    # Named always: which widget magicgui takes for a type may be changed by any plugin of the same napari.
    options: dict[str, Any] = {"tooltip": tooltip, "widget_type": "CheckBox" if kind is bool else "LineEdit"}
    unit = f" {info.unit}" if info.unit else ""
    if info.choices:
        options |= {"widget_type": _ChoiceEdit, "choices": [(f"{value}{unit}", value) for value in info.choices]}
    elif kind in (int, float):
        limit = _INT_LIMIT if kind is int else _FLOAT_LIMIT
        low, high = -limit if info.low is None else info.low, limit if info.high is None else info.high
        options |= {"widget_type": _IntEdit if kind is int else _FloatEdit, "min": low, "max": high, "step": info.step or 1}
    made = cast("ValueWidget[Any]", create_widget(annotation=str if kind == INTS else kind, name=name, options=options))
    made.native.setObjectName(name)
    if kind is bool:
        made.native.setText("")  # the row has a label
    elif unit and not info.choices and kind != INTS:
        made.native.setSuffix(unit)
    return made
