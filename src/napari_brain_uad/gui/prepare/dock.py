"""The dock **Prepare**: from a raw scan to what the methods need, step by step, with every step to be looked at and redone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget

from ...core.errors import BrainUADError
from ...core.progress import Progress
from ...core.text import counted
from ...preprocessing.step import patient_order
from ...workflows.detect.estimate import preparation_words
from ..app import workers
from ..app.docks import PRIMARY, leaving_comparison, open_dock
from ..app.settings import last_folder, remember, remembered
from ..app.steps import Steps
from ..layers.layers import volume_of
from ..layers.scan_facts import facts
from ..widgets.empty_state import EmptyState
from ..widgets.messages import wrapping_label
from ..widgets.side_dock import SideDock
from .inputs import PrepareInputs
from .job import Answer, PrepareRequest, named_scans, read_steps, run_request
from .layers import add_prepared, brought_back, maps_to_bring_back, show_back
from .step_panel import StepPanel

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from ...preprocessing.step import Step
    from ...workflows.detect.detect import Detection

_PURPOSE = "Brings raw scans to what the methods need: brain, bias field, MNI space, intensities. Research use only."


class PrepareDock(SideDock):
    """Runs a preset on a scan, or on several sequences of one patient, and shows every step.

    Parameters
    ----------
    napari_viewer : Viewer
        Injected by napari.

    Attributes
    ----------
    answer : Answer or None
        What the latest run gave, until other scans or settings are chosen.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.answer: Answer | None = None
        self._job: workers.Job | None = None
        self._looking: workers.Job | None = None
        self._reading: workers.Job | None = None
        self._showing: Steps | None = None
        self._scanned: list[Layer] = []
        self.inputs = PrepareInputs(self.viewer)
        self.panel = StepPanel()
        self.empty = EmptyState(self.viewer)
        self.cost, self.outcome = wrapping_label(), wrapping_label()
        self.button = QPushButton("Prepare")
        self.accept = QPushButton("Accept")
        self.save = QPushButton("Save")
        self.copy = QPushButton("Copy as command")
        self.back = QPushButton("Bring the map back to the scan")
        self._lay_out()
        self._connect()
        self.inputs.choose_preset(remembered("preset"))
        self._preset_changed()
        self._scan_changed()

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return any(work is not None and work.running for work in (self._job, self._showing))

    def run(self) -> None:
        """What the button does: prepare with everything as it stands in the dock."""
        self._start(0, again=False)

    def redo(self, first: int) -> None:
        """Run again from step `first`, with the settings as they stand."""
        self._start(first, again=True)

    def cancel(self) -> None:
        """Stop the run that is going on, if any."""
        if self._job is not None:
            self._job.cancel()

    def take_over(self) -> None:
        """What Accept does: the prepared scans become layers, and Detect takes the first."""
        if self.answer is None:
            return
        pairs = list(zip(self.answer.session.sequences.values(), self._scanned, strict=True))
        shown = [add_prepared(self.viewer, run, self.answer.request.preset, scan) for run, scan in reversed(pairs)]
        for layer in shown[:-1]:
            layer.visible = False
        # Another space: what was in view may not be in it.
        self.viewer.reset_view()
        middle = shown[-1].data_to_world([(n - 1) / 2 for n in shown[-1].data.shape])
        self.viewer.dims.point = (*self.viewer.dims.point[: self.viewer.dims.ndim - 3], *middle)
        self.outcome.setText("The prepared scan is open, for Detect to score. Its brain mask is a hidden layer.")
        self.accept.setEnabled(False)
        if getattr(self.viewer, "window", None) is not None:
            open_dock(self.viewer, "Detect anomalies").inputs.scan.choose(shown[-1])

    def save_to(self, folder: Path, *, everything: bool) -> None:
        """Write the quality-control pictures, or with `everything` also scans, masks and records, in the background."""
        answer = self.answer
        if answer is None or self.running:
            return
        self.messages.clear()
        self._show_running(True)
        self._job = workers.run(
            lambda progress: _save(answer, folder, everything, progress),
            parent=self,
            on_done=lambda files: self._saved(folder, files),
            on_error=lambda error: self._failed(error, "Saving"),
            on_progress=self.run_bar.report,
        )

    def bring_back(self) -> None:
        """Show the newest map of a prepared scan in the scan's own space, with its regions."""
        maps = maps_to_bring_back(self.viewer)
        if not maps or self.running:
            return
        try:
            job = brought_back(self.viewer, maps[-1])
        except BrainUADError as error:
            self.messages.show_error(error, "Bringing the map back")
            return
        self.messages.clear()
        self._show_running(True)
        self._job = workers.run(
            job.run,
            parent=self,
            on_done=lambda found: self._brought_back(found, maps[-1]),
            on_error=lambda error: self._failed(error, "Bringing the map back"),
            on_progress=self.run_bar.report,
        )

    def _start(self, first: int, *, again: bool) -> None:
        if self.running:
            return
        self.messages.clear()
        before = self.answer if again else None
        try:
            # The steps that are kept are those of the scans that were prepared, whatever became of their layers.
            scans = before.request.scans if before else named_scans([volume_of(layer) for layer in self.inputs.layers()])
            request = PrepareRequest(scans, self.inputs.chosen.id, self.panel.pipeline(), first, before.session if before else None)
        except BrainUADError as error:
            self.messages.show_error(error, "Preparing")
            return
        remember("preset", request.preset)
        self._scanned = self.inputs.layers()
        self._forget_answer()
        self._show_running(True)
        self.panel.start(patient_order(scans), first)
        self._job = workers.run_telling(
            partial(run_request, request),
            parent=self,
            on_done=self._done,
            on_error=lambda error: self._failed(error, "Preparing"),
            on_progress=self.run_bar.report,
            on_news=self.panel.take,
        )

    def _done(self, answer: Answer) -> None:
        if self._lifetime.over:
            return
        self._show_running(False)
        if self.inputs.layers() != self._scanned:
            self.panel.forget()
            words = "The run ended after other scans were chosen; its result is kept, not shown"
            self.messages.show_message("info", words, fix="Choose those scans again and press Prepare")
            return
        self.answer = answer
        self.panel.finish(answer)
        how = "Prepared before: taken from the cache." if answer.session.cached else f"Done in {answer.session.seconds:.0f} s."
        self.outcome.setText(f"{how} Look at the steps, then accept or redo one with other settings.")
        for widget in (self.outcome, self._after):
            widget.show()
        self.button.setStyleSheet("")  # Accept is what comes next
        self.accept.setEnabled(True)
        sequences = answer.session.sequences.values()
        self.messages.show_findings(finding for run in sequences for finding in run.prepared.volume.findings)

    def _failed(self, error: Exception, doing: str) -> None:
        if self._lifetime.over:
            return
        self._show_running(False)
        if doing == "Preparing":
            self.panel.fail()
        self.show_failure(error, doing)

    def _saved(self, folder: Path, files: list[Path]) -> None:
        if self._lifetime.over:
            return
        self._show_running(False)
        remember("last_folder", str(folder))
        count = counted(len(files), "file")
        self.messages.show_message("info", f"Saved {count} in {folder.name}", why=", ".join(file.name for file in files))

    def _brought_back(self, detection: Detection, heat: Layer) -> None:
        if self._lifetime.over:
            return
        self._showing = Steps(
            leaving_comparison(self.viewer),
            parent=self,
            on_done=partial(self._show_back_in_place, detection, heat),
            on_broken=lambda: self._show_running(False),
        )

    def _show_back_in_place(self, detection: Detection, heat: Layer) -> None:
        self._show_running(False)
        show_back(self.viewer, heat, detection)
        self.viewer.reset_view()
        self.messages.show_message("info", "The map is on the scan's own grid", fix="Save its layer to get a file in the scan's own space")

    def _scan_changed(self) -> None:
        if self._looking is not None:
            self._looking.abandon()
        self._forget_answer()
        self.messages.clear()
        if not self.running:
            self.panel.forget()
        layer = self.inputs.scan.layer
        present = layer is not None
        for part in (self.inputs, self.panel):
            part.setVisible(present)
        self.empty.setVisible(not present)
        self._show_running(self.running)
        self._show_cost()
        self.inputs.facts.clear()
        try:
            volume = self.inputs.outline()
        except BrainUADError as error:
            self.messages.show_error(error, "Reading the layer")
            return
        if layer is not None and volume is not None:
            self.inputs.facts.setText("Looking at the scan")
            self._looking = workers.run(
                lambda _progress: facts(volume_of(layer)).line,
                parent=self,
                on_done=self.inputs.facts.setText,
                on_error=lambda _error: self.inputs.facts.clear(),
            )

    def _preset_changed(self) -> None:
        self._forget_answer()
        if self._reading is not None:
            self._reading.abandon()
        pipeline = self.inputs.chosen.pipeline
        self.button.setEnabled(False)
        self._reading = workers.run(
            lambda _progress: read_steps(pipeline),
            parent=self,
            on_done=self._take_steps,
            on_error=lambda e: self._failed(e, "Reading the steps"),
        )

    def _take_steps(self, steps: tuple[Step, ...]) -> None:
        self.panel.set_steps(steps)
        self._show_running(self.running)
        self._show_cost()

    def _show_cost(self) -> None:
        count = len(self.inputs.layers())
        time = preparation_words(self.inputs.chosen.pipeline, max(count, 1))
        self.cost.setText(f"{time[0].upper()}{time[1:]} for a raw head; about 1 s when it was done before" if count else "")

    def _forget_answer(self) -> None:
        """What the last run said does not hold for other scans or another preset."""
        self.answer = None
        self.outcome.clear()
        self.outcome.hide()
        self._after.hide()
        self.button.setStyleSheet(PRIMARY)

    def _show_running(self, running: bool) -> None:
        self.inputs.setEnabled(not running)
        self.panel.set_editable(not running)
        self._after.setEnabled(not running)
        self.button.setEnabled(not running and self.inputs.scan.layer is not None and bool(self.panel.steps))
        self.back.setEnabled(not running)
        if running and self.run_bar.isHidden():
            self.run_bar.start()
        elif not running:
            self.run_bar.stop()

    def _show_back(self, _event: object = None) -> None:
        self.back.setVisible(bool(maps_to_bring_back(self.viewer)))

    def _ask_folder(self, everything: bool) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Save to folder", str(last_folder()))
        if folder:
            self.save_to(Path(folder), everything=everything)

    def _copy_command(self) -> None:
        from ...workflows.scans.prepare_session import prepare_command

        clipboard = QGuiApplication.clipboard()
        if self.answer is not None and clipboard is not None:
            request = self.answer.request
            command = prepare_command(list(request.scans.values()), request.preset, request.pipeline)
            clipboard.setText(command)
            self.outcome.setText(f"Copied: {command}")

    def jobs(self) -> tuple[workers.Job | None, ...]:
        """See `SideDock.jobs`."""
        return self._job, self._looking, self._reading

    def _end(self) -> None:
        if self._showing is not None:
            self._showing.stop()
        self.inputs.disconnect_viewer()
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.disconnect(self._show_back)
        super()._end()

    def _connect(self) -> None:
        self.inputs.scan_changed.connect(self._scan_changed)
        self.inputs.preset_changed.connect(self._preset_changed)
        self.empty.failed.connect(lambda error: self.messages.show_error(error, "Opening a sample"))
        self.panel.redo.connect(self.redo)
        self.button.clicked.connect(self.run)
        self.accept.clicked.connect(self.take_over)
        self.copy.clicked.connect(self._copy_command)
        self.back.clicked.connect(self.bring_back)
        self.run_bar.cancelled.connect(self.cancel)
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self._show_back)

    def _lay_out(self) -> None:
        self.accept.setStyleSheet(PRIMARY)
        self.accept.setToolTip("Open the prepared scan and its brain mask as layers, ready for Detect")
        self.copy.setToolTip("Copy the command line that gives the same result")
        self.back.setToolTip("Resample the anomaly map to the scan's own voxels, through the transforms of the preparation")
        menu = QMenu(self)
        for text, everything in (("Picture for quality control", False), ("Scan, masks, record and picture", True)):
            action = menu.addAction(text)
            if action is not None:
                action.triggered.connect(lambda _checked=False, everything=everything: self._ask_folder(everything))
        self.save.setMenu(menu)
        self.outcome.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._after = QWidget()
        row = QHBoxLayout(self._after)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.accept, 1)
        row.addWidget(self.save)
        row.addWidget(self.copy)
        self.arrange(
            [wrapping_label(_PURPOSE), self.empty, self.inputs, self.panel],
            [self.cost, self.button, self.run_bar],
            [self.outcome, self.messages],
            [self._after, self.back],
        )
        self.back.hide()


def _save(answer: Answer, folder: Path, everything: bool, progress: Progress) -> list[Path]:
    from ...workflows.scans.prepare import save_figure, save_patient

    runs, preset_id = list(answer.session.sequences.values()), answer.request.preset
    progress.update(0.0, f"Saving {', '.join(run.native.name for run in runs)}")
    if everything:
        written = save_patient([(run.prepared, run.native) for run in runs], folder, preset_id)
        return [path for files in written for path in files.values()]
    return [save_figure(run.prepared, run.native, folder, preset_id) for run in runs]
