"""The dock **Train**: a method learns from healthy scans in a process of its own, while the window shows how it goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from ...core.checks import Finding
from ...core.errors import BrainUADError, Cancelled, ModelError
from ...core.text import counted
from ...workflows.models.models import find_model
from ..app import workers
from ..app.docks import PRIMARY, open_dock, tell_models_changed
from ..widgets.messages import wrapping_label
from ..widgets.side_dock import SideDock
from .inputs import TrainInputs
from .job import History, estimated, started
from .panel import TrainPanel
from .run import TrainRun
from .unfinished_row import UnfinishedRow

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ...workflows.train.train_process import TrainingEvent, TrainingProcess
    from ...workflows.train.unfinished import Unfinished

_PURPOSE = "Teaches a method what healthy brains look like. Runs in a process of its own. Research use only."
_PAUSE = "Stop after the next step and keep a checkpoint; going on gives the same model as without the break"
_NO_PAUSE = "The scans are being cut into slices: it can be paused once the first step is done"


class TrainDock(SideDock):
    """Trains one method on healthy scans.

    Parameters
    ----------
    napari_viewer : Viewer
        Injected by napari.

    Attributes
    ----------
    state : {"editing", "running", "paused", "done"}
        What the dock is busy with.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.state = "editing"
        self._job: Mapping[str, Any] = {}
        self._run: TrainRun | None = None
        self._work: workers.Job | None = None
        self._pausing = False
        self._left_out: list[str] = []
        self._warned: list[Finding] = []
        self.inputs = TrainInputs()
        self.unfinished = UnfinishedRow()
        self.panel = TrainPanel()
        self.cost, self.outcome = wrapping_label(), wrapping_label()
        self.estimate, self.start = QPushButton("Estimate"), QPushButton("Start training")
        self.copy = QPushButton("Copy as command")
        self.pause, self.resume = QPushButton("Pause"), QPushButton("Resume")
        self.use, self.again = QPushButton("Use in Detect"), QPushButton("New training")
        self._lay_out()
        self._connect()
        self._enter("editing")

    @property
    def running(self) -> bool:
        """Whether a training, or an estimate, is going on."""
        return self._run is not None or (self._work is not None and self._work.running)

    def choose_method(self, method: str) -> None:
        """Choose the method to train, unless a training is going on."""
        if self.state == "editing":
            self.inputs.method.choose(method)

    def train(self) -> None:
        """What the button does: start with everything as it stands in the dock, in place of an estimate that is going on."""
        self._drop_estimate()
        if self.running:
            return
        self.messages.clear()
        try:
            job = self.inputs.job()
        except BrainUADError as error:
            self.messages.show_error(error, "Starting the training")
            return
        self._begin(job, resume=False)

    def go_on(self) -> None:
        """Go on with the training that was paused."""
        if not self.running:
            self.messages.clear()
            self._begin(self._job, resume=True)

    def cancel(self) -> None:
        """Stop the training or the estimate; a training keeps its checkpoint."""
        if self._run is not None:
            self._run.cancel()
        elif self._work is not None:
            self._work.cancel()

    def refresh_models(self) -> None:
        """A model came or went: the suggested name may be taken now, or free again."""
        if self.state == "editing":
            self.inputs.new_name()
            self.unfinished.refresh()

    def _begin(self, job: Mapping[str, Any], *, resume: bool) -> None:
        self._job, self._pausing = job, False
        self._left_out.clear()
        self._warned.clear()
        self.panel.start(f"{job['method']}, to be called {Path(job['out']).name}", job["training"].get("steps", 0))
        self._enter("running")
        self._work = workers.run(
            lambda _: started(job, resume=resume),
            parent=self,
            on_done=self._listen,
            on_error=lambda error: self._failed(error, "Starting the training"),
        )

    def _listen(self, found: tuple[TrainingProcess, History]) -> None:
        process, history = found
        if self._lifetime.over:
            process.cancel()
            return
        self.panel.plot.add_many(history)
        self._run = TrainRun(process, self)
        self._run.told.connect(self._told)

    def _told(self, event: TrainingEvent) -> None:
        if event.kind == "update" and event.update is not None:
            self.panel.show_update(event.update)
            self._allow_pause(True)
        elif event.kind == "message":
            # Once the panel shows the figures, the bar need not repeat them.
            words = "Training" if self.panel.plot.training else event.message or self.run_bar.step.text()
            self.run_bar.report(event.fraction, words)
        elif event.kind == "left_out":
            self._left_out.append(event.message)
        elif event.kind == "warning":
            self._warned.append(Finding("warning", "warning", event.message, event.fix))
        elif event.kind == "done" and event.model is not None:
            self._finish()
            self._done(event.model)
        elif event.kind == "cancelled":
            self._finish()
            self._stopped()
        elif event.kind == "failed":
            self._finish()
            self._failed(ModelError(event.what, why=event.why, fix=event.fix), "Training")

    def _finish(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.stop()
            run.deleteLater()

    def _done(self, path: Path) -> None:
        self.outcome.setText(f"{path.name.removesuffix('.safetensors')} is in your models.")
        self._enter("done")
        if self._left_out:
            what = f"trained without {counted(len(self._left_out), 'scan')} that could not be read: {'; '.join(self._left_out)}"
            self._warned.insert(0, Finding("left-out", "warning", what, "Mend or remove them, and train again"))
        self.messages.show_findings(self._warned)
        tell_models_changed(self.viewer)

    def _stopped(self) -> None:
        """The child stopped because it was asked to."""
        if self._pausing and self._can_resume():
            self._enter("paused")
            return
        kept = self._can_resume()
        self._edit()
        if kept:
            self.messages.show_message(
                "info", "Cancelled", why="Its checkpoint is kept", fix="Go on with it, or delete it, under Unfinished"
            )
        else:
            self.messages.show_message("info", "Cancelled", why="Nothing was kept")

    def _can_resume(self) -> bool:
        return (Path(self._job["out"]) / "checkpoint.json").is_file()

    def _failed(self, error: Exception, doing: str) -> None:
        if self._lifetime.over:
            return
        self._enter("paused" if self._job and self._can_resume() else "editing")
        self.show_failure(error, doing)

    def _allow_pause(self, learned: bool) -> None:
        """Offer to pause as soon as there is a checkpoint to go on from: before, stopping would throw the work away."""
        self.pause.setEnabled(learned and not self._pausing)
        self.pause.setToolTip(_PAUSE if learned else _NO_PAUSE)

    def _pause(self) -> None:
        self._pausing = True
        self._allow_pause(True)
        self.cancel()

    def _edit(self) -> None:
        self._job = {}
        self.inputs.new_name()
        self._enter("editing")

    def _take_up(self, training: Unfinished) -> None:
        self._drop_estimate()
        self.messages.clear()
        self._begin(training.job, resume=True)

    def _estimate(self) -> None:
        if self.running:
            return
        self.messages.clear()
        try:
            job = self.inputs.job()
        except BrainUADError as error:
            self.messages.show_error(error, "Estimating")
            return
        self.cost.setText("Trying a few steps")
        self._show_estimating(True)
        self._work = workers.run(
            lambda progress: estimated(job, progress), parent=self, on_done=self._estimated, on_error=self._estimate_failed
        )

    def _drop_estimate(self) -> None:
        if self.state == "editing" and self._work is not None and self._work.running:
            self._work.abandon()
            self.cost.clear()
            self._show_estimating(False)

    def _estimated(self, words: str) -> None:
        self.cost.setText(words)
        self._show_estimating(False)

    def _estimate_failed(self, error: Exception) -> None:
        self.cost.clear()
        self._show_estimating(False)
        if not isinstance(error, Cancelled):
            self.messages.show_error(error, "Estimating")

    def _show_estimating(self, going: bool) -> None:
        self.estimate.setEnabled(not going)
        self.estimate.setText("Estimating" if going else "Estimate")

    def _use(self) -> None:
        """Have Detect take the method and the new model."""
        if getattr(self.viewer, "window", None) is None:
            return
        try:
            model = find_model(Path(self._job["out"]))
        except BrainUADError as error:
            self.messages.show_error(error, "Using the model")
            return
        open_dock(self.viewer, "Detect anomalies").use_model(model)

    def _copy_command(self) -> None:
        from ...workflows.train.train_command import train_command

        clipboard = QGuiApplication.clipboard()
        if clipboard is not None and self._job:
            command = train_command(self._job)
            clipboard.setText(command)
            self.messages.show_message("info", f"Copied: {command}")

    def _enter(self, state: str) -> None:
        """Show what belongs to a state, and nothing else."""
        self.state = state
        editing, going = state == "editing", state == "running"
        for widget in (self.inputs, self._editing_row, self.cost):
            widget.setVisible(editing)
        if editing:
            self.unfinished.refresh()
        else:
            self.unfinished.hide()
        self.panel.setVisible(not editing)
        self.pause.setVisible(going and self.inputs.training is not None)
        self._allow_pause(bool(self._job) and self._can_resume())
        self.resume.setVisible(state == "paused")
        self.use.setVisible(state == "done")
        self.again.setVisible(state in ("paused", "done"))
        self.copy.setVisible(not editing)
        self.outcome.setVisible(state in ("paused", "done"))
        if state == "paused":
            self.outcome.setText(f"{Path(self._job['out']).name} is paused; it stays so when napari is closed.")
        if going:
            self.run_bar.start()
        else:
            self.run_bar.stop()

    def _inputs_changed(self) -> None:
        self.cost.clear()
        if self._work is not None and self.state == "editing":
            self._work.cancel()

    def jobs(self) -> tuple[workers.Job | None, ...]:
        """See `SideDock.jobs`."""
        return (self._work,)

    def _end(self) -> None:
        if self._run is not None:
            self._run.abandon()
        self.inputs.stop()
        super()._end()

    def _connect(self) -> None:
        self.inputs.changed.connect(self._inputs_changed)
        self.inputs.failed.connect(lambda error: self.messages.show_error(error, "Choosing the device"))
        self.unfinished.resumed.connect(self._take_up)
        self.unfinished.deleted.connect(self.inputs.new_name)
        self.unfinished.failed.connect(lambda error: self.messages.show_error(error, "Deleting"))
        self.start.clicked.connect(self.train)
        self.estimate.clicked.connect(self._estimate)
        self.pause.clicked.connect(self._pause)
        self.resume.clicked.connect(self.go_on)
        self.again.clicked.connect(self._edit)
        self.use.clicked.connect(self._use)
        self.copy.clicked.connect(self._copy_command)
        self.run_bar.cancelled.connect(self.cancel)

    def _lay_out(self) -> None:
        for button in (self.start, self.resume, self.use):
            button.setStyleSheet(PRIMARY)
        self.estimate.setToolTip("Try a few real steps, in a process of its own, to say how long it will take and how much memory")
        self.copy.setToolTip("Copy the command line that trains the same model")
        self.outcome.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._editing_row, after = QWidget(), QWidget()
        row, later = QHBoxLayout(self._editing_row), QHBoxLayout(after)
        for inside in (row, later):
            inside.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.start, 1)
        row.addWidget(self.estimate)
        for button in (self.resume, self.use):
            later.addWidget(button, 1)
        for button in (self.pause, self.again, self.copy):
            later.addWidget(button)
        later.addStretch()
        self.arrange(
            [wrapping_label(_PURPOSE), self.unfinished, self.inputs, self.panel],
            [self.cost, self._editing_row, self.run_bar],
            [self.outcome, self.messages],
            [after],
        )
