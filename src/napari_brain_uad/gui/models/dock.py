"""The dock **Models**: the trained models there are, with their cards; into the list and out of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from ...core.errors import BrainUADError
from ...core.params import value_text
from ...core.progress import Progress
from ...core.text import counted, html_text
from ...detectors.registry import method_class
from ...workflows.models.method_spec import MethodSpec
from ...workflows.models.model_card import card_lines, figure_lines
from ...workflows.models.models import Model, list_models, model_problems
from ...workflows.models.own_references import forget_references, own_references
from ...workflows.models.reference_titles import reference_titles
from ...workflows.models.transfer import export_model, import_model, remove_model
from ..app import workers
from ..app.docks import PRIMARY, open_dock, tell_models_changed
from ..app.settings import last_folder, remember
from ..widgets.messages import wrapping_label
from ..widgets.side_dock import SideDock

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ...workflows.cohort.calibrate import Calibration

_PURPOSE = "Trained models: those that come with the package, and your own. Research use only."
_EMPTY = "No models yet. Train one in the Train dock, or import a file; a model is NAME.safetensors with NAME.json beside it."
_MNI_TIP = (
    "<qt>Every healthy scan is brought to the standard brain MNI152, too: some ten seconds more for each. Detections then tell of every "
    "region what healthy brains score at its place, where the way of their scan to MNI152 is known.</qt>"
)
_GAP = 3
"""Around every model: each has two lines or more, and it has to be seen where the next begins."""
_REMOVE, _REALLY = "Remove", "Really remove"
_FORGET, _REALLY_FORGET = "Remove your healthy reference", "Really remove your healthy reference"
_ARMED_MS = 6000
"""How long the second click on Remove is waited for."""


class ModelsDock(SideDock):
    """Lists all models; shows the chosen one's card.

    Parameters
    ----------
    napari_viewer : Viewer
        Injected by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._models: tuple[Model, ...] = ()
        self._job: workers.Job | None = None
        self.list = QListWidget()
        self.empty = wrapping_label(_EMPTY)
        self.card = wrapping_label(rich=True)
        self.hash = QLineEdit()
        self.use = QPushButton("Use in Detect")
        self.bring = QPushButton("Import")
        self.give = QPushButton("Export")
        self.remove = QPushButton(_REMOVE)
        self.calibrate = QPushButton("Calibrate")
        self.mni = QCheckBox("Calibrate with a mean map in MNI152")
        self.forget = QPushButton(_FORGET)
        self._lay_out()
        self._connect()
        self.refresh_models()

    @property
    def model(self) -> Model | None:
        """The chosen model."""
        row = self.list.currentRow()
        return self._models[row] if 0 <= row < len(self._models) else None

    @property
    def running(self) -> bool:
        """Whether a file is being checked or copied."""
        return self._job is not None and self._job.running

    def choose(self, model_id: str) -> None:
        """Choose a model by its id; an id that is not listed changes nothing."""
        for row, model in enumerate(self._models):
            if model.id == model_id:
                self.list.setCurrentRow(row)

    def refresh_models(self) -> None:
        """Read the list of models again; other docks call it when they changed it."""
        before = self.model
        self._models = list_models()
        self.list.blockSignals(True)
        self.list.clear()
        for model in self._models:
            self.list.addItem(QListWidgetItem(_row(model)))
        self.list.blockSignals(False)
        same = (row for row, model in enumerate(self._models) if before is not None and model.path == before.path)
        self.list.setCurrentRow(next(same, 0 if self._models else -1))
        self._show()
        problems = model_problems()
        if problems:
            first = problems[0]
            count = f" ({len(problems)} files in all)" if len(problems) > 1 else ""
            self.messages.show_message("warning", f"Not listed: {first.what}{count}", why=first.why, fix=first.fix)

    def import_file(self, path: Path) -> None:
        """Check a model file and add it to the user's models, in the background."""
        self._start(lambda _progress: import_model(path), lambda model: self._imported(path, model), "Importing the model")

    def export_to(self, folder: Path) -> None:
        """Copy the chosen model's files into a folder, in the background."""
        model = self.model
        if model is not None:
            self._start(lambda _progress: export_model(model, folder), lambda files: self._exported(folder, files), "Exporting the model")

    def calibrate_on(self, folder: Path) -> None:
        """Make the chosen model's healthy reference from a folder of healthy scans, in the background."""
        model, mni = self.model, self.mni.isChecked()
        if model is None:
            return

        def job(progress: Progress) -> Any:
            # In the job's thread: it brings readers and the methods' packages.
            from ...workflows.cohort.calibrate import calibrate

            return calibrate(_spec(model), folder, mni=mni, progress=progress)

        self._start(job, lambda answer: self._calibrated(folder, mni, *answer), "Calibrating on healthy scans")
        self.run_bar.start()

    def take_files(self, files: list[Path]) -> None:
        """Import the first dropped file."""
        self.import_file(files[0])

    def showEvent(self, a0: QShowEvent | None) -> None:
        """The command line may have changed the list in the meantime."""
        super().showEvent(a0)
        if not self.running:
            self.refresh_models()

    def _start(self, job: Callable[[Progress], Any], done: Callable[[Any], None], doing: str) -> None:
        if self.running:
            return
        self.messages.clear()
        self._show_running(True)
        self._job = workers.run(
            job, parent=self, on_done=done, on_error=lambda error: self._failed(error, doing), on_progress=self.run_bar.report
        )

    def _imported(self, path: Path, model: Model) -> None:
        if self._lifetime.over:
            return
        self._show_running(False)
        remember("last_folder", str(path.parent))
        tell_models_changed(self.viewer)
        self.refresh_models()
        self.choose(model.id)
        self.messages.show_message("info", f"{model.id} is in your models", why="Its SHA-256 stands below its card")

    def _calibrated(self, folder: Path, mni: bool, made: tuple[Calibration, ...], left_out: tuple[str, ...]) -> None:
        if self._lifetime.over:
            return
        self._show_running(False)
        remember("last_folder", str(folder))
        for one in made:
            checked = [one.left_out.words] if one.left_out is not None else []
            back = f"{one.steps_back}; *{_FORGET}* below brings that one back" if one.steps_back else ""
            told = ". ".join(filter(None, [one.reference.smallest_p_words, one.places_told(mni), *checked, one.replaced, back]))
            self.messages.show_message("info", f"{one.reference.sequence}: {one.reference.default_words}", why=told)
        if left_out:
            what = f"Left out: {counted(len(left_out), 'scan or file', 'scans or files')}"
            self.messages.show_message("warning", what, why="; ".join(left_out[:5]))

    def _exported(self, folder: Path, files: list[Path]) -> None:
        if self._lifetime.over:
            return
        self._show_running(False)
        remember("last_folder", str(folder))
        self.messages.show_message("info", f"Exported to {folder.name}: {', '.join(file.name for file in files)}")

    def _failed(self, error: Exception, doing: str) -> None:
        if not self._lifetime.over:
            self._show_running(False)
            self.messages.show_error(error, doing)

    def _delete(self, button: QPushButton, really: str, delete: Callable[[Model], tuple[str, str]], doing: str) -> None:
        """The first click on a button asks, the second deletes; `delete` gives what to say of it, and more about it."""
        model = self.model
        if model is None:
            return
        if button.text() != really:
            button.setText(really)
            self._disarming.start(_ARMED_MS)
            return
        try:
            said, why = delete(model)
        except BrainUADError as error:
            self.messages.show_error(error, doing)
            return
        tell_models_changed(self.viewer)
        self.refresh_models()
        self.messages.show_message("info", said, why=why)

    def _use(self) -> None:
        if self.model is not None and getattr(self.viewer, "window", None) is not None:
            open_dock(self.viewer, "Detect anomalies").use_model(self.model)

    def _show(self) -> None:
        """Show the chosen model's card; what cannot be done with it cannot be clicked."""
        model = self.model
        self._disarm()
        self.empty.setVisible(not self._models)
        for widget in (self.list, self.card, self._hash_row):
            widget.setVisible(bool(self._models))
        self.card.setText("" if model is None else card_html(model))
        self.hash.setText("" if model is None else model.sha256)
        self.hash.setCursorPosition(0)
        for button in (self.use, self.give, self.calibrate, self.mni):
            button.setEnabled(model is not None)
        own = {} if model is None else own_references(_spec(model))
        self.forget.setVisible(bool(own))
        self.forget.setToolTip(f"Delete what you calibrated ({', '.join(own)}): the package's reference counts again, where it has one")
        self.remove.setEnabled(model is not None and not model.shipped)
        self.remove.setToolTip("It came with the package" if model is not None and model.shipped else "Delete this model's files")

    def _show_running(self, running: bool) -> None:
        for widget in (self.list, self.bring, self.give, self.remove, self.use, self.calibrate, self.mni, self.forget):
            widget.setEnabled(not running)
        if not running:
            self.run_bar.stop()
            self._show()

    def _disarm(self) -> None:
        self._disarming.stop()
        self.remove.setText(_REMOVE)
        self.forget.setText(_FORGET)

    def _ask_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Import a model", str(last_folder()), "Models (*.safetensors)")
        if name:
            self.import_file(Path(name))

    def _ask_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Export the model to a folder", str(last_folder()))
        if name:
            self.export_to(Path(name))

    def _ask_healthy(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Choose a folder of healthy scans", str(last_folder()))
        if name:
            self.calibrate_on(Path(name))

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def jobs(self) -> tuple[workers.Job | None, ...]:
        """See `SideDock.jobs`."""
        return (self._job,)

    def _connect(self) -> None:
        self._disarming = QTimer(self)
        self._disarming.setSingleShot(True)
        self._disarming.timeout.connect(self._disarm)
        self.list.currentRowChanged.connect(lambda _row: self._show())
        self.use.clicked.connect(self._use)
        self.bring.clicked.connect(self._ask_file)
        self.give.clicked.connect(self._ask_folder)
        self.calibrate.clicked.connect(self._ask_healthy)
        self.run_bar.cancelled.connect(self._cancel)
        self.remove.clicked.connect(lambda: self._delete(self.remove, _REALLY, _removed, "Removing the model"))
        self.forget.clicked.connect(lambda: self._delete(self.forget, _REALLY_FORGET, _forgotten, "Removing the healthy reference"))

    def _lay_out(self) -> None:
        self.use.setStyleSheet(PRIMARY)
        self.bring.setToolTip("Check a model file (.safetensors, with its .json beside it) and add it to your models")
        self.give.setToolTip("Copy this model's files into a folder, to pass them on")
        self.calibrate.setToolTip("Score a folder of healthy scans with this model: thresholds and verdicts then compare with them")
        self.mni.setToolTip(_MNI_TIP)
        self.hash.setReadOnly(True)
        self.hash.setToolTip("SHA-256 of the model's .safetensors file: who has the same one has the same model")
        self.hash.setAccessibleName("SHA-256")
        self.list.setWordWrap(True)
        self.list.setSpacing(_GAP)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.list.setMinimumHeight(90)
        self.list.setAccessibleName("Models")
        self.card.setOpenExternalLinks(True)
        self.card.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self._hash_row = QWidget()
        row = QHBoxLayout(self._hash_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(QLabel("SHA-256"))
        row.addWidget(self.hash, 1)
        buttons = QWidget()
        row = QHBoxLayout(buttons)
        row.setContentsMargins(0, 0, 0, 0)
        for button in (self.calibrate, self.bring, self.give, self.remove):
            row.addWidget(button, 1)
        self.arrange(
            [wrapping_label(_PURPOSE), self.empty, self.list, self.card, self._hash_row],
            [self.use, buttons, self.mni, self.forget, self.run_bar],
            [self.messages],
            filling=self.list,
        )


def _spec(model: Model) -> MethodSpec:
    return MethodSpec(model.method, model=model.id)


def _removed(model: Model) -> tuple[str, str]:
    remove_model(model)
    return f"{model.id} was removed", ""


def _forgotten(model: Model) -> tuple[str, str]:
    now = [
        f"{sequence}: {f'that of the package counts ({title})' if title else 'there is none now'}"
        for sequence, title in forget_references(_spec(model)).items()
    ]
    return f"Your healthy reference of {model.id} was removed", "; ".join(now)


def card_html(model: Model) -> str:
    """A model's card as rich text; what its files say is shown as text, never as markup."""
    settings = ", ".join(f"{name} {value_text(value)}" for name, value in model.params.items()) or "none"
    titles = reference_titles(model.id, model.method, model.sha256)
    healthy = [(f"Healthy reference, {sequence}", title) for sequence, title in titles.items()]
    rows = [("Method", method_class(model.method).INFO.name), *card_lines(model.card), *healthy, ("Settings", settings)]
    figures = "".join(f"<tr><td>{html_text(data)}&nbsp; </td><td>{html_text(text)}</td></tr>" for data, text in figure_lines(model.card))
    told = {"Measured": f"<table>{figures}</table>"} if figures else {}
    body = "".join(f"<br><b>{name}:</b> {html_text(text)}{told.get(name, '')}" for name, text in rows)
    return f"<b>{html_text(model.title)}</b> ({html_text(model.id)}){body}"


def _row(model: Model) -> str:
    origin = "comes with the package" if model.shipped else "yours"
    return f"{model.title}\n{model.method}, {', '.join(model.sequences) or 'any sequence'}, {origin}"
