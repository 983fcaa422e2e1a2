"""The upper part of the Detect dock: everything a run depends on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QFormLayout, QVBoxLayout, QWidget

from ...core.errors import BrainUADError, InputError
from ...core.progress import Progress
from ...core.volume import Volume
from ...detectors.registry import method_class
from ...workflows.detect.pictures import makes_pictures
from ...workflows.models.models import Model, find_model, no_model, settings_for
from ..app import workers
from ..app.settings import last_folder, remember
from ..layers.layers import volume_of
from ..widgets.age_box import AgeBox
from ..widgets.device_choice import DeviceChoice
from ..widgets.editors import IntBox
from ..widgets.forms import Fold, exchange, form_for_scoring, row_label
from ..widgets.messages import ChecksLabel, wrapping_label
from ..widgets.methods.method_box import MethodBox
from ..widgets.methods.model_row import ModelRow
from ..widgets.scan_inputs import ScanInputs
from ..widgets.subject_button import SubjectButton, beside
from .further import FurtherScans
from .job import DetectRequest

if TYPE_CHECKING:
    from napari.components import ViewerModel

_PICTURES = "<qt>Also show what the method compares: the scan as it sees it, and what it expects there. Takes about twice as long.</qt>"


class DetectInputs(QWidget):
    """Scan, masks, method, model, settings and device.

    Attributes
    ----------
    scan_changed, method_changed : Signal
        Emitted after another scan (or none) or method was chosen.
    failed : Signal
        Emitted with an exception to show.
    asked : Signal(str)
        Emitted with "train" or "models" when the user asks to get a model.
    """

    scan_changed = Signal()
    method_changed = Signal()
    failed = Signal(object)
    asked = Signal(str)

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scans = ScanInputs(viewer, self)
        self.scan, self.brain, self.truth = self._scans.scan, self._scans.brain, self._scans.truth
        self.further = FurtherScans(viewer, self)
        self.only = SubjectButton(viewer, lambda: self.scan.layer)
        self.facts, self.checks = wrapping_label(), ChecksLabel()
        self.method = MethodBox()
        self.model = ModelRow()
        self._device = DeviceChoice(self)
        self.device = self._device.box
        self.seed = IntBox()
        self.seed.setMinimum(0)
        self.age = AgeBox(viewer, self.scan)
        self.pictures = QCheckBox()
        self.form = form_for_scoring(self.method.info.id)
        self._sequence: str | None = None
        self._lay_out()
        self._connect()
        self._method_changed()

    def volume(self) -> Volume | None:
        """The chosen scan, None when there is none.

        Raises
        ------
        InputError
            If the chosen layer holds no 3-D image.
        """
        return self._scans.volume()

    def outline(self) -> Volume | None:
        """The same for all but its values, which may have to be loaded first."""
        return self._scans.outline()

    def request(self) -> DetectRequest:
        """Everything as it stands.

        Raises
        ------
        BrainUADError
            If there is no scan, a mask does not lie on its grid, or the method needs a model and has none.
        """
        volume = self.volume()
        if volume is None:
            raise InputError("No scan is chosen", fix="Open one, or a sample")
        info = self.method.info
        if info.trainable and self.model.path is None:
            raise no_model(info.id, volume.sequence)
        others = tuple(volume_of(layer) for layer in self.further.layers)
        if others and self.age.years is not None:
            fix = "Untick the further sequences, or set the age to 'not known'"
            raise InputError("An age and several sequences", why="ages of healthy brains are compared with one scan alone", fix=fix)
        volume, mask, mask_file = self._scans.brain_mask(volume)
        truth, truth_file = self._scans.mask(self.truth, volume, "ground truth")
        return DetectRequest(
            volume=volume,
            mask=mask,
            truth=truth,
            mask_file=mask_file,
            truth_file=truth_file,
            method=info.id,
            params=self.form.value(),
            model=self.model.path if info.trainable else None,
            device=self._device.name,
            seed=self.seed.value(),
            prepare_with=info.preset if mask is not None and self._scans.prepares else "auto",
            reconstruct=self.pictures.isEnabled() and self.pictures.isChecked() and not others,
            others=others,
            age=self.age.years,
        )

    @property
    def prepares(self) -> bool:
        """Whether a run prepares the scan although a brain mask is chosen."""
        return self._scans.prepares

    def show_facts(self, line: str, checks: tuple[str, ...]) -> None:
        """Show what is known about the scan, with a mark where a check found something."""
        self.facts.setText(line)
        self.checks.show_checks(*checks)

    def set_sequence(self, sequence: str | None) -> None:
        """Recommend a method, and take a model, for this sequence."""
        self._sequence = sequence
        self.further.set_scan(self.scan.layer)
        self.method.set_sequence(sequence, self.scan.layer)
        self._show_models()

    def set_model(self, path: Path) -> None:
        """Read and check a model file in the background, then take it; what is wrong with it goes to `failed`."""
        method = self.method.info.id

        def read(progress: Progress) -> Model:
            from ...workflows.detect.scoring_process import load_apart

            load_apart(method, path, progress)
            return find_model(path)

        def take(model: Model) -> None:
            if method == self.method.info.id:
                remember("last_folder", str(path.parent))
                self.model.choose(model)

        workers.run(read, parent=self, on_done=take, on_error=self.failed.emit)

    def disconnect_viewer(self) -> None:
        """Stop following the viewer; for a dock that ends."""
        self.further.disconnect_viewer()
        self._scans.disconnect_viewer()

    def _show_models(self) -> None:
        info = self.method.info
        self.model.setVisible(info.trainable)
        if info.trainable:
            self.model.show_method(info.id, self._sequence)

    def _model_chosen(self) -> None:
        model, method = self.model.model, self.method.info.id
        if model is None:
            return
        try:
            # The form shows what the model was trained with: its defaults would otherwise silently overrule the model's settings.
            self.form.set_value(method_class(method).Params.from_dict(settings_for(method, model.method, model.params)))
        except BrainUADError as error:
            self.failed.emit(error)

    def _choose_model(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Load a model", str(last_folder()), "Models (*.safetensors)")
        if name:
            self.set_model(Path(name))

    def _method_changed(self) -> None:
        info = self.method.info
        self.form = exchange(self._advanced, self.form, form_for_scoring(info.id))
        self._show_models()
        if info.trainable:
            # The row of models says nothing when the same model as before is chosen; the form is a new one.
            self._model_chosen()
        self._device.set_supported(info.devices)
        able = makes_pictures(info.id)
        self.pictures.setEnabled(able)
        self.pictures.setToolTip(_PICTURES if able else f"{info.name} reconstructs nothing that could be shown")
        self.method_changed.emit()

    def _connect(self) -> None:
        self._scans.scan_changed.connect(self.scan_changed)
        self.method.changed.connect(self._method_changed)
        self._device.failed.connect(self.failed.emit)
        self.model.button.clicked.connect(self._choose_model)
        self.model.chosen.connect(self._model_chosen)
        self.model.asked.connect(self.asked.emit)

    def _lay_out(self) -> None:
        self.seed.setToolTip("Fixes everything random: the same seed gives the same map.")
        advanced = QWidget()
        self._advanced = QVBoxLayout(advanced)
        self._advanced.setContentsMargins(0, 0, 0, 0)
        self._advanced.addWidget(self.form)
        seed = QFormLayout()
        seed.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        seed.addRow(row_label("Show reconstruction", self.pictures), self.pictures)
        seed.addRow(row_label("Age", self.age), self.age)
        seed.addRow(row_label("Seed", self.seed), self.seed)
        self._advanced.addLayout(seed)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 4, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for row in (
            ("Scan", beside(self.scan, self.only)),
            ("Sequence", self._scans.sequence),
            self.facts,
            self.checks,
            ("Brain mask", self.brain),
            ("Ground truth", self.truth),
            self.method,
            self.method.fit,
            self.method.card,
            self.model,
            ("Device", self.device),
            self._device.words,
            Fold("Further sequences", self.further),
            Fold("Advanced", advanced),
        ):
            form.addRow(*row) if isinstance(row, tuple) else form.addRow(row)
