"""The upper part of the Batch dock: which scans, what is done to them, and where the results go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from ...core.errors import BrainUADError, Cancelled, InputError
from ...core.isolation import isolated
from ...core.progress import Progress
from ...core.sequence import SEQUENCES
from ...core.text import counted, readable
from ...detectors.registry import method_class
from ...postprocessing.params import PostParams
from ...workflows.models.models import no_model
from ..app import workers
from ..app.settings import last_folder, remember
from ..widgets.device_choice import DeviceChoice
from ..widgets.editors import ComboBox, IntBox
from ..widgets.forms import Fold, ParamsForm, exchange, form_for_scoring
from ..widgets.messages import wrapping_label
from ..widgets.methods.method_box import MethodBox
from ..widgets.methods.model_row import ModelRow

if TYPE_CHECKING:
    from ...workflows.cohort.batch import BatchRun
    from ...workflows.cohort.case import Case

_WAIT_MS = 400
"""After the last letter, before a folder is looked at."""

_NAMED = 3
"""So many lines of what is left out are shown; the results name all."""


@dataclass(frozen=True)
class Found:
    """What is in a folder: the layout's name, the scans by sequence ("" for the first of each subject), and what is left out."""

    layout: str
    scans: Mapping[str, tuple[Case, ...]]
    left_out: Mapping[str, tuple[str, ...]]


