"""The Tune dock in a window: it follows the hand, and at rest it tells what the command line tells."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QGuiApplication, QMouseEvent
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_brain_uad import load
from napari_brain_uad.cli import main
from napari_brain_uad.core.shell import split
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.gui.layers import mask_values
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import add_labels, add_map, record
from napari_brain_uad.gui.layers.mask_layer import LiveMask
from napari_brain_uad.gui.layers.region_colours import FIRST_REGION
from napari_brain_uad.gui.layers.subjects import join, scan_missed
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.gui.tune.dock import TuneDock
from napari_brain_uad.io.json_files import read_json
from napari_brain_uad.io.nifti import write_volume
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.region_colours import REGION_COLOURS
from napari_brain_uad.workflows.detect.detect import Detection, detect


class _Bench:
    """A window with a detection and the dock."""

    def __init__(self, viewer: Any, detection: Detection, qtbot: Any) -> None:
        self.viewer, self.detection, self.qtbot = viewer, detection, qtbot
        add_volume(viewer, detection.volume)
        self.heat, self.regions, self.boxes = add_detection(viewer, detection)
        self.dock = TuneDock(viewer)
        self.around = viewer.window.add_dock_widget(self.dock, name="Tune", area="right")
        self.rest()

    def rest(self) -> None:
        self.qtbot.waitUntil(lambda: self.dock.settled is not None, timeout=10_000)

    @property
    def mask(self) -> np.ndarray:  # type: ignore[type-arg]
        return np.isin(np.asarray(self.regions.data).T, (1, 3))


@pytest.fixture
def bench(make_napari_viewer: Callable[..., Any], detection: Detection, qtbot: Any) -> Iterator[_Bench]:
    made = _Bench(make_napari_viewer(), detection, qtbot)
    yield made
    if isalive(made.dock):  # a closed dock has ended
        made.dock._end()


def _same_as_the_workflow(bench: _Bench, post: PostParams) -> None:
    again = detect(bench.detection.volume, bench.detection.map.method, truth=bench.detection.truth, post=post)
    assert bench.dock.post == post
    np.testing.assert_array_equal(bench.mask, again.result.mask)
    assert bench.dock.table.regions == again.result.regions
    assert again.evaluation is not None
    dice = {metric.name: metric.value for metric in again.evaluation.metrics}["dice"]
    assert bench.dock.figures.text("dice") == ("-" if dice is None else f"{dice:.3f}")
    assert bench.dock.figures.text("regions") == str(len(again.result.regions))
    assert bench.dock.verdict.text() == again.verdict.short
    assert bench.dock.verdict.text() == f"{again.verdict.line}. {again.verdict.advice}"  # of this method: there can be no reference
    assert "can have no healthy reference" in bench.dock.verdict.text()
    assert bench.dock.verdict.toolTip().startswith(again.verdict.line)
    assert bench.dock.verdict.isEnabled()


def test_it_opens_on_the_newest_map_with_the_settings_and_the_truth_it_was_made_with(bench: _Bench) -> None:
    assert bench.dock.maps.layer is bench.heat
    assert bench.dock.truths.layer.name == "sub-01_FLAIR | ground truth"
    _same_as_the_workflow(bench, PostParams(threshold="150.0", min_voxels=5))
    assert bench.dock.threshold.origin.text() == "set by hand"
    assert bench.dock.histogram.line.value() == 150.0


def test_a_moving_threshold_shows_the_bare_threshold_then_the_whole_post_processing(bench: _Bench) -> None:
    top = bench.heat.contrast_limits[1]
    bench.dock.move_threshold(125.0)
    # The heatmap begins where flagging does, at once; what a colour at its top means does not change.
    assert tuple(bench.heat.contrast_limits) == (125.0, top)
    assert bench.dock.settled is None
    np.testing.assert_array_equal(bench.mask, (bench.detection.map.score > 125) & bench.detection.map.mask)
    assert bench.dock.figures.text("regions") == "-"
    assert not bench.dock.verdict.isEnabled()  # it is still that of the threshold before
    bench.rest()
    _same_as_the_workflow(bench, PostParams(threshold="125.0", min_voxels=5))
    assert tuple(bench.heat.contrast_limits) == (125.0, top)
    bench.dock.threshold.rule_chosen.emit(ThresholdRule.parse("percentile:90"))
    bench.rest()
    assert tuple(bench.heat.contrast_limits) == (bench.dock.settled.result.threshold.value, top)


def test_the_slider_and_napari_set_the_opacity_of_the_map_that_is_tuned(bench: _Bench) -> None:
    slider = bench.dock.opacity
    assert slider.value() == 100
    slider.setValue(40)
    assert bench.heat.opacity == pytest.approx(0.4)
    bench.heat.opacity = 0.7
    assert slider.value() == 70
    other = add_map(bench.viewer, replace(bench.detection.map, name="another"))
    bench.dock.maps.choose(other)
    assert slider.value() == 100
    slider.setValue(10)
    assert (bench.heat.opacity, other.opacity) == (pytest.approx(0.7), pytest.approx(0.1))


def test_a_move_draws_once_what_drawing_all_afresh_gives(make_napari_viewer: Callable[..., Any], detection: Detection, qtbot: Any) -> None:
    shown = _Bench(make_napari_viewer(show=True), detection, qtbot)  # only on the screen is something painted and laid out
    viewer, drawn = shown.viewer, []
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    for order, value in (((0, 1, 2), 125.0), ((2, 0, 1), 140.0)):
        viewer.dims.order = order
        # The first move tells that it is one, which may take another line; then the window stays as large as it is.
        shown.dock.move_threshold(110.0)
        for _ in range(3):
            QApplication.processEvents()
        before = viewer.screenshot(flash=False)
        QApplication.processEvents()
        canvas.events.draw.connect(drawn.append)
        shown.dock.move_threshold(value)
        QApplication.processEvents()
        canvas.events.draw.disconnect(drawn.append)
        assert len(drawn) == 1
        drawn.clear()
        shown.dock._rest.stop()
        after = viewer.screenshot(flash=False)
        assert (before != after).any()
        shown.regions.refresh()
        np.testing.assert_array_equal(viewer.screenshot(flash=False), after)
    shown.dock._end()


class _LaidOut(QObject):
    """Counts how often a widget is laid out."""

    times = 0

    def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:
        self.times += event is not None and event.type() == QEvent.Type.LayoutRequest
        return False


def test_changing_figures_do_not_lay_out_the_dock(make_napari_viewer: Callable[..., Any], detection: Detection, qtbot: Any) -> None:
    shown = _Bench(make_napari_viewer(show=True), detection, qtbot)  # only on the screen is something painted and laid out
    shown.dock.move_threshold(120.0)
    shown.dock._rest.stop()
    QApplication.processEvents()
    watch = _LaidOut()
    shown.dock.figures.installEventFilter(watch)
    texts = set()
    for value in (125.0, 130.0, 135.0):
        shown.dock.move_threshold(value)
        shown.dock._rest.stop()
        QApplication.processEvents()
        texts.add(shown.dock.figures.text("precision"))
    assert len(texts) == 3
    assert watch.times == 0
    shown.dock._end()


def test_a_move_shows_the_slice_that_is_shown(bench: _Bench) -> None:
    viewer, layer = bench.viewer, bench.regions
    for order, contour in (((0, 1, 2), 0), ((1, 0, 2), 0), ((2, 0, 1), 1), ((0, 2, 1), 0)):
        viewer.dims.order = order
        layer.contour = contour
        for value in (100.0, 140.0):
            viewer.dims.set_current_step(viewer.dims.order[0], 12 if value < 120 else 15)
            # Somebody else asks for slices, too.
            _ = layer.data[3] if value > 120 else layer.data[:, 4]
            for moved in (value, value + 10.0):
                bench.dock.move_threshold(moved)
                bench.dock._rest.stop()
                shown = layer._slice.image
                raw, view = shown.raw.copy(), shown.view.copy()
                layer.refresh()
                np.testing.assert_array_equal(raw, layer._slice.image.raw)
                np.testing.assert_array_equal(view, layer._slice.image.view)


def test_without_a_truth_a_region_has_the_same_colour_in_view_and_table(bench: _Bench) -> None:
    table = bench.dock.table.model()

    def swatch(row: int) -> QColor | None:
        return table.data(table.index(row, 0), Qt.ItemDataRole.DecorationRole)

    assert swatch(0) is None
    bench.dock.truths.choose(None)
    bench.rest()
    regions = bench.dock.table.regions
    assert len(regions) >= 2
    for row, region in enumerate(regions):
        label = int(bench.regions.data[region.peak_index[::-1]])
        np.testing.assert_allclose(bench.regions.colormap.map(label)[:3], swatch(row).getRgbF()[:3], atol=0.01)
    assert swatch(0) != swatch(1)
    bench.dock.truths.choose(bench.dock.truths.layers()[0])
    bench.rest()
    assert swatch(0) is None
    assert set(np.unique(np.asarray(bench.regions.data))) <= {0, 1, 2, 3}


def test_dragging_the_line_with_the_mouse(bench: _Bench) -> None:
    plot, view = bench.dock.histogram, bench.dock.histogram.viewport()
    bench.dock.tabs.setCurrentIndex(0)
    plot.resize(360, 150)

    def place(value: float) -> QPoint:
        box = plot.getPlotItem().vb
        return plot.mapFromScene(box.mapViewToScene(QPointF(value, box.viewRange()[1][1] / 2)))

    def send(kind: QEvent.Type, at: QPoint, button: Qt.MouseButton, held: Qt.MouseButton) -> None:
        event = QMouseEvent(kind, QPointF(at), QPointF(view.mapToGlobal(at)), button, held, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(view, event)
        bench.qtbot.wait(20)

    none, left = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
    start, end = place(150.0), place(110.0)
    send(QEvent.Type.MouseMove, start, none, none)
    send(QEvent.Type.MouseButtonPress, start, left, left)
    for part in np.linspace(0, 1, 8)[1:]:
        send(QEvent.Type.MouseMove, QPoint(round(start.x() + part * (end.x() - start.x())), start.y()), none, left)
    send(QEvent.Type.MouseButtonRelease, end, left, none)
    bench.rest()
    value = bench.dock.threshold.number.value()
    assert value == pytest.approx(110.0, abs=2.0)
    assert value == bench.dock.histogram.line.value()
    _same_as_the_workflow(bench, PostParams(threshold=repr(value), min_voxels=5))


@pytest.mark.parametrize("rule", ["auto", "otsu", "otsu-slice", "percentile", "best-dice"])
def test_each_rule(bench: _Bench, rule: str) -> None:
    box = bench.dock.threshold.rule
    box.setCurrentIndex(box.findData(rule))
    box.activated.emit(box.currentIndex())
    bench.rest()
    _same_as_the_workflow(bench, PostParams(threshold="percentile:98" if rule == "percentile" else rule, min_voxels=5))
    assert bench.dock.settled is not None
    assert bench.dock.threshold.origin.text() == bench.dock.settled.result.threshold.origin
    assert bench.dock.threshold.percentile.isHidden() == (rule != "percentile")


def test_every_clean_up_setting_reaches_the_result(bench: _Bench) -> None:
    post = PostParams(
        median=3, gaussian_mm=0.5, erode=1, threshold="150.0", opening=1, fill_holes=True, min_voxels=2, min_ml=0.05, connectivity="6"
    )
    bench.dock.clean_up.set_value(post)
    bench.rest()
    _same_as_the_workflow(bench, post)


def test_undo_and_redo_bring_settings_and_result_back(bench: _Bench) -> None:
    first = bench.dock.post
    bench.dock.move_threshold(130.0)
    bench.dock.move_threshold(125.0)
    bench.rest()
    bench.dock.undo.click()
    bench.rest()
    _same_as_the_workflow(bench, first)
    assert not bench.dock.undo.isEnabled()
    bench.dock.redo.click()
    bench.rest()
    assert bench.dock.post.threshold == "125"


def test_without_a_truth_its_figures_colours_and_rules_are_gone(bench: _Bench) -> None:
    bench.dock.truths.choose(None)
    bench.rest()
    assert bench.dock.figures._cells["dice"].isHidden()
    assert not bench.dock.tabs.isTabVisible(bench.dock.tabs.indexOf(bench.dock.curve))
    assert set(np.unique(bench.regions.data)) == {
        0,
        *(FIRST_REGION + n for n in range(min(len(bench.dock.table.regions), len(REGION_COLOURS)))),
    }
    assert bench.dock.table.isColumnHidden(4)
    item = bench.dock.threshold.rule.model().item(bench.dock.threshold.rule.findData("best-dice"))
    assert not item.isEnabled()


def test_a_truth_on_another_grid_is_refused_in_the_dock(bench: _Bench) -> None:
    other = Labels(np.ones((3, 3, 3), int), name="elsewhere")
    bench.viewer.add_layer(other)
    bench.dock.truths.choose(other)
    assert "elsewhere" in bench.dock.messages.text
    bench.rest()
    assert "elsewhere" in bench.dock.messages.text
    assert bench.dock.figures._cells["dice"].isHidden()
    bench.dock.truths.choose(None)
    bench.rest()
    assert not bench.dock.messages.text


def test_labels_with_the_values_of_a_scan_are_no_truth_and_strokes_are_not_checked_again(
    bench: _Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stroke is to be quick, whatever it is painted in."""
    asked: list[str] = []
    check = mask_values.check_given_as
    monkeypatch.setattr(mask_values, "check_given_as", lambda label, *more: asked.append(label) or check(label, *more))
    truth = bench.dock.truths.layer
    grey = add_labels(bench.viewer, truth.data.T > 0, bench.detection.volume, name="grey")
    grey.data = np.rint(bench.detection.volume.data).T.astype(np.int32)
    bench.dock.truths.choose(grey)
    assert "grey values, as a scan or a map does, and is no ground truth" in bench.dock.messages.text
    bench.dock.truths.choose(truth)
    bench.rest()
    assert not bench.dock.messages.text
    before, dice = len(asked), bench.dock.figures.text("dice")
    truth.data[tuple(np.argwhere(truth.data)[::2].T)] = 0
    truth.events.paint(value=())
    bench.qtbot.waitUntil(lambda: bench.dock.figures.text("dice") not in ("-", dice), timeout=10_000)
    assert len(asked) == before


