"""Forms built from the metadata of `Params` fields: what is set in the window is exactly what reaches the run."""

from __future__ import annotations

import html
from typing import Any

from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import Signal
from qtpy.QtGui import QIcon, QShowEvent
from qtpy.QtWidgets import QWIDGETSIZE_MAX, QFormLayout, QLabel, QLayout, QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

from ...core.params import INTS, ROLES, FieldInfo, Params, value_text
from ...detectors.registry import method_class
from .editors import editor

_ARROWS = {False: "\u25b8", True: "\u25be"}


class ParamsForm(QWidget):
    """One row for every field of a `Params` class.

    The rows are made when the form is seen first, or one of them is asked for: many a form lies in a fold that nobody opens.

    Parameters
    ----------
    params_class : type of Params
        Whose fields to show, starting at their defaults.
    folded : bool
        Fold the advanced fields away; False where the whole form lies in a fold already.
    roles : tuple of str
        Which fields to show (`core.params.ROLES`); the values of the others count all the same.
    without : tuple of str
        Fields that have their place elsewhere; their values count, too.
    parent : QWidget, optional
        As in Qt.

    Attributes
    ----------
    shown : tuple of str
        Names of the fields that have a row.
    changed : Signal
        Emitted after a value changed, by hand or by `set_value` (once for all fields).
    """

    changed = Signal()

    def __init__(
        self,
        params_class: type[Params],
        *,
        folded: bool = True,
        roles: tuple[str, ...] = ROLES,
        without: tuple[str, ...] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._class, self._folded = params_class, folded
        self._known = {name: (kind, info) for name, kind, info in params_class.describe()}
        self.shown = tuple(name for name, (_, info) in self._known.items() if info.role in roles and name not in without)
        self._params = params_class()
        self._editors: dict[str, ValueWidget[Any]] = {}
        self._labels: dict[str, QLabel] = {}
        self._silent = False
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)

    def value(self) -> Params:
        """The parameters as they stand in the form.

        Raises
        ------
        InputError
            If a text does not fit its field; numbers and choices cannot be wrong.
        """
        values = {name: getattr(self._params, name) for name in self._known}
        return self._class(**values | {name: edited.value for name, edited in self._editors.items()})

    def set_value(self, params: Params) -> None:
        """Show these parameters.

        Raises
        ------
        TypeError
            If they are of another class than the form's.
        """
        if type(params) is not self._class:
            raise TypeError(f"{type(params).__name__} given to a form for {self._class.__name__}")
        self._params = params
        self._show_params()
        self.changed.emit()

    def widget(self, name: str) -> QWidget:
        """The editor of a field that is shown."""
        self._make_rows()
        native: QWidget = self._editors[name].native
        return native

    def label(self, name: str) -> QLabel:
        """The label of a field that is shown."""
        self._make_rows()
        return self._labels[name]

    def showEvent(self, a0: QShowEvent | None) -> None:
        """Make the rows before they are seen."""
        self._make_rows()
        super().showEvent(a0)

    def _show_params(self) -> None:
        self._silent = True
        for name, edited in self._editors.items():
            value = getattr(self._params, name)
            edited.value = value_text(value) if isinstance(value, tuple) else value
        self._silent = False

    def _edited(self, _value: object) -> None:
        if not self._silent:
            self.changed.emit()

    def _make_rows(self) -> None:
        if self._editors:
            return
        advanced = [name for name in self.shown if self._known[name][1].advanced and self._folded]
        plain = [name for name in self.shown if name not in advanced]
        parts = [self._rows_of(plain)] if plain else []
        if advanced:
            parts.append(Fold("Advanced", self._rows_of(advanced)))
        self._show_params()
        for part in parts:
            self._rows.addWidget(part)
            part.show()  # a layout would show it later, when the form has been seen without

    def _rows_of(self, names: list[str]) -> QWidget:
        rows = QWidget()
        form = QFormLayout(rows)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name in names:
            kind, info = self._known[name]
            edited = editor(name, kind, info, _wrapped(f"{info.help}.{_span(info)}"))
            edited.changed.connect(self._edited)
            self._editors[name] = edited
            # Several numbers are text, which takes no unit after it.
            unit = f" ({info.unit})" if kind == INTS and info.unit else ""
            self._labels[name] = row_label(f"{info.label}{unit}", edited.native)
            form.addRow(self._labels[name], edited.native)
        return rows


def form_for_scoring(method: str) -> ParamsForm:
    """The settings of a method that matter when a scan is scored: what its model was trained with cannot be changed any more."""
    found = method_class(method)
    return ParamsForm(found.Params, folded=False, roles=("inference",) if found.INFO.trainable else ROLES)


def exchange(layout: QLayout, old: ParamsForm, new: ParamsForm) -> ParamsForm:
    """Put a form in the place of another, and give it back."""
    layout.replaceWidget(old, new)
    old.hide()  # now: it goes when Qt gets to it, and until then it would lie over what is below the new one
    old.deleteLater()
    return new


def row_label(text: str, editor: QWidget) -> QLabel:
    """A label for a row of a form; of one width, so that forms below each other line up."""
    label = QLabel(text)
    label.setMinimumWidth(84)
    label.setToolTip(editor.toolTip())
    label.setBuddy(editor)
    return label


class Fold(QCollapsible):
    """A button that unfolds `content`, which starts folded away unless it is to be `unfolded`."""

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None, *, unfolded: bool = False) -> None:
        # No icons: they keep the colour of the theme that they were made under.
        super().__init__(title, parent, QIcon(), QIcon())
        self._title = title
        # Not "at most as high as now": rows are made once it is unfolded.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.setDuration(0)  # a dock that is laid out anew twenty times looks slow, not smooth
        self.toggleButton().setStyleSheet("text-align: left;")
        for layout in (self.layout(), self.content().layout()):
            if layout is not None:
                layout.setContentsMargins(0, 0, 0, 0)
        self._inside = content
        inside = self.content().layout()
        if inside is not None:
            inside.addWidget(content)
        self.toggled.connect(self._show)
        self._show(False)
        if unfolded:
            self.expand(animate=False)

    def _show(self, unfolded: bool) -> None:
        self.setText(f"{_ARROWS[unfolded]}  {self._title}")
        # Hidden, not only squeezed: the Tab key must not go there. And as high as it likes: superqt fixes the height that the content
        # has when it unfolds, and a form that is exchanged for a longer one would be squashed.
        self._inside.setVisible(unfolded)
        self.content().setMaximumHeight(QWIDGETSIZE_MAX if unfolded else 0)


def _span(info: FieldInfo) -> str:
    if info.low is None and info.high is None:
        return ""
    unit = f" {info.unit}" if info.unit else ""
    if info.most is not None:
        unit = f"{unit}, at most {info.most} numbers"
    if info.high is None:
        return f" At least {info.low:g}{unit}."
    if info.low is None:
        return f" At most {info.high:g}{unit}."
    return f" {info.low:g} to {info.high:g}{unit}."


def _wrapped(text: str) -> str:
    # Rich text is wrapped by Qt, plain tooltips run over the screen.
    return f"<qt>{html.escape(text)}</qt>"
