"""The dock **Batch**: one method over a folder of scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QPushButton

from ...core.errors import BrainUADError
from ...core.progress import Progress
from ...core.text import counted, told_of
from ..app import workers
from ..app.docks import PRIMARY, open_dock
from ..app.steps import Steps, young_garbage_only
from ..layers.detection_layers import adding_detection
from ..layers.layers import is_map, record
from ..layers.mask_layer import LiveMask, finished_mask
from ..layers.view import add_volume, go_to
from ..widgets.forms import Fold
from ..widgets.messages import wrapping_label
from ..widgets.side_dock import SideDock
from .inputs import BatchInputs
from .results import BatchResults

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from ...workflows.cohort.batch import BatchOutcome, BatchRun
    from ...workflows.cohort.case import Case
    from ...workflows.detect.detect import Detection

_PURPOSE = "Runs one method on every scan of a folder. Research use only."


class BatchDock(SideDock):
    """Runs a batch and opens its results.

    Parameters
    ----------
    napari_viewer : Viewer
        Injected by napari.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._job: workers.Job | None = None
        self._opening: workers.Job | None = None
        self._showing: Steps | None = None
        self._run: BatchRun | None = None
        self.inputs = BatchInputs()
        self.settings = Fold("Scans, method and results", self.inputs, unfolded=True)
        self.button = QPushButton("Run")
        self.copy = QPushButton("Copy as command")
        self.results = BatchResults()
        self.outcome = wrapping_label()
        self._lay_out()
        self._connect()
        self.inputs.look()

    @property
    def running(self) -> bool:
        """Whether a batch is going on."""
        return self._job is not None and self._job.running

    def run(self) -> None:
        """What the button does: work through the folder with everything as it stands."""
        if self.running:
            return
        self.messages.clear()
        try:
            run = self.inputs.run()
        except BrainUADError as error:
            self.messages.show_error(error, "Starting the batch")
            return
        scans, left_out, out = self.inputs.scans, self.inputs.left_out, self.inputs.results
        self._run = run
        self.results.start(scans)
        self._show_running(True)
        self._job = workers.run_telling(
            partial(_work, scans, run, out, self.inputs.jobs.value(), self._command(run), left_out),
            parent=self,
            on_done=self._done,
            on_error=self._failed,
            on_progress=self._report,
            on_news=self.results.show_outcome,
        )

    def cancel(self) -> None:
        """Stop the batch; what is written stays."""
        if self._job is not None:
            self._job.cancel()

    def refresh_models(self) -> None:
        """Read the list of models again; other docks call it when they changed it."""
        if self.inputs.method.info.trainable:
            self.inputs.model.refresh()

    def _report(self, fraction: float, message: str) -> None:
        self.run_bar.report(fraction, message)
        done = sum(state in ("done", "failed") for state in self.results.states())
        scans = self.inputs.scans
        if done < len(scans):
            self.results.working(scans[done].name)

    def _done(self, outcomes: tuple[BatchOutcome, ...]) -> None:
        from ...workflows.cohort.batch_report import batch_words

        if self._lifetime.over:
            return
        for outcome in outcomes:
            self.results.show_outcome(outcome)
        self._show_running(False)
        self.outcome.setText(f"{batch_words(outcomes)}. Table and page: batch.tsv, batch.html in {self.inputs.results.name}.")
        failed = [outcome for outcome in outcomes if outcome.error]
        if failed:
            why = "; ".join(told_of(outcome.case.name, outcome.error) for outcome in failed[:3])
            more = f", and {len(failed) - 3} more" if len(failed) > 3 else ""
            self.messages.show_message("warning", f"{len(failed)} of {counted(len(outcomes), 'scan')} failed", why=why + more)

    def _failed(self, error: Exception) -> None:
        if self._lifetime.over:
            return
        self._show_running(False)
        self.results.stopped()
        self.show_failure(error, "Running the batch", kept="What is done stays in the folder; Run goes on with the rest")

    def _show_running(self, running: bool) -> None:
        self.inputs.setEnabled(not running)
        if running:
            # The scans take their place: on a laptop both have no room.
            self.settings.collapse(animate=False)
        self.outcome.clear()
        self.run_bar.start() if running else self.run_bar.stop()
        self._inputs_changed()
        self.button.setEnabled(self.button.isEnabled() and not running)

    def _inputs_changed(self) -> None:
        count = len(self.inputs.scans)
        self.button.setText(f"Run on {counted(count, 'scan')}" if count else "Run")
        self.button.setEnabled(count > 0 and not self.running)
        self.copy.setEnabled(count > 0)

    def _command(self, run: BatchRun) -> str:
        from ...workflows.cohort.batch import batch_command

        sequence, jobs = self.inputs.wanted_sequence, self.inputs.jobs.value()
        return batch_command(self.inputs.root, run, self.inputs.results, sequence=sequence, jobs=jobs)

    def _copy_command(self) -> None:
        clipboard = QGuiApplication.clipboard()
        try:
            command = self._command(self.inputs.run())
        except BrainUADError as error:
            self.messages.show_error(error, "Writing the command")
            return
        if clipboard is not None:
            clipboard.setText(command)
            self.outcome.setText(f"Copied: {command}")

    def _open(self, outcome: BatchOutcome) -> None:
        """Show a scan with its result, as Detect does; the map is read, not made again."""
        if self._showing is not None or self._run is None:
            return
        if self._opening is not None:
            self._opening.abandon()
        run = self._run
        self.messages.clear()
        self._opening = workers.run(
            lambda progress: _opened(outcome, run, progress),
            parent=self,
            on_done=self._show,
            on_error=lambda error: self.messages.show_error(error, "Opening the result"),
        )

    def _show(self, found: tuple[Detection, LiveMask]) -> None:
        if not self._lifetime.over:
            self._showing = Steps(self._steps(*found), parent=self, on_done=self._shown, on_broken=self._shown)

    def _steps(self, detection: Detection, live: LiveMask) -> Iterator[float]:
        with young_garbage_only():
            for layer in self.viewer.layers:
                layer.visible = False
            scan = add_volume(self.viewer, detection.volume)
            yield 0.3
            heat: Layer | None = None
            for layer in adding_detection(self.viewer, detection, live, scan):
                heat = layer if is_map(layer) else heat
                yield 0.6
            if heat in self.viewer.layers:
                assert heat is not None
                self.viewer.layers.selection.active = heat
                if detection.result.regions:
                    go_to(self.viewer, heat, detection.result.regions[0].peak_index)
                assert record(heat)["map"] is detection.map

    def _shown(self) -> None:
        self._showing = None

    def _open_dock_for_models(self, what: str) -> None:
        if what == "train":
            open_dock(self.viewer, "Train").choose_method(self.inputs.method.info.id)
        else:
            open_dock(self.viewer, "Models")

    def jobs(self) -> tuple[workers.Job | None, ...]:
        """See `SideDock.jobs`."""
        return self._job, self._opening

    def _end(self) -> None:
        if self._showing is not None:
            self._showing.stop()
        self.inputs.stop()
        super()._end()

    def _connect(self) -> None:
        self.inputs.changed.connect(self._inputs_changed)
        self.inputs.failed.connect(lambda error: self.messages.show_error(error, "Looking at the folder"))
        self.inputs.asked.connect(self._open_dock_for_models)
        self.button.clicked.connect(self.run)
        self.copy.clicked.connect(self._copy_command)
        self.run_bar.cancelled.connect(self.cancel)
        self.results.opened.connect(self._open)

    def _lay_out(self) -> None:
        self.button.setStyleSheet(PRIMARY)
        self.copy.setToolTip("Copy the command line that gives the same files")
        self.outcome.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.arrange(
            [wrapping_label(_PURPOSE), self.settings],
            [self.button, self.run_bar],
            [self.outcome, self.messages, self.results],
            [self.copy],
            filling=self.results,
        )