def test_the_truth_of_another_scan_on_the_same_grid_is_not_taken(bench: _Bench) -> None:
    """Two patients in MNI space, say: only the first has a ground truth."""
    other = replace(bench.detection.volume, name="sub-02_FLAIR", data=bench.detection.volume.data + 1)
    scan = add_volume(bench.viewer, other)
    heat, *_ = add_detection(bench.viewer, detect(other, "thresh-raw"), scan=scan)
    bench.dock.maps.choose(heat)
    bench.rest()
    assert bench.dock.truths.layer is None
    assert bench.dock.settled.figures.dice is None
    free = add_labels(bench.viewer, bench.detection.truth, other, name="lesion")
    bench.dock.maps.choose(bench.heat)
    bench.dock.maps.choose(heat)
    assert bench.dock.truths.layer is free
    second = add_labels(bench.viewer, bench.detection.truth, other, name="another lesion")
    bench.dock.maps.choose(bench.heat)
    bench.dock.maps.choose(heat)
    assert bench.dock.truths.layer is None  # nothing says which
    join(second, scan)
    bench.dock.maps.choose(bench.heat)
    assert bench.dock.truths.layer.name == "sub-01_FLAIR | ground truth"
    bench.dock.maps.choose(heat)
    assert bench.dock.truths.layer is second