class BatchInputs(QWidget):
    """Folder, sequence, method with its settings, clean-up and output folder.

    Attributes
    ----------
    changed : Signal
        Emitted after something changed; `scans` may be empty.
    failed : Signal
        Emitted with an exception to show.
    asked : Signal(str)
        Emitted with "train" or "models" when the user asks to get a model.
    """

    changed = Signal()
    failed = Signal(object)
    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder, self.out = QLineEdit(), QLineEdit()
        self.sequence = ComboBox()
        self.words = wrapping_label()
        self.method = MethodBox()
        self.model = ModelRow()
        self._device = DeviceChoice(self)
        self.jobs = IntBox()
        self.form = form_for_scoring(self.method.info.id)
        self.clean_up = ParamsForm(PostParams, folded=False)
        self._found: Found | None = None
        self._looking: workers.Job | None = None
        self._waiting = QTimer(self)
        self._waiting.setSingleShot(True)
        self._waiting.setInterval(_WAIT_MS)
        self._lay_out()
        self._connect()
        self._method_changed()

    @property
    def scans(self) -> tuple[Case, ...]:
        """The scans of the folder as it stands; none while it is looked at."""
        return () if self._found is None else self._found.scans.get(self._sequence, ())

    @property
    def left_out(self) -> tuple[str, ...]:
        """Which subjects have no scan of the chosen sequence, and what belongs to no subject."""
        return () if self._found is None else self._found.left_out.get(self._sequence, ())

    @property
    def root(self) -> Path:
        """The folder of the scans."""
        return Path(self.folder.text().strip()).expanduser()

    @property
    def results(self) -> Path:
        """The folder for the results."""
        return Path(self.out.text().strip()).expanduser()

    @property
    def wanted_sequence(self) -> str | None:
        """The chosen sequence; None for the first of each subject."""
        return self._sequence or None

    def run(self) -> BatchRun:
        """What is to be done to every scan.

        Raises
        ------
        BrainUADError
            If the method needs a model and has none, a setting is wrong, or a folder is missing.
        """
        from ...workflows.cohort.batch import BatchRun
        from ...workflows.models.method_spec import MethodSpec
        from ...workflows.models.models import name_of

        if not self.out.text().strip():
            raise InputError("There is no folder for the results", fix="Choose one below the method")
        info = self.method.info
        if info.trainable and self.model.path is None:
            raise no_model(info.id, self._sequence or None)
        params, defaults = self.form.value().as_dict(), method_class(info.id).Params().as_dict()
        model = self.model.path if info.trainable else None
        # A model brings its own settings, which the form shows: only without one are the defaults what is not said.
        known = {} if model is not None else defaults
        changed = {name: value for name, value in params.items() if name not in known or value != known[name]}
        return BatchRun(
            MethodSpec.of(info.id, params=changed, model=None if model is None else name_of(model)),
            post=PostParams.from_dict(self.clean_up.value().as_dict()),
            device=self._device.name,
        )

    def choose_folder(self, folder: Path) -> None:
        """Take a folder as if it was typed, and one beside it for the results unless there is one already."""
        self.folder.setText(str(folder))
        if not self.out.text().strip():
            self.out.setText(str(folder.with_name(f"{folder.name}_anomalies")))

    def look(self) -> None:
        """Look at the folder in the background."""
        self._waiting.stop()
        if self._looking is not None:
            self._looking.abandon()
        self._found = None
        self.changed.emit()
        root = self.root
        if not self.folder.text().strip():
            self.words.setText("Choose a folder of scans: a data set (BIDS and others) or plain files.")
            return
        self.words.setText("Looking at the folder")
        self._looking = workers.run(lambda progress: _look(root, progress), parent=self, on_done=self._seen, on_error=self._not_seen)

    def stop(self) -> None:
        """Stop looking; for a dock that ends."""
        self._waiting.stop()
        if self._looking is not None:
            self._looking.abandon()

    @property
    def _sequence(self) -> str:
        return str(self.sequence.currentData() or "")

    def _seen(self, found: Found) -> None:
        self._found = found
        before = self._sequence
        self.sequence.blockSignals(True)
        self.sequence.clear()
        for name in found.scans:
            self.sequence.addItem(name or "the first of each subject", name)
        self.sequence.setCurrentIndex(max(0, self.sequence.findData(before)))
        self.sequence.blockSignals(False)
        self._sequence_changed()

    def _not_seen(self, error: Exception) -> None:
        self.words.clear()
        if not isinstance(error, Cancelled):
            self.failed.emit(error)

    def _sequence_changed(self) -> None:
        scans = self.scans
        sequences = {scan.sequence for scan in scans}
        self.method.set_sequence(next(iter(sequences)) if len(sequences) == 1 else None, several=len(sequences) > 1)
        self._show_models()
        if self._found is not None:
            truths = sum(scan.truth is not None for scan in scans)
            left = "; ".join(self.left_out[:_NAMED]) + ("; ..." if len(self.left_out) > _NAMED else "")
            left = f" Left out: {left}." if left else ""
            count = f"{counted(len(scans), 'scan')}"
            self.words.setText(readable(f"{self._found.layout}: {count}, {truths} with ground truth.{left}"))
        self.changed.emit()

    def _show_models(self) -> None:
        info = self.method.info
        self.model.setVisible(info.trainable)
        if info.trainable:
            sequences = {scan.sequence for scan in self.scans}
            self.model.show_method(info.id, sequences.pop() if len(sequences) == 1 else None)

    def _method_changed(self) -> None:
        info = self.method.info
        self.form = exchange(self._advanced, self.form, form_for_scoring(info.id))
        self._device.set_supported(info.devices)
        self._show_models()
        self._model_chosen()
        self.changed.emit()

    def _model_chosen(self) -> None:
        from ...workflows.models.models import settings_for

        model, method = self.model.model, self.method.info.id
        if self.method.info.trainable and model is not None:
            self.form.set_value(method_class(method).Params.from_dict(settings_for(method, model.method, model.params)))

    def _ask(self, line: QLineEdit, words: str) -> None:
        given = line.text().strip()
        chosen = QFileDialog.getExistingDirectory(self, words, given or str(last_folder()))
        if chosen:
            remember("last_folder", chosen)
            self.choose_folder(Path(chosen)) if line is self.folder else line.setText(chosen)

    def _connect(self) -> None:
        self._waiting.timeout.connect(self.look)
        self.folder.textChanged.connect(lambda _text: self._waiting.start())
        self.out.textChanged.connect(lambda _text: self.changed.emit())
        self.sequence.currentIndexChanged.connect(lambda _index: self._sequence_changed())
        self.method.changed.connect(self._method_changed)
        self.model.chosen.connect(self._model_chosen)
        self.model.asked.connect(self.asked.emit)
        self.model.button.hide()  # a file can be imported in Models; the command line then names the model
        self._device.failed.connect(self.failed.emit)

    def _lay_out(self) -> None:
        self.folder.setPlaceholderText("Folder of scans")
        self.folder.setAccessibleName("Folder of scans")
        self.jobs.setRange(1, os.cpu_count() or 1)
        self.jobs.setToolTip("Each in a process of its own, which loads the model again: memory grows with their number")
        self.jobs.setAccessibleName("Scans at a time")
        self.out.setPlaceholderText("Folder for the results")
        self.out.setAccessibleName("Folder for the results")
        self.sequence.setAccessibleName("Sequence")
        advanced = QWidget()
        self._advanced = QVBoxLayout(advanced)
        self._advanced.setContentsMargins(0, 0, 0, 0)
        self._advanced.addWidget(self.form)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 4, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Scans", self._with_browse(self.folder, "Folder of scans"))
        form.addRow(self.words)
        form.addRow("Sequence", self.sequence)
        form.addRow(self.method)
        form.addRow(self.method.fit)
        form.addRow(self.method.card)
        form.addRow(self.model)
        form.addRow("Device", self._device.box)
        form.addRow(self._device.words)
        form.addRow("Scans at a time", self.jobs)
        form.addRow(Fold("Advanced", advanced))
        form.addRow(Fold("Threshold and clean-up", self.clean_up))
        form.addRow("Results", self._with_browse(self.out, "Folder for the results"))

    def _with_browse(self, line: QLineEdit, words: str) -> QWidget:
        button = QPushButton("Browse")
        button.setToolTip(words)
        button.clicked.connect(lambda _checked=False: self._ask(line, words))
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(line, 1)
        layout.addWidget(button)
        return row


def _look(root: Path, progress: Progress) -> Found:
    """Find the scans of every sequence; the workflow's readers are imported here, in the job's thread."""
    from ...datasets.registry import find_layout
    from ...workflows.cohort.cohort import cases_of

    layout = find_layout(root)
    progress.check()
    sequences = dict.fromkeys(sequence for subject in layout.subjects(root) for sequence in subject.sequences)
    if "unknown" in sequences:
        # No sequence to ask for; a scan that is its subject's only one may be told to be any.
        sequences = dict.fromkeys((*(one for one in sequences if one != "unknown"), *SEQUENCES))
    found = {"": cases_of(root, layout_id=layout.id, need_truth=False)}
    for name in sequences:
        cases = isolated(partial(cases_of, root, layout_id=layout.id, sequence=name, need_truth=False))
        if not isinstance(cases, BrainUADError):  # nobody has it
            found[name] = cases
    return Found(layout.name, {name: scans for name, (scans, _) in found.items()}, {name: left for name, (_, left) in found.items()})
