"""The dock **Detect anomalies**: choose a scan and a method, run, look."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image
from napari.settings import get_plugin_settings
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QPushButton

from ...core.errors import BrainUADError, Cancelled
from ...core.progress import Progress
from ...preprocessing.presets import preset
from ...workflows.detect.estimate import estimate, parts, preparation_words
from ..app import keys, workers
from ..app.docks import PLUGIN, PRIMARY, leaving_comparison, open_dock, opening_dock, tell_judged
from ..app.settings import remember, remembered
from ..app.steps import Steps, young_garbage_only
from ..layers.detection_layers import adding_detection, adding_pictures, show_again
from ..layers.layers import is_map, record, volume_layer, volume_of
from ..layers.mask_layer import LiveMask, finished_mask
from ..layers.pictures import is_picture, lay_masks, lay_on
from ..layers.scan_facts import Facts, facts
from ..layers.subjects import bring_into_view
from ..widgets.empty_state import EmptyState
from ..widgets.messages import wrapping_label
from ..widgets.methods.method_box import NO_MODEL
from ..widgets.side_dock import SideDock
from .inputs import DetectInputs
from .job import DetectRequest, MapCache, Reviews, outcome_words, reviews_in, run_request

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from ...workflows.detect.detect import Detection
    from ...workflows.models.models import Model

_DETECT = "Detect anomalies"
EMPHASIS = "font-weight: bold; font-size: 13px;"
_PURPOSE = "Scores every voxel by how far it departs from what is healthy. Research use only."


class DetectDock(SideDock):
    """Runs one method on one scan and shows what it found.

    Parameters
    ----------
    napari_viewer : Viewer
        Injected by napari.

    Attributes
    ----------
    detection : Detection or None
        What the latest run gave.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.detection: Detection | None = None
        self._cache = MapCache()
        self._job: workers.Job | None = None
        self._looking: workers.Job | None = None
        self._showing: Steps | None = None
        self._scanned: Layer | None = None
        self._scored_by = ""
        self._further: list[Layer] = []
        self._raw = False
        self._scored_at = 1.0
        self.inputs = DetectInputs(self.viewer)
        self.empty = EmptyState(self.viewer)
        self.cost = wrapping_label()
        self.button = QPushButton(_DETECT)
        self.copy = QPushButton("Copy as command")
        self.verdict = wrapping_label()
        self.outcome = wrapping_label()
        self._lay_out()
        self._connect()
        self.inputs.method.offer(remembered("method"))
        self._scan_changed()

    @property
    def running(self) -> bool:
        """Whether a run is going on, or its result is being shown."""
        return (self._job is not None and self._job.running) or self._showing is not None

    def run(self) -> None:
        """What the button does: run with everything as it stands in the dock."""
        if self.running:
            return
        self._clear_outcome()
        try:
            request = self.inputs.request()
        except BrainUADError as error:
            self.messages.show_error(error, "Detecting anomalies")
            return
        remember("method", request.method)
        self.inputs.method.offer(request.method)
        remember("device", request.device)
        self._scanned, self._further, self._scored_by = self.inputs.scan.layer, self.inputs.further.layers, request.method
        took = parts(request.method, request.volume, truth=request.truth is not None, window=True)
        self._scored_at = 1.0 - took.show / took.total
        self._show_running(True)
        self._job = workers.run(
            partial(_run, request, self._cache, reviews_in(self.viewer)),
            parent=self,
            on_done=self._done,
            on_error=self._failed,
            on_progress=lambda done, words: self.run_bar.report(self._scored_at * done, words),
        )

    def cancel(self) -> None:
        """Stop the run that is going on, if any; what is already shown of a result stays."""
        if self._showing is not None:
            self._stop_showing()
        elif self._job is not None:
            self._job.cancel()

    def refresh_models(self) -> None:
        """Read the list of models again; other docks call it when they changed it."""
        self.inputs.method.refresh()
        if self.inputs.method.info.trainable:
            self.inputs.model.refresh()
        self._show_cost()

    def use_model(self, model: Model) -> None:
        """Choose a method and a model of it, as if by hand."""
        self.inputs.method.choose(model.method)
        self.inputs.model.choose(model)

    def _done(self, answer: tuple[Detection, LiveMask]) -> None:
        if self._lifetime.over:
            return
        detection, live = answer
        if self._scanned not in self.viewer.layers:
            self._show_running(False)
            self.messages.show_message("info", "The run ended after its scan was removed; its result is not shown")
            return
        self.detection = detection
        self._showing = Steps(
            self._show(detection, live, self._shown(detection)),
            parent=self,
            on_done=partial(self._all_shown, detection),
            on_broken=self._stop_showing,
            on_step=lambda done: self.run_bar.report(self._scored_at + (1.0 - self._scored_at) * done, "Showing the result"),
        )

    def _show(self, detection: Detection, live: LiveMask, heat: Layer | None) -> Iterator[float]:
        """Show a result in steps, unless `heat` shows it already: napari needs a tenth of a second for a layer and more for a dock."""
        yield from leaving_comparison(self.viewer)
        with young_garbage_only():
            if self._scanned is not None and is_picture(self._scanned):
                self._scanned = self._add_slice(self._scanned)
                yield 0.05
            if heat is None:
                for number, layer in enumerate(adding_detection(self.viewer, detection, live, self._scanned, self._further)):
                    heat = layer if is_map(layer) else heat
                    yield min(0.1 * number, 0.55)
            elif heat in self.viewer.layers:
                show_again(self.viewer, heat, detection, live)
                tell_judged(self.viewer, heat)
                yield 0.2
                for _ in adding_pictures(self.viewer, detection, self._scanned):
                    yield 0.3
            if heat not in self.viewer.layers:
                return
            self.viewer.layers.selection.active = heat
            self._show_strongest(detection, heat)
            yield 0.6
            if getattr(self.viewer, "window", None) is not None and _tune_wanted():
                yield 0.7
                for tune in opening_dock(self.viewer, "Tune"):
                    if heat in tune.maps.layers():
                        tune.maps.choose(heat)
                    yield 0.9

    def _add_slice(self, picture: Layer) -> Layer:
        """The scan of one slice that a picture was taken for, in its place: what lies on it are layers of scans."""
        volume = volume_of(picture)
        data, meta, _ = volume_layer(volume)
        picture.name, picture.visible = f"{volume.name} (picture)", False
        layer = Image(data, **meta)
        lay_on(picture, layer)
        lay_masks([*self.viewer.layers, layer])  # before it is there: napari warns of layers in pixels beside others in mm
        self.inputs.method.same_for(layer)
        self.viewer.add_layer(layer)
        self.inputs.scan.choose(layer)
        bring_into_view(self.viewer, layer, elsewhere=True)
        return layer

    def _all_shown(self, detection: Detection) -> None:
        self._stop_showing()
        if (self.inputs.scan.layer, self.inputs.method.info.id) != (self._scanned, self._scored_by):
            words = f"The result of {detection.map.name} is open: {detection.verdict.line}"
            self.messages.show_message("info", words, why="another scan or method was chosen while it ran")
            return
        self.copy.show()
        self.verdict.setText(". ".join(filter(None, (detection.verdict.line, detection.verdict.advice))))
        self.verdict.setToolTip(detection.verdict.details)
        self.verdict.show()
        self.outcome.setText(outcome_words(detection))
        self.outcome.show()
        self.messages.show_findings(detection.warnings)

    def _stop_showing(self) -> None:
        if self._showing is not None:
            self._showing.stop()
            self._showing = None
        self._show_running(False)

    def _show_strongest(self, detection: Detection, heat: Layer) -> None:
        """Move the slices to the middle of the strongest region; where the camera looks on them is the user's choice."""
        if not detection.result.regions:
            return
        # The middle, not the peak: in a large region the peak may lie on its rim, where there is little to see.
        middle = detection.map.grid.to_index(detection.result.regions[0].centroid_mm)
        dims = self.viewer.dims
        dims.point = (*dims.point[: dims.ndim - 3], *heat.data_to_world(middle.round()[::-1]))

    def _shown(self, detection: Detection) -> Layer | None:
        """The heatmap of a cached map that is still there, shown or hidden, against the same ground truth."""
        ours = (layer for layer in self.viewer.layers if is_map(layer) and record(layer)["map"] is detection.map)
        return next((layer for layer in ours if _same(record(layer).get("truth"), detection.truth)), None)

    def _failed(self, error: Exception) -> None:
        if self._lifetime.over:
            return
        self._show_running(False)
        self.show_failure(error, "Detecting anomalies")

    def _scan_changed(self) -> None:
        if self._looking is not None:
            self._looking.abandon()
        if self.running and self._scanned is not None and self._scanned not in self.viewer.layers:
            self.cancel()
        self._clear_outcome()
        self._raw = False
        self.inputs.show_facts("", ())
        layer = self.inputs.scan.layer
        present = layer is not None
        self.inputs.setVisible(present)
        self.empty.setVisible(not present)
        self.button.setEnabled(present and not self.running)
        self._show_cost()
        try:
            volume = self.inputs.outline()
        except BrainUADError as error:
            self.messages.show_error(error, "Reading the layer")
            return
        if layer is None or volume is None:
            return
        self.inputs.set_sequence(volume.sequence)
        self.inputs.facts.setText("Looking at the scan")
        self._looking = workers.run(lambda _: facts(volume_of(layer)), parent=self, on_done=self._facts_found, on_error=self._facts_failed)

    def _facts_found(self, found: Facts) -> None:
        self.inputs.show_facts(found.line, found.checks)
        self._raw = found.raw
        self._show_cost()

    def _facts_failed(self, error: Exception) -> None:
        self.inputs.show_facts("", ())
        if not isinstance(error, Cancelled):
            self.messages.show_error(error, "Looking at the scan")

    def _method_changed(self) -> None:
        self._clear_outcome()
        self._show_cost()

    def _clear_outcome(self) -> None:
        """What the last run said does not hold for another scan or method."""
        self.messages.clear()
        self.verdict.hide()
        self.outcome.clear()
        self.outcome.hide()
        self.copy.hide()

    def _show_cost(self) -> None:
        without = self.inputs.method.info.trainable and self.inputs.model.path is None
        self.button.setText(NO_MODEL if without else _DETECT)
        try:
            volume = self.inputs.outline()
        except BrainUADError:
            volume = None
        if volume is None:
            self.cost.clear()
            return
        info = self.inputs.method.info
        words = estimate(info.id, volume, truth=self.inputs.truth.layer is not None, window=True).words
        if self._raw and (self.inputs.brain.layer is None or self.inputs.prepares):
            time = preparation_words(preset(info.preset).pipeline)
            words = f"Prepares the scan first ({time}, 1 s when it was done before). Then {words[0].lower()}{words[1:]}"
        further = len(self.inputs.further.layers)
        self.cost.setText(f"{words.rstrip('.')}; {further + 1} times as long for {further + 1} sequences." if further else words)

    def _show_running(self, running: bool) -> None:
        self.inputs.setEnabled(not running)
        self.button.setEnabled(not running and self.inputs.scan.layer is not None)
        if running:
            self.run_bar.start()
        else:
            self.run_bar.stop()

    def _open_dock_for_models(self, what: str) -> None:
        if getattr(self.viewer, "window", None) is None:
            return
        if what == "train":
            open_dock(self.viewer, "Train").choose_method(self.inputs.method.info.id)
        else:
            open_dock(self.viewer, "Models")

    def _copy_command(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if self.detection is not None and clipboard is not None:
            from ...workflows.detect.command import missing_words

            clipboard.setText(self.detection.command)
            missing = missing_words(self.detection.command)
            self.outcome.setText(f"Copied: {self.detection.command}" + (f"\n{missing}." if missing else ""))

    def jobs(self) -> tuple[workers.Job | None, ...]:
        """See `SideDock.jobs`."""
        return self._job, self._looking

    def _end(self) -> None:
        if self._showing is not None:
            self._showing.stop()
        self.inputs.disconnect_viewer()
        super()._end()

    def _connect(self) -> None:
        self.inputs.scan_changed.connect(self._scan_changed)
        self.inputs.method_changed.connect(self._method_changed)
        for box in (self.inputs.brain, self.inputs.truth):
            box.layer_changed.connect(self._show_cost)
        self.inputs.model.chosen.connect(self._show_cost)
        self.inputs.further.changed.connect(self._show_cost)
        self.inputs.failed.connect(lambda error: self.messages.show_error(error, "Loading"))
        self.inputs.asked.connect(self._open_dock_for_models)
        self.empty.failed.connect(lambda error: self.messages.show_error(error, "Opening a sample"))
        self.button.clicked.connect(self.run)
        self.copy.clicked.connect(self._copy_command)
        self.run_bar.cancelled.connect(self.cancel)
        keys.bind(self, {keys.ONLY_SUBJECT: self.inputs.only.press})

    def _lay_out(self) -> None:
        self.button.setStyleSheet(PRIMARY)
        self.copy.hide()
        self.copy.setToolTip("Copy the command line that gives the same result")
        self.verdict.hide()
        self.verdict.setStyleSheet(EMPHASIS)
        self.verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.outcome.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.arrange(
            [wrapping_label(_PURPOSE), self.empty, self.inputs],
            [self.cost, self.button, self.run_bar],
            [self.verdict, self.outcome, self.copy, self.messages],
        )


def _run(request: DetectRequest, cache: MapCache, reviews: Reviews, progress: Progress) -> tuple[Detection, LiveMask]:
    """The job: what `run_request` gives, and the mask as its layer will hold it."""
    detection = run_request(request, cache, progress, reviews)
    return detection, finished_mask(detection.map, detection.result, detection.truth)


def _same(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


def _tune_wanted() -> bool:
    """The plugin's preference "Open the Tune dock"; on where napari knows no preferences of ours."""
    group = getattr(get_plugin_settings().get(PLUGIN), "after_run", None)
    return bool(getattr(group, "open_tune", True))