def test_a_truth_counts_as_it_is_painted(bench: _Bench, tmp_path: Path) -> None:
    truth, dice = bench.dock.truths.layer, bench.dock.settled.figures.dice
    hit = np.argwhere(truth.data)[0]
    truth.brush_size = 5
    truth.paint(hit, 0)  # erased by a stroke
    bench.qtbot.waitUntil(lambda: bench.dock.settled is not None and bench.dock.settled.figures.dice != dice)
    erased = bench.dock.settled.figures.dice
    truth.undo()
    bench.qtbot.waitUntil(lambda: bench.dock.settled is not None and bench.dock.settled.figures.dice == dice)
    truth.data[:, :, : hit[2] + 3] = 0  # in place, and nothing is told of it
    bench.dock.move_threshold(151.0)
    bench.rest()
    assert bench.dock.settled.figures.dice not in (dice, erased)
    truth.data[:] = 0
    truth.data[tuple(hit)] = 1
    bench.dock.export_to(tmp_path)
    bench.qtbot.waitUntil(lambda: "Saved" in bench.dock.messages.text, timeout=30_000)
    assert load(next(tmp_path.glob("*_truth.nii.gz"))).data.sum() == 1


def test_without_the_truth_that_its_rule_needs_the_threshold_stays_and_can_be_moved(bench: _Bench) -> None:
    bench.dock._rule_chosen(ThresholdRule("best-dice"))
    bench.rest()
    value = bench.dock.settled.result.threshold.value
    bench.viewer.layers.remove(bench.dock.truths.layer)
    bench.rest()
    assert bench.dock.settled.result.threshold.value == pytest.approx(value)
    assert bench.dock.threshold.rule.currentData() == "value"
    bench.dock.move_threshold(value + 5)
    bench.rest()
    assert bench.dock.settled.result.threshold.value == pytest.approx(value + 5, abs=0.1)
    bench.dock.undo.click()
    bench.dock.undo.click()  # the rule that cannot be followed any more
    bench.qtbot.waitUntil(lambda: "ground truth" in bench.dock.messages.text)
    assert bench.dock.figures._note.text() == "not current"
    bench.dock.move_threshold(value + 2)
    bench.rest()


