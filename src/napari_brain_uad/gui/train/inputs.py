"""The upper part of the Train dock: method, settings, data, and what the model is to be called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLineEdit, QVBoxLayout, QWidget

from ...core.errors import InputError
from ...core.params import Params, Value
from ...detectors.registry import method_class
from ...workflows.models.models import check_id, free_id, user_dir
from ..widgets.device_choice import DeviceChoice
from ..widgets.editors import ComboBox, IntBox
from ..widgets.forms import Fold, ParamsForm, exchange, row_label
from ..widgets.messages import wrapping_label
from ..widgets.methods.method_box import MethodBox
from .anomalies_box import AnomaliesBox
from .data_box import DataBox

_DEFAULT, _OWN = "Default", "Own settings"
_PRESETS = "Settings of the paper, of its authors' code where they differ, or tiny ones for trying out. "


class TrainInputs(QWidget):
    """Everything a training depends on.

    Attributes
    ----------
    changed : Signal
        Emitted after anything changed that a training depends on, or the scans were counted.
    failed : Signal
        Emitted with an exception to show.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.method = MethodBox(trainable=True)
        self.preset = ComboBox()
        self.preset_words = wrapping_label()
        self.data, self.anomalies = DataBox(), AnomaliesBox()
        self.name = QLineEdit()
        self.device = DeviceChoice(self)
        self.seed = IntBox()
        self.seed.setMinimum(0)
        kind = method_class(self.method.info.id)
        self.params = ParamsForm(kind.Params, folded=False)
        self.training: ParamsForm | None = None
        self._named_by_hand = False
        self._lay_out()
        self._connect()
        self._method_changed()

    def job(self) -> Mapping[str, Any]:
        """Everything as it stands, as `workflows.train.train_process.TrainingJob` takes it.

        Raises
        ------
        InputError
            If a setting does not fit, there is nothing to train on, or the name cannot be a model's or is taken.
        """
        summary = self.data.summary
        if summary is not None and not summary.count:
            raise InputError("There is nothing to train on", why="; ".join(summary.problems) or summary.words, fix="Choose other data")
        if not self.data.value()["path"]:
            raise InputError("There is nothing to train on", fix="Choose a folder of healthy scans, or of label maps to simulate from")
        check_id(self.name.text(), taken=True)
        return {
            "method": self.method.info.id,
            "data": self.data.value() | {"seed": self.seed.value()},
            "params": self.params.value().as_dict(),
            "training": {} if self.training is None else self.training.value().as_dict(),
            "seed": self.seed.value(),
            "out": str(user_dir() / self.name.text()),
            "device": self.device.name,
            "anomalies": self.anomalies.value() if self._learns_anomalies else "",
        }

    def stop(self) -> None:
        """Stop looking at scans; for a dock that ends."""
        self.data.stop()
        self.anomalies.stop()

    @property
    def _learns_anomalies(self) -> bool:
        return method_class(self.method.info.id).LEARNS_ANOMALIES

    def _method_changed(self) -> None:
        info = self.method.info
        kind = method_class(info.id)
        self.params = _exchanged(self._settings, self.params, kind.Params)
        old = self.training
        self.training = None if kind.Training is None else ParamsForm(kind.Training)
        if old is not None:
            self._schedule.removeWidget(old)
            old.deleteLater()
        if self.training is not None:
            self._schedule.addWidget(self.training)
        self._schedule_fold.setVisible(self.training is not None)
        self._settings_fold.setVisible(bool(kind.Params.describe()))
        for form in (self.params, self.training):
            if form is not None:
                form.changed.connect(self._settings_changed)
        self._list_presets()
        self.device.set_supported(info.devices)
        self.anomalies.setVisible(kind.LEARNS_ANOMALIES)
        self._count_anomalies()
        self._suggest_name()
        self.changed.emit()

    def _list_presets(self) -> None:
        names = [_DEFAULT, *(name for name in _presets(self.method.info.id))]
        self.preset.blockSignals(True)
        self.preset.clear()
        for name in names:
            self.preset.addItem(name[:1].upper() + name[1:], name)
        self.preset.addItem(_OWN, _OWN)
        self.preset.setCurrentIndex(0)
        self.preset.blockSignals(False)
        for widget in (self.preset, self._preset_label):
            widget.setVisible(len(names) > 1)
        self._say_preset()

    def _preset_chosen(self) -> None:
        """Fill both forms with a preset's settings."""
        name = self.preset.currentData()
        if name == _OWN:
            return
        params, training = _preset(self.method.info.id, name)
        self.preset.blockSignals(True)
        self.params.set_value(params)
        if self.training is not None and training is not None:
            self.training.set_value(training)
        self.preset.setCurrentIndex(self.preset.findData(name))
        self.preset.blockSignals(False)
        self._say_preset()

    def _settings_changed(self) -> None:
        """Say which preset the settings are, if any."""
        try:
            now = (self.params.value(), None if self.training is None else self.training.value())
        except InputError:
            now = None
        method = self.method.info.id
        chosen = self.preset.currentData()
        # The one that is chosen first: several may be the same settings.
        names = [name for name in (chosen, _DEFAULT, *_presets(method)) if name != _OWN]
        same = next((name for name in names if now == _preset(method, name)), _OWN)
        self.preset.blockSignals(True)
        self.preset.setCurrentIndex(self.preset.findData(same))
        self.preset.blockSignals(False)
        self._say_preset()
        self.changed.emit()

    def _say_preset(self) -> None:
        """What the presets are, once one is chosen; before that it is in the tooltip."""
        words = self.method.info.presets
        self.preset.setToolTip(f"<qt>{_PRESETS}{words}</qt>")
        self.preset_words.setText(words)
        self.preset_words.setVisible(f"{self.preset.currentData()}:" in words)

    def _suggest_name(self) -> None:
        if not self._named_by_hand:
            summary = self.data.summary
            only = next(iter(summary.sequences)) if summary is not None and len(summary.sequences) == 1 else ""
            sequence = self.data.sequence.currentData() or ("" if only == "unknown" else only)
            self.name.setText(free_id("-".join(part for part in (self.method.info.id, sequence.lower()) if part)))

    def _count_anomalies(self) -> None:
        """Those that fit the healthy scans, once there are any."""
        summary = self.data.summary
        there = self._learns_anomalies and summary is not None and summary.count > 0
        self.anomalies.beside(self.method.info.id, self.data.value() if there else {})

    def _data_changed(self) -> None:
        self._count_anomalies()
        self._suggest_name()
        self.changed.emit()

    def _name_edited(self, text: str) -> None:
        self._named_by_hand = bool(text)
        self.changed.emit()

    def new_name(self) -> None:
        """Suggest a name for the next model."""
        self._named_by_hand = False
        self._suggest_name()

    def _connect(self) -> None:
        self.method.changed.connect(self._method_changed)
        self.preset.currentIndexChanged.connect(self._preset_chosen)
        self.data.changed.connect(self._data_changed)
        self.data.counted.connect(self._data_changed)
        self.anomalies.changed.connect(self.changed.emit)
        self.name.textEdited.connect(self._name_edited)
        self.seed.valueChanged.connect(self.changed.emit)
        self.device.box.currentIndexChanged.connect(self.changed.emit)
        self.device.failed.connect(self.failed.emit)

    def _lay_out(self) -> None:
        self.name.setToolTip("The model's id: letters, digits, '-' and '_'")
        self.seed.setToolTip("Fixes everything random: the same seed gives the same model (to the bit on the CPU)")
        content, schedule = QWidget(), QWidget()
        self._settings, self._schedule = QVBoxLayout(content), QVBoxLayout(schedule)
        for inside in (self._settings, self._schedule):
            inside.setContentsMargins(0, 0, 0, 0)
        self._settings.addWidget(self.params)
        self._settings_fold, self._schedule_fold = Fold("Method settings", content), Fold("Training settings", schedule)
        self._preset_label = row_label("Preset", self.preset)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 4, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(self.method)
        form.addRow(self.method.fit)
        form.addRow(self.method.card)
        form.addRow(self._preset_label, self.preset)
        for widget in (self.preset_words, self._settings_fold, self._schedule_fold, self.data, self.anomalies):
            form.addRow(widget)
        form.addRow(row_label("Name", self.name), self.name)
        form.addRow(row_label("Device", self.device.box), self.device.box)
        form.addRow(self.device.words)
        form.addRow(row_label("Seed", self.seed), self.seed)


def _exchanged(layout: QVBoxLayout, old: ParamsForm, kind: type[Params]) -> ParamsForm:
    return exchange(layout, old, ParamsForm(kind, folded=False))


def _presets(method: str) -> list[str]:
    """Names of the presets of a method's settings and of its training."""
    kind = method_class(method)
    found: dict[str, Mapping[str, Value]] = dict(kind.Params.PRESETS)
    return list(found | dict({} if kind.Training is None else kind.Training.PRESETS))


def _preset(method: str, name: str) -> tuple[Params, Params | None]:
    """The settings and training settings of a preset; what it says nothing of stays at its default."""
    kind = method_class(method)
    params = kind.Params.preset(name) if name in kind.Params.PRESETS else kind.Params()
    if kind.Training is None:
        return params, None
    return params, kind.Training.preset(name) if name in kind.Training.PRESETS else kind.Training()