def _work(
    scans: Sequence[Case],
    run: BatchRun,
    out: Path,
    jobs: int,
    command: str,
    left_out: Sequence[str],
    progress: Progress,
    tell: Callable[[object], None],
) -> tuple[BatchOutcome, ...]:
    from ...workflows.cohort.batch import run_batch
    from ...workflows.cohort.batch_report import save_batch

    outcomes = run_batch(scans, run, out, jobs=jobs, tell=tell, progress=progress.part(0.0, 0.99))
    save_batch(outcomes, out, command=command, left_out=left_out)
    return outcomes


def _opened(outcome: BatchOutcome, run: BatchRun, progress: Progress) -> tuple[Detection, LiveMask]:
    """A result as the batch wrote it, read again with its scan."""
    from ...io.nifti import read_map
    from ...workflows.cohort.case import case_volume
    from ...workflows.detect.detect import finish_detection
    from ...workflows.scans.load import as_mask

    volume, amap = case_volume(outcome.case), read_map(outcome.files["map"])
    progress.check()
    truth = None if outcome.case.truth is None else as_mask(outcome.case.truth, volume, label="ground truth")
    detection = finish_detection(volume.with_mask(amap.mask), amap, run.post, truth=truth, command="", progress=progress)
    return detection, finished_mask(detection.map, detection.result, detection.truth)