def test_a_map_whose_rule_cannot_be_followed_is_tuned_by_its_method_s_default(bench: _Bench) -> None:
    record(bench.heat)["post"] = PostParams(threshold="healthy-ml:1.0")
    dock = TuneDock(bench.viewer)
    bench.viewer.window.add_dock_widget(dock, name="Another", area="right")
    bench.qtbot.waitUntil(lambda: dock.settled is not None)
    assert dock.post.threshold == "auto"
    assert "healthy" in dock.messages.text
    dock._end()


def test_a_row_leads_to_its_region(bench: _Bench) -> None:
    bench.dock.move_threshold(150.0)
    bench.rest()
    assert len(bench.dock.table.regions) >= 2
    for region in bench.dock.table.regions[:2]:
        bench.dock.table.choose(region.number)
        np.testing.assert_allclose(bench.viewer.dims.point, region.peak_mm[::-1], atol=1e-3)
    bench.dock._step_region(1)
    assert bench.dock.table.current == 3 % len(bench.dock.table.regions) or bench.dock.table.current == 1


def test_boxes_follow_the_plane(bench: _Bench) -> None:
    regions = bench.dock.table.regions
    for order, axis in (((0, 1, 2), 0), ((1, 0, 2), 1), ((2, 0, 1), 2)):
        bench.viewer.dims.order = order
        covered = sum(region.box[5 - 2 * axis] - region.box[4 - 2 * axis] for region in regions)
        assert len(bench.boxes.data) == 4 * covered
    bench.viewer.dims.ndisplay = 3
    assert len(bench.boxes.data) == 12 * len(regions)


