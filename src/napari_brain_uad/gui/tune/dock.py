"""The Tune dock: the threshold by hand and eye, with mask, regions and figures following."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels, Layer
from qtpy.QtCore import QTimer

from ...core.errors import InputError
from ...core.threshold import AUTO_RULE, Threshold, ThresholdRule
from ...postprocessing.edits import RegionEdits
from ...postprocessing.params import PostParams
from ..app import keys
from ..app.workers import Job, run
from ..layers.layers import map_of, record
from ..layers.repaint import show_heat
from ..layers.subjects import scan_missed
from ..layers.tuning import Settled, SortedMap, Tuning, neighbour, settle
from ..layers.view import attach, go_to, show_plane
from ..layers.view_actions import show_map
from .export import Exporter
from .follow import SubjectFollower
from .layout import TuneLayout
from .review import Reviewer
from .shown import ShownResult
from .truth import TruthReader

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from ...postprocessing.regions import Region

REST_MS = 40
"""The hand rests when the threshold has not moved for this long."""

_ONE_DRAG = 0.5
"""Moves closer together than this, in seconds, belong to one movement of the hand."""


class TuneDock(TuneLayout):
    """Tune the threshold and the post-processing of one anomaly map.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Injected by napari.

    Notes
    -----
    While the threshold moves, the mask is ``filtered score > threshold`` and the figures come from sorted scores; both cost next to
    nothing. When it rests, the whole post-processing runs in the background through `postprocessing.pipeline`, and what is then
    shown is what ``brain-uad detect`` gives with the same settings.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._tuning: Tuning | None = None
        self._prepared: SortedMap | None = None
        self._settled: Settled | None = None
        self._moving: float | None = None
        self._moved_at = 0.0
        self._job: Job | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.timeout.connect(self._hand_rests)
        self._follower = SubjectFollower(self.viewer, self.maps, self.whose, self, self._scan_came)
        self._reviewer = Reviewer(self.table, self.review, lambda: (self._tuning, self._settled), self._show_settled, self._settle)
        self._exporter = Exporter(self, self.viewer, self._tuned_now)
        self._truth = TruthReader(self.viewer, self.truths, self, self._truth_touched)
        self._shown = ShownResult(self.viewer, lambda: self._tuning)
        attach(self.viewer)
        self._connect()
        self._map_changed()

    def _connect(self) -> None:
        self.maps.layer_changed.connect(self._map_changed)
        self.truths.layer_changed.connect(self._truth_changed)
        self.histogram.moved.connect(self.move_threshold)
        self.threshold.typed.connect(self.move_threshold)
        self.threshold.rule_chosen.connect(self._rule_chosen)
        self.clean_up.changed.connect(self._clean_up_changed)
        self.table.chosen.connect(self._go_to_region)
        self.undo.clicked.connect(self._undo)
        self.redo.clicked.connect(self._redo)
        self.copy.clicked.connect(self._exporter.copy_command)
        self.export.clicked.connect(lambda: self._exporter.ask_folder())
        self.export_mni.triggered.connect(lambda: self._exporter.ask_folder(mni=True))
        dims = self.viewer.dims.events
        dims.order.connect(self._redraw_boxes)
        dims.ndisplay.connect(self._redraw_boxes)
        keys.bind(
            self,
            {
                keys.NEXT_REGION: lambda: self._step_region(1),
                keys.PREVIOUS_REGION: lambda: self._step_region(-1),
                keys.THRESHOLD_UP: lambda: self._nudge(1),
                keys.THRESHOLD_DOWN: lambda: self._nudge(-1),
                keys.HEATMAP: lambda: _toggle(self.maps.layer),
                keys.TRUTH: lambda: _toggle(self.truths.layer),
                keys.NEXT_METHOD: self._next_map,
                keys.ONLY_SUBJECT: self.only.press,
                keys.ACCEPT: lambda: self._reviewer.act("accept"),
                keys.REJECT: lambda: self._reviewer.act("reject"),
                keys.MERGE: lambda: self._reviewer.act("merge"),
                keys.NOTE: self._reviewer.focus_note,
                **{key: partial(show_plane, self.viewer, plane) for key, plane in keys.PLANE_KEYS.items()},
            },
        )

    def jobs(self) -> tuple[Job | None, ...]:
        """See `SideDock.jobs`."""
        return (self._job,)

    def _end(self) -> None:
        self._rest.stop()
        dims = self.viewer.dims.events
        dims.order.disconnect(self._redraw_boxes)
        dims.ndisplay.disconnect(self._redraw_boxes)
        self._follower.disconnect_viewer()
        self.opacity.follow(None)
        self._truth.stop()
        self.maps.disconnect_viewer()
        self.truths.disconnect_viewer()
        self.view.disconnect_viewer()
        super()._end()

    # What is tuned

    @property
    def post(self) -> PostParams:
        """The settings now."""
        return PostParams() if self._tuning is None else self._tuning.post

    @property
    def settled(self) -> Settled | None:
        """The state at rest, or None while something moves or runs."""
        return self._settled

    def _map_changed(self) -> None:
        layer = self.maps.layer
        self.opacity.follow(layer)
        self._abandon_job()
        self._rest.stop()
        self._tuning = self._prepared = self._settled = self._moving = None
        self.messages.clear()
        self.show_verdict(None)
        self.show_empty(layer is None)
        if layer is None:
            return
        post = record(layer).get("post", PostParams())
        # Both tell of their change before there is anything to tune, and are not heard.
        self.clean_up.set_value(post)
        self.truths.choose(self._truth.likely(layer))
        self._tuning = Tuning(map_of(layer), post=post, edits=record(layer).get("edits", RegionEdits()))
        self._truth_changed()

    def _truth_changed(self) -> None:
        if self._tuning is None:
            return
        self._tuning.change_rule(self._moving)
        self._moving = None
        self._truth.read(self._tuning)
        self._show_truth()
        self._prepared = None
        self._settle()

    def _truth_touched(self) -> None:
        # While the threshold moves it is read when the hand rests.
        if self._tuning is not None and not self._rest.isActive() and self._truth.read(self._tuning):
            self._show_truth()
            self._settle()

    def _show_truth(self) -> None:
        """Offer what can be said with a truth, or without one: a threshold that was found with it stays where it is."""
        if self._tuning is None:
            return
        there, rule = self._tuning.truth is not None, self._tuning.post.rule
        self.figures.set_truth(there)
        self.threshold.set_truth(there)
        self.tabs.setTabVisible(self.tabs.indexOf(self.curve), there)
        if not there and rule.about.needs == "truth":
            kept = AUTO_RULE if self._settled is None else ThresholdRule("value", self._settled.result.threshold.value)
            self._tuning.change(self._tuning.post.with_rule(kept))

    def _tuned_now(self) -> Tuning | None:
        """What is tuned, with the truth as it is painted now: what leaves the dock."""
        self._truth_touched()
        return self._tuning

    # The threshold moves

    def move_threshold(self, value: float) -> None:
        """Set the threshold by hand: mask, line and figures follow at once, the rest when the hand rests."""
        if self._tuning is None or self._prepared is None:
            return
        self._abandon_job()
        resting = self._settled is not None
        self._moving, self._settled = self._rounded(value), None
        threshold = Threshold(self._moving, ThresholdRule("value", self._moving), "set by hand")
        self.histogram.set_threshold(self._moving)
        self.verdict.setEnabled(False)  # it is that of the threshold before
        self.threshold.show_by_hand(self._moving)
        self._shown.move(threshold)
        show_heat(self.viewer, self.maps.layer, self._moving, moving=True)
        self._show_live(self._moving)
        # Where painting is slow, moves come slowly too: that is no rest, and work in between would slow them further.
        now = time.monotonic()
        gap, self._moved_at = now - self._moved_at, now
        self._rest.start(max(REST_MS, round(1500 * gap)) if gap < _ONE_DRAG and not resting else REST_MS)

    def _rounded(self, value: float) -> float:
        """As many digits as the histogram can tell apart: a number that can be read and typed again."""
        assert self._prepared is not None  # nothing moves before a map is prepared
        edges = self._prepared.live.edges
        digits = 4 - int(np.floor(np.log10(float(edges[-1] - edges[0]))))
        return round(float(value), digits)

    def _show_live(self, value: float) -> None:
        if self._tuning is None or self._prepared is None:
            return
        figures = self._tuning.live_figures(self._prepared.live.at(value))
        self.figures.show_figures(figures)
        self.figures.set_note("threshold only")
        self.curve.set_dot(figures.recall, figures.precision)

    def _nudge(self, steps: int) -> None:
        self.move_threshold(self.threshold.number.value() + steps * self.threshold.number.singleStep())

    def _hand_rests(self) -> None:
        if self._tuning is None:
            return
        self._tuning.change_rule(self._moving)
        self._settle()

    def _rule_chosen(self, rule: ThresholdRule) -> None:
        if self._tuning is not None:
            self._moving = None
            self._tuning.change(self._tuning.post.with_rule(rule))
            self._settle()

    def _clean_up_changed(self) -> None:
        if self._tuning is None:
            return
        try:
            chosen = self.clean_up.value()
        except InputError as error:
            self.messages.show_error(error, "Reading the settings")
            return
        self._tuning.change_rule(self._moving, PostParams.from_dict(chosen.as_dict()))
        self._moving = self._settled = None
        # A spin box held down sends a change every few milliseconds.
        self._rest.start(REST_MS)

    def _undo(self) -> None:
        self._travel(Tuning.undo)

    def _redo(self) -> None:
        self._travel(Tuning.redo)

    def judge_again(self, heat: Layer) -> None:
        """Take the settings that its record has now, undoably, if it is the map that is tuned; other docks call it."""
        if heat is self.maps.layer:
            self._travel(lambda tuning: tuning.change(record(heat).get("post")))

    def _travel(self, go: Callable[[Tuning], None]) -> None:
        if self._tuning is None:
            return
        self._tuning.change_rule(self._moving)
        self._moving = None
        go(self._tuning)
        self.clean_up.blockSignals(True)
        self.clean_up.set_value(self._tuning.post)
        self.clean_up.blockSignals(False)
        self._settle()

    # The rest follows

    def _scan_came(self) -> None:
        if self._tuning is not None and self._tuning.amap.scan is None:
            self._settle()

    def _settle(self, fell_back: Exception | None = None) -> None:
        tuning = self._tuning
        if tuning is None:
            return
        if self._truth.read(tuning):
            self._show_truth()
        self.messages.clear()
        for error, doing in ((fell_back, "Post-processing"), (self._truth.error, "Reading the ground truth")):
            if error is not None:
                self.messages.show_error(error, doing)
        self._rest.stop()
        self._abandon_job()
        self._settled = None
        self.figures.set_note("computing")
        state = tuning.amap, tuning.truth, tuning.post, tuning.key(), self._prepared
        job = partial(settle, *state, edits=tuning.edits, scan=scan_missed(self.viewer, self.maps.layer))
        self._job = run(job, parent=self, on_done=self._show_settled, on_error=self._failed)

    def _show_settled(self, settled: Settled) -> None:
        if self._lifetime.over or self._tuning is None:
            return
        self._job, self._settled, self._moving = None, settled, None
        layer = self.maps.layer
        if layer is not None:
            record(layer).update(post=settled.post, edits=settled.edits)
        prepared, result = settled.prepared, settled.result
        if prepared is not self._prepared:
            self._prepared = prepared
            self.histogram.show_histogram(prepared.live, self._tuning.amap.unit)
            self.curve.show_curve(prepared.live)
            span = float(prepared.live.edges[-1] - prepared.live.edges[0])
            self.threshold.set_step(10.0 ** np.floor(np.log10(span / 50)))
        self.histogram.show_healthy(prepared.live, settled.judged.reference)
        self.threshold.set_healthy(settled.judged.reference is not None, settled.judged.verdict.why_not)
        self.histogram.set_threshold(result.threshold.value)
        self.threshold.show_threshold(result.threshold, settled.post.rule)
        # Where the mask is, cleaned up: the dot of the figure that is exported.
        self.curve.set_dot(settled.figures.recall, settled.figures.precision)
        self.figures.show_figures(settled.figures)
        self.show_verdict(settled.judged.verdict)
        self.figures.set_note("before the review" if settled.found.mask.sum() != settled.mask.sum() else "")
        self.table.show_regions(result.regions, settled.relation.words if settled.relation.to_mni is None else "")
        self._reviewer.show_settled(settled)
        self.tabs.setTabText(self.tabs.indexOf(self.region_page), f"Regions ({len(result.regions)})")
        self.undo.setEnabled(self._tuning.can_undo)
        self.redo.setEnabled(self._tuning.can_redo)
        self._shown.show(settled)
        show_heat(self.viewer, layer, result.threshold.value)
        self._redraw_boxes()

    def _failed(self, error: Exception) -> None:
        if self._lifetime.over:
            return
        self._job = None
        self.figures.set_note("not current")
        self.messages.show_error(error, "Post-processing")
        # A rule that cannot be followed from the start would leave nothing to move a threshold in.
        if self._tuning is not None and self._prepared is None and self._tuning.post.rule != AUTO_RULE:
            self._tuning.change(self._tuning.post.with_rule(AUTO_RULE))
            self._settle(error)

    def _abandon_job(self) -> None:
        if self._job is not None:
            self._job.abandon()
            self._job = None

    def _redraw_boxes(self, _event: object = None) -> None:
        self._shown.show_boxes(self._settled)

    def _step_region(self, step: int) -> None:
        number = neighbour([region.number for region in self.table.regions], self.table.current, step)
        if number is not None:
            self.table.choose(number)

    def _next_map(self) -> None:
        layers = self.maps.layers()
        if self.maps.layer is not None:
            chosen = layers[(layers.index(self.maps.layer) + 1) % len(layers)]
            show_map(self.viewer, chosen)
            self.maps.choose(chosen)

    def _go_to_region(self, region: Region) -> None:
        layer = self.maps.layer
        if layer is not None:
            go_to(self.viewer, layer, region.peak_index)

    def export_to(self, folder: Path, *, mni: bool = False) -> None:
        """Write map, mask, regions, figure and provenance of the settings now into `folder`; on demand with copies in MNI space."""
        self._exporter.export_to(folder, mni=mni)


def _toggle(layer: Layer | None) -> None:
    if isinstance(layer, Image | Labels):
        layer.visible = not layer.visible
