"""Choosing several methods: every registered one by family, and variants of them (a preset, settings, a model)."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QHeaderView, QPushButton, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from ....core.errors import BrainUADError
from ....detectors.registry import cards, method_class
from ....workflows.models.method_spec import MethodSpec
from ....workflows.models.models import Model, list_models
from ....workflows.models.recommend import cannot_score, recommend, recommend_learned
from ..editors import ComboBox
from .method_box import NO_MODEL

_SPEC = int(Qt.ItemDataRole.UserRole)
_ROWS = 13


class MethodList(QWidget):
    """A list to tick, grouped by family, and a row to add variants with.

    Attributes
    ----------
    changed : Signal
        Emitted after a tick changed.
    ticked : Signal
        Emitted after the user ticked a method, unticked one, or added a variant.
    failed : Signal
        Emitted with the exception when what was typed is no variant.
    """

    changed = Signal()
    ticked = Signal()
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sequence: str | None = None
        self.tree = _Tree()
        self.variant = ComboBox()
        self.variant.setEditable(True)
        self.variant.setAccessibleName("Variant")
        self.variant.setToolTip(
            "<qt>A method with a preset, settings or a model: <b>vae@code</b>, <b>threshold@bins=64</b>, <b>vae:my-model</b></qt>"
        )
        self.add = QPushButton("+ variant")
        self.add.setToolTip("Add what is written on the left to the list")
        row = QHBoxLayout()
        row.addWidget(self.variant, 1)
        row.addWidget(self.add)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.tree)
        layout.addLayout(row)
        self._items: dict[MethodSpec, QTreeWidgetItem] = {}
        self._fill()
        self.refresh()
        self.tree.itemChanged.connect(self._ticked)
        self.add.clicked.connect(self._add_typed)

    def chosen(self) -> tuple[MethodSpec, ...]:
        """What is ticked and can score, in the list's order."""
        ticked = []
        for family in range(self.tree.topLevelItemCount()):
            heading = self.tree.topLevelItem(family)
            for row in range(0 if heading is None else heading.childCount()):
                item = None if heading is None else heading.child(row)
                if item is not None and item.checkState(0) == Qt.CheckState.Checked and item.flags() & Qt.ItemFlag.ItemIsEnabled:
                    ticked.append(item.data(0, _SPEC))
        return tuple(ticked)

    def choose(self, specs: Iterable[str | MethodSpec]) -> None:
        """Tick exactly these; variants that are not listed yet are added, and what does not exist (any more) is passed over."""
        wanted = []
        for given in specs:
            try:
                spec = given if isinstance(given, MethodSpec) else MethodSpec.parse(given)
            except BrainUADError:
                continue
            wanted.append(self._item(spec))
        self.tree.blockSignals(True)
        for item in self._items.values():
            item.setCheckState(0, Qt.CheckState.Checked if any(item is one for one in wanted) else Qt.CheckState.Unchecked)
        self.tree.blockSignals(False)
        self.changed.emit()

    def add_variant(self, text: str) -> None:
        """List a variant and tick it; what is wrong with it goes to `failed`."""
        try:
            item = self._item(MethodSpec.parse(text))
        except BrainUADError as error:
            self.failed.emit(error)
            return
        item.setCheckState(0, Qt.CheckState.Checked)
        self.tree.scrollToItem(item)
        self.variant.setCurrentIndex(-1)
        self.variant.setEditText("")

    def set_sequence(self, sequence: str | None) -> None:
        """Say what can score a scan of this sequence."""
        self._sequence = sequence
        self.refresh()

    def suggest(self) -> None:
        """Tick what is worth comparing on the scan's sequence: plain brightness, what is recommended, and what has learned."""
        self.choose(dict.fromkeys(one for one in ("threshold", recommend(self._sequence)[0], recommend_learned(self._sequence)) if one))

    def refresh(self) -> None:
        """Look again which methods have a model, and which presets and models there are."""
        self.tree.blockSignals(True)
        models = list_models()
        for spec, item in self._items.items():
            short, why = ("", "") if spec.model else cannot_score(spec.method, self._sequence, models)
            info = method_class(spec.method).INFO
            plain = spec == MethodSpec(spec.method)
            item.setText(0, f"{info.name} ({short})" if short and plain else (info.name if plain else str(spec)))
            item.setToolTip(0, f"<qt>{html.escape(why or info.summary)}</qt>")
            item.setDisabled(bool(short))
        self._arrange()
        self.tree.blockSignals(False)
        typed = self.variant.currentText()
        self.variant.clear()
        self.variant.addItems(_variants(models))
        self.variant.setCurrentIndex(-1)
        self.variant.setEditText(typed)
        line = self.variant.lineEdit()
        if line is not None:
            line.setPlaceholderText("vae@code, vae:my-model")
        self.changed.emit()

    def _ticked(self) -> None:
        self.changed.emit()
        self.ticked.emit()

    def _add_typed(self) -> None:
        text = self.variant.currentText().strip()
        if text:
            self.add_variant(text)

    def _fill(self) -> None:
        for info in cards():
            self._item(MethodSpec(info.id))

    def _item(self, spec: MethodSpec) -> QTreeWidgetItem:
        """The row of a method or a variant; made when it is not there, a variant right below its method."""
        if spec in self._items:
            return self._items[spec]
        own = self._items.get(MethodSpec(spec.method))
        parent = None if own is None else own.parent()
        heading = parent or self._heading(method_class(spec.method).INFO.family)
        item = QTreeWidgetItem([str(spec)])
        item.setData(0, _SPEC, spec)
        item.setCheckState(0, Qt.CheckState.Unchecked)
        heading.insertChild(heading.childCount() if own is None else heading.indexOfChild(own) + 1, item)
        item.setToolTip(0, f"<qt>{html.escape(method_class(spec.method).INFO.summary)}</qt>")
        self._items[spec] = item
        return item

    def _arrange(self) -> None:
        """Methods stand under their family, those that cannot score the scan under a heading below all others that says why."""
        places = {spec: NO_MODEL if item.isDisabled() else method_class(spec.method).INFO.family for spec, item in self._items.items()}
        if all((parent := item.parent()) is not None and parent.text(0) == places[spec] for spec, item in self._items.items()):
            return
        order = [info.id for info in cards()]
        for item in self._items.values():
            parent = item.parent()
            if parent is not None:
                parent.removeChild(item)
        self.tree.clear()
        for spec in sorted(self._items, key=lambda spec: (places[spec] == NO_MODEL, order.index(spec.method))):
            self._heading(places[spec]).addChild(self._items[spec])

    def _heading(self, family: str) -> QTreeWidgetItem:
        for place in range(self.tree.topLevelItemCount()):
            heading = self.tree.topLevelItem(place)
            if heading is not None and heading.text(0) == family:
                return heading
        heading = QTreeWidgetItem(self.tree, [family])
        heading.setFlags(Qt.ItemFlag.ItemIsEnabled)
        font = heading.font(0)
        font.setBold(True)
        heading.setFont(0, font)
        heading.setExpanded(True)
        return heading


class _Tree(QTreeWidget):
    """High enough for a dozen methods, and scrolls for more."""

    def __init__(self) -> None:
        super().__init__()
        self.setHeaderHidden(True)
        self.setIndentation(14)
        self.setRootIsDecorated(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Methods")
        # napari's own theme draws an empty box dark on dark.
        self.setStyleSheet("QTreeView::item { padding: 1px 0; } QTreeView::indicator:unchecked:enabled { border: 1px solid #8a8d96; }")
        header = self.header()
        if header is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.setMinimumHeight(110)

    def sizeHint(self) -> QSize:
        """A dozen rows."""
        return QSize(200, _ROWS * (self.fontMetrics().height() + 4))


def _variants(models: Sequence[Model]) -> list[str]:
    """Presets and models that can be added, as they are written."""
    found = []
    for info in cards():
        found += [f"{info.id}@{preset}" for preset in method_class(info.id).Params.PRESETS]
        found += [f"{info.id}:{model.id}" for model in list_models(info.id, models)] if info.trainable else []
    return found