def test_a_removed_mask_comes_back_when_the_threshold_moves(bench: _Bench) -> None:
    bench.viewer.layers.remove(bench.regions)
    bench.viewer.layers.remove(bench.boxes)
    bench.dock.move_threshold(140.0)
    bench.rest()
    kinds = [record(layer).get("kind") for layer in bench.viewer.layers]
    assert kinds.count("regions") == kinds.count("boxes") == 1
    assert isinstance(bench.viewer.layers[[*kinds].index("regions")].data, LiveMask)


def test_without_a_map_it_says_what_to_do(make_napari_viewer: Callable[..., Any], qtbot: Any) -> None:
    dock = TuneDock(make_napari_viewer())
    qtbot.addWidget(dock)
    assert not dock._empty.isHidden()
    assert dock._body.isHidden()
    dock.move_threshold(3.0)
    dock._end()


def test_the_last_map_may_go(bench: _Bench) -> None:
    bench.viewer.layers.clear()
    assert not bench.dock._empty.isHidden()
    assert bench.dock.post == PostParams()


def test_export_writes_what_the_dock_shows(bench: _Bench, tmp_path: Path) -> None:
    import nibabel

    bench.dock.move_threshold(140.0)
    bench.rest()
    bench.dock.export_to(tmp_path / "out")
    bench.qtbot.waitUntil(lambda: bench.dock.messages.level is not None, timeout=20_000)
    assert "Saved" in bench.dock.messages.text
    saved = nibabel.load(tmp_path / "out" / "sub-01_FLAIR_thresh-raw_mask.nii.gz")
    np.testing.assert_array_equal(np.flip(np.asarray(saved.dataobj), (0, 1)) > 0, bench.mask)


