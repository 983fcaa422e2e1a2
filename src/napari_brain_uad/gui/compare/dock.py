"""The dock **Compare**: several methods over one scan, side by side, under one threshold rule, with a table."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from ...core.checks import Finding
from ...core.errors import BrainUADError, Cancelled
from ...workflows.detect.estimate import comparison_parts
from ..app import workers
from ..app.settings import remember
from ..layers.view import attach
from .comparing import ShownComparison, live_figures
from .comparison_table import close_table, opening_table
from .export import CompareExporter
from .job import CompareRequest, Rest, compared, failure_words, outcome_words, settled, threshold_words
from .layout import CompareLayout
from .scene import CompareScene
from .switch import SceneSwitch
from .views import CompareViews, bind_keys

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from ...postprocessing.regions import Region
    from ...workflows.compare.compare import Comparison

REST_MS = 120
"""The hand rests when the threshold has not moved for this long."""


class CompareDock(CompareLayout):
    """Compares methods over one scan.

    Parameters
    ----------
    napari_viewer : Viewer
        Injected by napari.

    Notes
    -----
    All figures come from `workflows.compare`. While the threshold moves, the masks are ``filtered score > threshold`` and the figures
    those that sorted scores give; when it rests, `Comparison.with_threshold` makes masks, regions and figures in the background.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.ready: ShownComparison | None = None
        self.scene: CompareScene | None = None
        self._rest: Rest | None = None
        self._scanned: Layer | None = None
        self._asked: CompareRequest | None = None
        self._of: tuple[CompareRequest, Layer | None] | None = None
        self._job: workers.Job | None = None
        self._settling: workers.Job | None = None
        self._again = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST_MS)
        self._exporter = CompareExporter(self, lambda: self.comparison)
        self._views = CompareViews(self)
        self._scored_at = 0.0
        self._switch = SceneSwitch(self, lambda done, words: self._report(self._scored_at, 1.0, done, words), self._left)
        attach(self.viewer)
        self._connect()
        self._scan_changed()

    @property
    def running(self) -> bool:
        """Whether methods are being scored, or the viewer is on its way to what is to be shown."""
        return self._switch.running or (self._job is not None and self._job.running)

    @property
    def comparing(self) -> bool:
        """Whether a comparison is in the viewer."""
        return self.scene is not None and self.scene.shown

    @property
    def in_view(self) -> bool:
        """Whether a comparison is in the viewer, or on its way in or out."""
        return self.comparing or self._switch.running

    @property
    def comparison(self) -> Comparison | None:
        """What is compared, at rest; None while there is nothing, or the threshold moves."""
        return None if self._rest is None else self._rest.comparison

    @property
    def run_shown(self) -> int:
        """The number of the chosen method."""
        return self.table.current or 0

    # Run

    def run(self) -> None:
        """What the button does: score what has no map yet, and show the comparison."""
        if self.running:
            return
        self.outcome.hide()
        self.messages.clear()
        try:
            request = self.inputs.request(self.threshold)
        except BrainUADError as error:
            self.messages.show_error(error, "Comparing")
            return
        self.inputs.offer(",".join(str(spec) for spec in request.specs))
        remember("device", request.device)
        self._start(request, self.inputs.scans.scan.layer)

    def _start(self, request: CompareRequest, scan: Layer | None) -> None:
        self.messages.clear()
        self._asked, self._scanned = request, scan
        took = comparison_parts([spec.method for spec in request.specs], request.volume, truth=request.truth is not None)
        self._scored_at = 1.0 - took.show / took.total
        self._show_running(True)
        self._job = workers.run(
            partial(compared, request, str(self.scale.currentData())),
            parent=self,
            on_done=self._done,
            on_error=self._failed,
            on_progress=lambda done, words: self._report(0.0, self._scored_at, done, words),
        )

    def cancel(self) -> None:
        """Stop the run that is going on, if any."""
        if self._job is not None:
            self._job.cancel()
        if self._switch.running:
            self._switch.stop()
            self._left()
            self.messages.show_message("info", "Cancelled", why="Maps that were finished are kept")

    def _report(self, low: float, high: float, done: float, words: str) -> None:
        # One bar from the click to the picture.
        self.run_bar.report(low + (high - low) * done, words)

    def refresh_models(self) -> None:
        """Read the list of models again; other docks call it when they changed it."""
        self.inputs.refresh_models()

    def _done(self, rest: Rest) -> None:
        if self._lifetime.over:
            return
        if self._switch.running:  # another dock had the comparison left meanwhile
            QTimer.singleShot(REST_MS, partial(self._done, rest))
            return
        if self._scanned not in self.viewer.layers:
            self._show_running(False)
            self.messages.show_message("info", "The run ended after its scan was removed; its result is not shown")
            return
        self._show(rest)

    def _failed(self, error: Exception) -> None:
        if self._lifetime.over:
            return
        self._show_running(False)
        self.show_failure(error, "Comparing", kept="Nothing was changed; maps that were finished are kept")

    def _show_running(self, running: bool) -> None:
        self.inputs.setEnabled(not running)
        self.threshold.setEnabled(not running)
        self.button.setEnabled(not running and self.inputs.scans.scan.layer is not None)
        if running:
            self.run_bar.start()
        else:
            self.run_bar.stop()

    # Show

    def _show(self, rest: Rest) -> None:
        """Show another comparison; where the viewer looks stays, if it looked at one before."""
        camera, point = self.viewer.scene.camera, self.viewer.dims.point
        before = (point, camera.center, camera.zoom) if self.comparing else None
        coming = CompareScene(self.viewer, rest.of, self._broken)
        self.table.show_rows(rest.rows, with_truth=rest.comparison.truth is not None)
        # The table comes first of all, so that the canvas has its size.
        self._switch.start(self._let_go(), coming, partial(self._shown, rest, coming, before), opening_table(self.viewer, self.table))

    def _shown(self, rest: Rest, scene: CompareScene, before: tuple[Any, ...] | None) -> None:
        ready = rest.of
        self.ready, self._rest, self.scene = ready, rest, scene
        self._of = None if self._asked is None else (self._asked, self._scanned)
        if before is not None:
            camera = self.viewer.scene.camera
            self.viewer.dims.point, camera.center, camera.zoom = before
        with_truth = ready.comparison.truth is not None
        self.threshold.offer(truth=with_truth, one_unit=ready.one_unit, span=ready.span)
        self.truth.setVisible(with_truth)
        self.regions.set_truth(with_truth)
        self._views.show()
        self._show_running(False)
        self.show_result(True)
        self._show_rest()
        self.table.choose(0)
        self.outcome.setText(outcome_words(rest.comparison))
        self.outcome.show()
        what, why = failure_words(rest.comparison) if rest.comparison.failures else ("", "")
        failed = (Finding("failed", "warning", what, why.rstrip(".")),) if what else ()
        self.messages.show_findings((*failed, *rest.comparison.warnings))

    def take(self, ready: ShownComparison) -> bool:
        """Show the same comparison in other colours; False when another one is shown by now."""
        if self.scene is None or self.ready is None or ready.comparison is not self.ready.comparison:
            return False
        self._rest = None if self._rest is None else replace(self._rest, of=ready)
        self.ready = ready
        self.scene.recolour(ready)
        return True

    def leave_comparison(self) -> None:
        """Put the viewer back as it was before, in steps."""
        if self._switch.running:
            self._switch.stop()
            self._left()
        elif self.scene is not None:
            self._scored_at = 0.0
            self._show_running(True)
            self._switch.start(self._let_go(), None, self._left)

    def _left(self) -> None:
        """The viewer is as it was before."""
        self._show_running(False)
        close_table(self.viewer, self.table)
        self.show_result(False)
        self.outcome.hide()

    def _let_go(self) -> CompareScene | None:
        """What is shown, which is no longer heard of from now on."""
        self._timer.stop()
        scene, self.scene = self.scene, None
        self.ready = self._rest = None
        return scene

    def _broken(self) -> None:
        # Layers may be going one by one just now: put back what is left when they have.
        QTimer.singleShot(0, self._give_up)

    def _give_up(self) -> None:
        if (self.comparing or self._switch.coming is not None) and not self._lifetime.over:
            self.leave_comparison()
            self.messages.show_message("info", "A layer of the comparison was removed: the comparison was closed", fix="Compare again")

    # The threshold

    def move_threshold(self, number: float) -> None:
        """Move the number of the rule: masks and figures follow at once, the rest when the hand rests."""
        if self.ready is None or self.scene is None or not self.threshold.live:
            return
        if self.threshold.needs_healthy and any(cell.levels is None for cell in self.ready.cells):
            return
        self._rest = None
        if self._settling is not None:
            self._settling.cancel()
        thresholds = [cell.at(self.threshold.with_number(number)) for cell in self.ready.cells]
        self.scene.set_thresholds(thresholds)
        rows = live_figures(self.ready.rows, self.ready.cells, thresholds)
        self.table.show_rows(rows, with_truth=self.ready.comparison.truth is not None, moving=True)
        self._timer.start()

    def _rule_chosen(self, _rule: object) -> None:
        if self.ready is None:
            return
        others = self._of is not None and bool(self._of[0].healthy) != self.threshold.healthy.chosen
        if others or (self.threshold.needs_healthy and any(cell.levels is None for cell in self.ready.cells)):
            self._healthy_chosen()
            return
        self._rest = None
        self._settle()

    def _healthy_chosen(self) -> None:
        """Every method that is shown has to score the healthy scans first; what is chosen above may be another scan by now."""
        if self.ready is None or self._of is None or self.running:
            return
        if self.threshold.needs_healthy and not self.threshold.healthy.chosen:
            self.threshold.say("Choose healthy scans; then every method flags the same volume in them.")
            return
        request, scan = self._of
        post = request.post.with_rule(self.threshold.chosen)
        self._start(replace(request, healthy=self.threshold.healthy.scans(), post=post), scan)

    def _settle(self) -> None:
        """Masks, regions and figures under the rule as it stands; one such job at a time."""
        self._timer.stop()
        if self._settling is not None:
            self._again = True
            self._settling.cancel()
            return
        if self.ready is None:
            return
        self._settling = workers.run(
            partial(settled, self.ready, self.threshold.chosen), parent=self, on_done=self._settle_done, on_error=self._settle_failed
        )

    def _settle_done(self, rest: Rest) -> None:
        if self._settle_over() or self._timer.isActive() or self.scene is None or self.ready is None:
            return
        if rest.of.comparison is not self.ready.comparison:
            return
        self._rest = rest
        self.scene.settle(rest.comparison)
        self._show_rest()

    def _settle_failed(self, error: Exception) -> None:
        if not self._settle_over() and not isinstance(error, Cancelled):
            self.messages.show_error(error, "Applying the threshold")

    def _settle_over(self) -> bool:
        """Whether what ended is no longer wanted; starts the next one when one was asked for."""
        self._settling = None
        again, self._again = self._again, False
        if again and not self._lifetime.over:
            self._settle()
        return again or self._lifetime.over

    def _show_rest(self) -> None:
        if self._rest is None:
            return
        comparison = self._rest.comparison
        self.table.show_rows(self._rest.rows, with_truth=comparison.truth is not None)
        self.threshold.say(threshold_words(comparison, 0 if self._of is None else len(self._of[0].healthy)))
        self.table.words.setText(f"Threshold: {comparison.rule.words}. Hover over a header for what it means; click it to sort.")
        self._show_regions()

    # Cells, regions, views

    def _run_chosen(self, run: int) -> None:
        if self.scene is not None:
            self.scene.choose(run)
            self._show_regions()

    def _show_regions(self) -> None:
        comparison = self.comparison
        if comparison is None or self.run_shown >= len(comparison.runs):
            return
        run = comparison.runs[self.run_shown]
        self.regions.show_regions(run.title, run.result.regions)

    def _go_to_region(self, region: Region) -> None:
        if self.scene is not None:
            self.scene.go_to(region.peak_mm)

    def next_method(self) -> None:
        """Choose the next one, after the last the first."""
        if self.ready is not None:
            self.table.choose((self.run_shown + 1) % len(self.ready.cells))

    # Around it

    def _scan_changed(self) -> None:
        if self.running and self._scanned is not None and self._scanned not in self.viewer.layers:
            self.cancel()
        present = self.inputs.scans.scan.layer is not None
        self.setup.setVisible(present or self.comparing)
        self.empty.setVisible(not present and not self.comparing)
        self.button.setEnabled(present and not self.running)

    def jobs(self) -> tuple[workers.Job | None, ...]:
        """See `SideDock.jobs`."""
        return self._job, self._settling

    def _end(self) -> None:
        self._timer.stop()
        scene = self._let_go()
        if self._lifetime.window_closed:
            self._switch.forget(scene)
        else:
            self._switch.stop(scene)
            close_table(self.viewer, self.table)
        self.inputs.disconnect_viewer()
        self.view.disconnect_viewer()
        self.table.deleteLater()
        super()._end()

    def _connect(self) -> None:
        self.inputs.scan_changed.connect(self._scan_changed)
        self.inputs.failed.connect(lambda error: self.messages.show_error(error, "Choosing methods"))
        self.empty.failed.connect(lambda error: self.messages.show_error(error, "Opening a sample"))
        self.button.clicked.connect(self.run)
        self.run_bar.cancelled.connect(self.cancel)
        self.threshold.moved.connect(self.move_threshold)
        self.threshold.rule_chosen.connect(self._rule_chosen)
        self.threshold.healthy.changed.connect(self._healthy_chosen)
        self._timer.timeout.connect(self._settle)
        self.table.chosen.connect(self._run_chosen)
        self.regions.chosen.connect(self._go_to_region)
        self.leave.clicked.connect(self.leave_comparison)
        self.show_table.clicked.connect(lambda: list(opening_table(self.viewer, self.table)))
        bind_keys(self)