def test_export_with_copies_in_mni_space(bench: _Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_brain_uad.gui.tune.export.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path / "out"))
    bench.dock.export_mni.trigger()
    bench.qtbot.waitUntil(lambda: bench.dock.messages.level is not None, timeout=60_000)
    assert "Saved" in bench.dock.messages.text
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"sub-01_FLAIR_thresh-raw_mni_mask.nii.gz", "sub-01_FLAIR_thresh-raw_mni_transform.tfm"} <= names
    assert bench.dock.more_export.isEnabled()
    assert bench.dock.export.isEnabled()


def test_export_without_the_scan_says_so(bench: _Bench, tmp_path: Path) -> None:
    bench.viewer.layers.remove("sub-01_FLAIR")
    bench.dock.export_to(tmp_path)
    assert "not open" in bench.dock.messages.text


def _copied(dock: TuneDock, qtbot: Any) -> list[str]:
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    clipboard.clear()
    dock.copy.click()
    qtbot.waitUntil(lambda: clipboard.text() != "", timeout=20_000)
    return split(clipboard.text())


def test_the_command_on_the_clipboard(bench: _Bench) -> None:
    words = _copied(bench.dock, bench.qtbot)
    assert words[:2] == ["brain-uad", "detect"]
    assert words[2].endswith("/sub-01_FLAIR.nii.gz")
    assert words[words.index("--threshold") + 1] == "150"
    assert words[words.index("--truth") + 1] == "TRUTH"
    assert "the ground truth came from no file" in bench.dock.messages.text


def test_what_was_painted_is_exported_and_the_command_pasted_then_gives_the_same_files(
    make_napari_viewer: Callable[..., Any], detection: Detection, qtbot: Any, tmp_path: Path
) -> None:
    """A brain mask and a truth that are layers only; and a scan whose name a shell would take apart."""
    scan = tmp_path / "it's a $FLAIR.nii.gz"
    write_volume(scan, replace(detection.volume, mask=None))
    painted = detection.map.mask.copy()
    painted[:, :, :12] = False
    post = PostParams(threshold="140.0", min_voxels=5)
    shown = _Bench(make_napari_viewer(), detect(load(scan), "thresh-raw", mask=painted, truth=detection.truth, post=post), qtbot)
    words = _copied(shown.dock, qtbot)
    assert (words[2], words[words.index("--mask") + 1]) == (str(scan), "MASK")
    assert "the brain mask and the ground truth came from no file: export first" in shown.dock.messages.text
    shown.dock.export_to(tmp_path / "first")
    qtbot.waitUntil(lambda: "Saved" in shown.dock.messages.text, timeout=30_000)
    words = _copied(shown.dock, qtbot)
    assert main([str(tmp_path / "again") if word == "OUT" else word for word in words[1:]] + ["--quiet"]) == 0
    same = ("anomalymap.nii.gz", "_mask.nii.gz", "brainmask.nii.gz", "regions.tsv", "regions.json", "metrics.json")
    first = sorted(path for path in (tmp_path / "first").iterdir() if path.name.endswith(same))
    assert len(first) == len(same)
    for path in first:
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name
    record = read_json(next((tmp_path / "first").glob("*provenance.json")))
    assert split(record["command"])[2] == scan.name
    stem = next((tmp_path / "first").glob("*_anomalymap.nii.gz")).name.removesuffix("_anomalymap.nii.gz")
    assert {f"{stem}_brainmask.nii.gz", f"{stem}_truth.nii.gz"} <= set(split(record["command"]))
    shown.dock._end()


def test_it_fits_380_pixels(bench: _Bench) -> None:
    bench.dock.resize(380, 640)
    QApplication.processEvents()
    for area in bench.dock.findChildren(QScrollArea):
        assert area.widget().minimumSizeHint().width() <= 360


def test_closing_lets_go_of_the_viewer(bench: _Bench) -> None:
    emitters = [bench.viewer.dims.events.order, bench.viewer.dims.events.ndisplay, bench.viewer.layers.events.inserted]

    def held() -> int:
        gc.collect()
        owners = [callback[0]() if isinstance(callback, tuple) else callback for emitter in emitters for callback in emitter.callbacks]
        return sum(owner in (bench.dock, bench.dock.maps, bench.dock.truths) for owner in owners)

    assert held() == 4
    bench.viewer.window.remove_dock_widget(bench.around)
    bench.qtbot.waitUntil(lambda: held() == 0)
    add_labels(bench.viewer, bench.detection.result.mask, bench.detection.volume, name="later")
    bench.viewer.dims.ndisplay = 3


def test_opening_needs_no_torch() -> None:
    code = "import sys; import napari_brain_uad.gui.tune.dock, napari_brain_uad.gui.contrib.reader; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_scan_of_a_map_from_its_file_counts_as_soon_as_it_is_open(
    make_napari_viewer: Callable[..., Any], detection: Detection, qtbot: Any
) -> None:
    """A region's edge is looked for in the scan: at rest the window shows what its export writes."""
    viewer = make_napari_viewer()
    heat = add_map(viewer, replace(detection.map, scan=None))
    assert scan_missed(viewer, heat) is None
    dock = TuneDock(viewer)
    viewer.window.add_dock_widget(dock, name="Tune", area="right")
    qtbot.waitUntil(lambda: dock.settled is not None)
    before = dock.settled
    add_volume(viewer, detection.volume)
    qtbot.waitUntil(lambda: dock.settled is not None and dock.settled is not before)
    found = scan_missed(viewer, heat)
    assert found is not None
    np.testing.assert_array_equal(found.data, detection.volume.data)
    assert dock.maps.layer is heat
    assert record(heat)["map"].scan is None  # its layers know it by its identity
    dock._end()
