"""The Compare dock in a window: it tells what the workflow and the command line tell, and leaves the viewer as it was."""

from __future__ import annotations

import csv
import gc
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from promptness import assert_within
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QGuiApplication, QKeySequence, QShortcut
from vispy.scene.widgets import Grid

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.detectors.intensity.thresh_raw import RawThreshold
from napari_brain_uad.gui.app import settings, workers
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.compare.dock import CompareDock
from napari_brain_uad.gui.compare.layers import CROSS, MASK, TRUTH
from napari_brain_uad.gui.detect.dock import DetectDock
from napari_brain_uad.gui.layers.colour_bars import WORDS
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import add_labels, add_map, record
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.gui.layers.view_actions import show_map
from napari_brain_uad.gui.tune.dock import TuneDock
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.compare.compare import Comparison, compare
from napari_brain_uad.workflows.detect.age import age_of
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from napari_brain_uad.workflows.scans.load import load
from tests.gui.scans import head, write

METHODS = ["threshold", "threshold@bins=8", "thresh-raw"]
PAIR = ["threshold", "thresh-raw"]
"""As many as most tests need: every cell costs a second or two to show and to leave."""
MEASURED = ("seconds", "memory_mb", "cached")


class _Bench:
    """A window with a scan, its truth, and the dock."""

    def __init__(self, viewer: Any, scan: Path, truth: Path, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.file, volume = scan, load(scan)
        self.scan = add_volume(viewer, volume)
        self.truth = viewer.open(truth, plugin="napari-brain-uad")[0]
        self.dock: CompareDock = open_dock(viewer, "Compare")
        self.dock.inputs.scans.truth.choose(self.truth)
        self.dock.inputs.methods.choose(PAIR)

    def compare(self) -> Comparison:
        self.dock.button.click()
        self.qtbot.waitUntil(lambda: not self.dock.running, timeout=60_000)
        return self.rest()

    def rest(self) -> Comparison:
        self.qtbot.waitUntil(lambda: self.dock.comparison is not None, timeout=30_000)
        assert self.dock.comparison is not None
        return self.dock.comparison

    def leave(self) -> None:
        self.dock.leave.click()
        self.still()

    def still(self) -> None:
        """Until the viewer is what it is to be."""
        self.qtbot.waitUntil(lambda: not self.dock.running, timeout=60_000)

    def end(self) -> None:
        self.dock.cancel()
        self.qtbot.waitUntil(lambda: not workers._RUNNING, timeout=10_000)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    settings._store().clear()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    data, truth = head()
    return write(tmp_path / "sub-01_FLAIR.nii.gz", data), write(tmp_path / "sub-01_truth.nii.gz", truth)


@pytest.fixture
def bench(make_napari_viewer: Callable[..., Any], files: tuple[Path, Path], qtbot: Any) -> Iterator[_Bench]:
    made = _Bench(make_napari_viewer(), *files, qtbot)
    yield made
    made.end()


@pytest.fixture
def three(bench: _Bench) -> _Bench:
    """With all three methods ticked."""
    bench.dock.inputs.methods.choose(METHODS)
    return bench


def _figures(comparison: Comparison) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.as_dict().items() if name not in MEASURED} for row in comparison.table()]


def _read(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def _snapshot(viewer: Any) -> dict[str, Any]:
    """Everything about a viewer that a comparison could touch."""
    camera, grid, dims = viewer.scene.camera, viewer.canvas.grid, viewer.dims
    properties = []
    for layer in viewer.layers:
        state = {name: value for name, value in layer.as_layer_data_tuple()[1].items() if not isinstance(value, np.ndarray)}
        overlays = {name: str(overlay) for name, overlay in layer._overlays.items()}
        properties.append((layer, id(layer.data), {name: repr(value) for name, value in state.items()}, overlays))
    return {
        "layers": properties,
        "selected": set(viewer.layers.selection),
        "active": viewer.layers.selection.active,
        "camera": {name: repr(value) for name, value in camera.model_dump().items()},
        "grid": grid.model_dump(),
        "dims": {name: repr(value) for name, value in dims.model_dump().items() if name != "last_used"},
        "overlays": {name: str(overlay) for name, overlay in viewer.canvas.overlays.items()},
        "mouse": list(viewer.mouse_drag_callbacks),
        "docks": set(viewer.window.dock_widgets),
    }


def test_the_same_figures_as_the_workflow_and_the_command_line(three: _Bench, files: tuple[Path, Path], tmp_path: Path) -> None:
    bench = three
    shown = bench.compare()
    scan, truth = files
    assert _figures(shown) == _figures(compare(scan, METHODS, truth=truth))
    assert cli.main(["compare", str(scan), "--methods", *METHODS, "--truth", str(truth), "--out", str(tmp_path / "cli"), "--quiet"]) == 0
    told = _read(tmp_path / "cli" / "sub-01_FLAIR_comparison.csv")
    bench.dock._exporter.save_table(tmp_path / "dock.csv")
    bench.qtbot.waitUntil(lambda: "Saved" in bench.dock.messages.text, timeout=10_000)
    saved = _read(tmp_path / "dock.csv")
    for one, other, run in zip(saved, told, range(3), strict=True):
        assert {name: value for name, value in one.items() if name not in MEASURED} == {
            name: value for name, value in other.items() if name not in MEASURED
        }
        assert bench.dock.table.text(run, "method") == one["method"]
        assert float(bench.dock.table.text(run, "best_dice")) == pytest.approx(float(one["best_dice"]), abs=5e-4)
        assert bench.dock.table.text(run, "false_positive_regions") == one["false_positive_regions"]


def test_every_rule_gives_what_the_workflow_gives(three: _Bench, files: tuple[Path, Path], tmp_path: Path) -> None:
    """One rule after the other in one comparison, as a user tries them: a viewer for each would take most of the time."""
    scan, truth = files
    data, _ = head()
    healthy = write(tmp_path / "sub-02_FLAIR.nii.gz", np.minimum(data, 140))
    three.dock.threshold.healthy.choose_files([healthy])
    three.compare()
    scored = [healthy]  # they count for every rule, as on the command line, and are in sight
    for rule in ("percentile:97.5", "otsu", "healthy-ml:0.5", "best-dice", "auto"):
        kind, _, number = rule.partition(":")
        three.dock.threshold.choose(kind, float(number) if number else None)
        _agrees_with_the_workflow(three, compare(scan, METHODS, truth=truth, post=PostParams(threshold=rule), healthy=scored), rule)
        assert not three.dock.threshold.healthy.isHidden()
        said = three.dock.threshold.words.text()
        assert "rest on the 1 healthy scan given" in said or "Under this rule nothing rests on the 1 healthy scan given" in said
        assert ("Thresholds and verdicts of" in said) == (kind == "healthy-ml")
    three.dock.threshold.healthy.clear()
    three.qtbot.waitUntil(lambda: three.dock.comparison is not None and "--healthy" not in three.dock.comparison.command, timeout=30_000)
    _agrees_with_the_workflow(three, compare(scan, METHODS, truth=truth), "auto")
    assert three.dock.threshold.healthy.isHidden()
    assert "healthy scan" not in three.dock.threshold.words.text()
    alike = METHODS[:2]
    three.dock.inputs.methods.choose(alike)
    three.compare()
    three.dock.threshold.choose("value", 0.9)
    _agrees_with_the_workflow(three, compare(scan, alike, truth=truth, post=PostParams(threshold="0.9")), "0.9")


def _agrees_with_the_workflow(bench: _Bench, again: Comparison, rule: str) -> None:
    bench.qtbot.waitUntil(lambda: not bench.dock.running, timeout=30_000)
    bench.qtbot.waitUntil(lambda: bench.dock.comparison is not None and str(bench.dock.comparison.rule) == rule, timeout=30_000)
    assert _figures(bench.rest()) == _figures(again)
    assert bench.rest().command == again.command
    scene = bench.dock.scene
    assert scene is not None
    for mask, run in zip(scene.masks, again.runs, strict=True):
        np.testing.assert_array_equal(mask.flagged().T, run.result.mask)


def test_a_rule_that_needs_healthy_scans_is_applied_to_what_is_shown(bench: _Bench, tmp_path: Path) -> None:
    """Another scan was opened, and other methods ticked, since it was compared."""
    bench.compare()
    data, _ = head()
    add_volume(bench.viewer, load(write(tmp_path / "sub-03_FLAIR.nii.gz", data[::-1])))
    assert bench.dock.inputs.scans.scan.layer is not bench.scan
    bench.dock.inputs.methods.choose(PAIR[:1])
    bench.dock.threshold.healthy.choose_files([write(tmp_path / "sub-02_FLAIR.nii.gz", np.minimum(data, 140))])
    bench.still()
    bench.dock.threshold.choose("healthy-ml", 0.5)
    bench.still()
    shown = bench.rest()
    assert str(shown.rule) == "healthy-ml:0.5"
    assert shown.volume.name == bench.scan.name
    assert [run.map.method for run in shown.runs] == PAIR
    assert shown.truth is not None


def test_a_moving_threshold_shows_bare_masks_and_cheap_figures_then_the_exact_ones(bench: _Bench) -> None:
    bench.compare()
    dock = bench.dock
    dock.threshold.choose("percentile", 97.0)
    bench.rest()
    dock.threshold.set_number(95.0)
    assert dock.comparison is None
    assert dock.scene is not None
    assert dock.ready is not None
    for mask, cell in zip(dock.scene.masks, dock.ready.cells, strict=True):
        limit = np.percentile(cell.run.map.brain_scores(), 95.0)
        np.testing.assert_array_equal(mask.flagged().T, (cell.run.map.score > np.float32(limit)) & cell.run.map.mask)
    assert dock.table.text(0, "regions") == "-"
    flagged = np.count_nonzero(dock.scene.masks[0].flagged()) * 1.5 * 1.0 * 2.0 / 1000
    assert dock.table.text(0, "flagged_ml") == f"{flagged:.1f}"
    assert str(bench.rest().rule) == "percentile:95"
    assert dock.table.text(0, "regions") != "-"


def test_the_newest_of_many_moves_counts(bench: _Bench) -> None:
    bench.compare()
    bench.dock.threshold.choose("percentile", 97.0)
    for number in np.linspace(90, 99, 40):
        bench.dock.threshold.set_number(round(float(number), 2))
        bench.qtbot.wait(int(number) % 7)
    bench.dock.threshold.set_number(96.5)
    assert str(bench.rest().rule) == "percentile:96.5"
    bench.qtbot.waitUntil(lambda: not workers._RUNNING, timeout=10_000)
    assert str(bench.rest().rule) == "percentile:96.5"


def test_one_cell_a_method_with_shared_arrays(three: _Bench) -> None:
    bench = three
    comparison = bench.compare()
    grid, scene = bench.viewer.canvas.grid, bench.dock.scene
    assert scene is not None
    assert grid.enabled
    assert grid.actual_shape(bench.viewer.layers) == (2, 2)
    assert [heat.name for heat in scene.heats] == [run.title for run in comparison.runs]
    places = [grid.position(bench.viewer.layers.index(heat), bench.viewer.layers) for heat in scene.heats]
    assert places == [(0, 0), (0, 1), (1, 0)]
    for scan, _, _ in zip(*[iter(scene.layers)] * 3, strict=True):
        assert np.shares_memory(scan.data, comparison.volume.data)
    assert not bench.scan.visible
    assert all(heat.name_overlay.visible for heat in scene.heats)
    # The colours mean the same in all cells: their bar stands once, at the top right.
    assert [place for place, heat in zip(places, scene.heats, strict=True) if heat.colorbar.visible] == [(0, 1)]


def test_colours_are_percentiles_unless_the_scores_have_one_unit(three: _Bench) -> None:
    bench = three
    comparison = bench.compare()
    scene = bench.dock.scene
    assert scene is not None
    # From where the first of the methods flags something; in every cell alike.
    flagged = [(run.map.brain_scores() > run.result.threshold.value).mean() for run in comparison.runs]
    limits = (100.0 * (1.0 - max(flagged)), 100.0)
    assert all(tuple(heat.contrast_limits) == pytest.approx(limits) for heat in scene.heats)
    assert "percentile" in bench.dock.scale_words.text()
    bench.dock.inputs.methods.choose(["threshold", "threshold@bins=8"])
    comparison = bench.compare()
    scene = bench.dock.scene
    assert scene is not None
    assert np.shares_memory(scene.heats[0].data, comparison.runs[0].map.score)
    assert "one scale for all methods" in bench.dock.scale_words.text()
    scene.heats[0].contrast_limits = (0.5, 0.9)
    assert tuple(scene.heats[1].contrast_limits) == (0.5, 0.9)
    bench.dock.scale.setCurrentIndex(1)
    bench.dock.scale.activated.emit(1)
    bench.qtbot.waitUntil(lambda: "percentile" in bench.dock.scale_words.text(), timeout=10_000)
    flagged = [(run.map.brain_scores() > run.result.threshold.value).mean() for run in comparison.runs]
    assert tuple(scene.heats[1].contrast_limits) == pytest.approx((100.0 * (1.0 - max(flagged)), 100.0))
    # Another rule flags more: the colours begin lower, at rest.
    bench.dock.threshold.choose("percentile", 80.0)
    bench.qtbot.waitUntil(lambda: bench.dock.comparison is not None and str(bench.dock.comparison.rule) == "percentile:80", timeout=30_000)
    assert [round(heat.contrast_limits[0]) for heat in scene.heats] == [80, 80]


def _prepare_odd_viewer(bench: _Bench) -> None:
    """A viewer as a user may have left it: several layers, one hidden, two selected, zoomed, another plane, a grid of one's own."""
    viewer = bench.viewer
    add_detection(viewer, detect(bench.dock.inputs.scans.volume(), "threshold"))
    viewer.add_points(np.array([[1.0, 2.0, 3.0]]), name="points", units=("mm",) * 3)
    viewer.layers["points"].visible = False
    viewer.dims.order = (1, 0, 2)
    viewer.dims.point = (4.0, 6.0, -8.0)
    viewer.scene.camera.zoom = 3.3
    viewer.scene.camera.center = (0.0, 5.0, 6.0)
    viewer.canvas.grid.stride = 2
    viewer.canvas.grid.spacing = 0.1
    viewer.layers.selection.clear()
    viewer.layers.selection.update(viewer.layers[:2])


def test_leaving_puts_everything_back(three: _Bench) -> None:
    bench = three
    _prepare_odd_viewer(bench)
    before = _snapshot(bench.viewer)
    bench.compare()
    bench.dock.agreement.setChecked(True)
    bench.dock.difference.setChecked(True)
    bench.qtbot.wait(300)
    bench.dock.threshold.choose("percentile", 96.0)
    bench.rest()
    bench.dock.regions.table.choose(1)
    bench.viewer.dims.order = (2, 0, 1)
    bench.viewer.scene.camera.zoom = 1.1
    bench.dock.next_method()
    assert _snapshot(bench.viewer) != before
    bench.leave()
    assert _snapshot(bench.viewer) == before


def test_leaving_after_one_layer_was_selected(bench: _Bench) -> None:
    bench.viewer.layers.selection.active = bench.scan
    before = _snapshot(bench.viewer)
    bench.compare()
    bench.compare()
    bench.leave()
    assert _snapshot(bench.viewer) == before


def test_a_run_that_fails_or_is_cancelled_changes_nothing(bench: _Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    _prepare_odd_viewer(bench)
    before = _snapshot(bench.viewer)

    def fail(*_args: Any, **_more: Any) -> None:
        raise InputError("Nothing works", fix="Give up")

    with monkeypatch.context() as patched:
        patched.setattr("napari_brain_uad.detectors.intensity.threshold.HistogramThreshold._score", fail)
        bench.dock.inputs.methods.choose(["threshold"])
        bench.dock.button.click()
        bench.qtbot.waitUntil(lambda: not bench.dock.running, timeout=20_000)
    assert "Nothing works" in bench.dock.messages.text
    assert _snapshot(bench.viewer) == before
    bench.dock.button.click()
    start = time.monotonic()
    bench.dock.cancel()
    bench.qtbot.waitUntil(lambda: not bench.dock.running)
    assert_within(time.monotonic() - start, 2.0)
    assert "Cancelled" in bench.dock.messages.text
    assert _snapshot(bench.viewer) == before


def test_a_method_that_fails_is_named_and_does_not_stop_the_others(three: _Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = three

    def fail(*_args: Any, **_more: Any) -> None:
        raise InputError("No luck today", fix="Wait")

    monkeypatch.setattr(RawThreshold, "_score", fail)
    comparison = bench.compare()
    assert [run.title for run in comparison.runs] == ["threshold", "threshold@bins=8"]
    assert "1 method gave no map" in bench.dock.messages.text
    assert "thresh-raw: No luck today" in bench.dock.messages.text


def test_the_scan_may_go_in_mid_run(bench: _Bench) -> None:
    bench.dock.button.click()
    bench.viewer.layers.remove(bench.scan)
    left = _snapshot(bench.viewer)
    bench.qtbot.waitUntil(lambda: not bench.dock.running, timeout=20_000)
    assert not bench.dock.comparing
    assert _snapshot(bench.viewer) == left


def test_other_layers_may_go_and_come_while_comparing(bench: _Bench) -> None:
    bench.compare()
    bench.viewer.layers.remove(bench.truth)
    points = bench.viewer.add_points(np.zeros((1, 3)), units=("mm",) * 3)
    bench.leave()
    assert list(bench.viewer.layers) == [bench.scan, points]
    assert bench.scan.visible
    assert not bench.viewer.canvas.grid.enabled


def test_a_removed_cell_ends_the_comparison(bench: _Bench) -> None:
    before = _snapshot(bench.viewer)
    bench.compare()
    assert bench.dock.scene is not None
    bench.viewer.layers.remove(bench.dock.scene.heats[1])
    start = time.monotonic()
    bench.qtbot.waitUntil(lambda: not bench.dock.comparing)
    assert_within(time.monotonic() - start, 2.0)
    bench.still()
    assert _snapshot(bench.viewer) == before
    assert "removed" in bench.dock.messages.text


def test_all_layers_may_go_at_once(bench: _Bench) -> None:
    bench.compare()
    bench.viewer.layers.clear()
    start = time.monotonic()
    bench.qtbot.waitUntil(lambda: not bench.dock.comparing)
    assert_within(time.monotonic() - start, 2.0)
    bench.still()
    assert not bench.viewer.layers
    assert not bench.viewer.canvas.grid.enabled


def test_closing_the_dock_leaves_the_comparison(bench: _Bench) -> None:
    bench.viewer.window.remove_dock_widget(open_dock(bench.viewer, "Compare"))
    before = _snapshot(bench.viewer)
    bench.dock = open_dock(bench.viewer, "Compare")
    bench.dock.inputs.methods.choose(PAIR)
    bench.compare()
    bench.viewer.window.remove_dock_widget(bench.dock)
    assert _snapshot(bench.viewer) == before


def _half_way(bench: _Bench, done: float) -> None:
    """Compare, until that much of the comparison is shown."""
    bench.dock.button.click()
    bench.qtbot.waitUntil(lambda: bench.dock._switch.running and bench.dock._switch.done >= done, timeout=30_000)
    assert bench.dock.running
    assert not bench.dock.comparing


def test_what_is_half_shown_can_be_cancelled(three: _Bench) -> None:
    bench = three
    _prepare_odd_viewer(bench)
    before, frozen = _snapshot(bench.viewer), gc.get_freeze_count()
    for done in (0.01, 0.3, 0.5, 0.6, 0.9):
        _half_way(bench, done)
        assert _snapshot(bench.viewer) != before
        bench.dock.run_bar.button.click()
        assert not bench.dock.running
        assert _snapshot(bench.viewer) == before, done
        assert gc.get_freeze_count() == frozen
        assert "Cancelled" in bench.dock.messages.text
    bench.compare()
    bench.leave()
    assert _snapshot(bench.viewer) == before


def test_the_dock_may_be_closed_while_it_shows_or_leaves(bench: _Bench) -> None:
    bench.viewer.window.remove_dock_widget(bench.dock)
    before = _snapshot(bench.viewer)
    for half in (0.3, 0.8, None):
        bench.dock = open_dock(bench.viewer, "Compare")
        bench.dock.inputs.methods.choose(PAIR)
        if half is None:
            bench.compare()
            bench.dock.leave.click()
            assert bench.dock.running
        else:
            _half_way(bench, half)
        bench.viewer.window.remove_dock_widget(bench.dock)
        assert _snapshot(bench.viewer) == before


@pytest.mark.usefixtures("unfrozen")
@pytest.mark.parametrize("done", [0.3, 0.8])
def test_the_window_may_be_closed_while_it_shows(bench: _Bench, done: float) -> None:
    _half_way(bench, done)
    bench.viewer.close()
    bench.qtbot.wait(100)
    assert gc.get_freeze_count() == 0


def test_layers_may_come_and_go_while_it_shows(bench: _Bench) -> None:
    _half_way(bench, 0.2)
    points = bench.viewer.add_points(np.zeros((1, 3)), units=("mm",) * 3)
    bench.viewer.layers.remove(bench.truth)
    bench.rest()
    bench.still()
    bench.leave()
    assert list(bench.viewer.layers) == [bench.scan, points]
    assert points.visible
    assert bench.scan.visible
    _half_way(bench, 0.7)
    bench.viewer.layers.clear()
    bench.still()
    assert not bench.dock.comparing
    assert not bench.viewer.layers
    assert not bench.viewer.canvas.grid.enabled


def test_one_comparison_after_another_and_cancelled_between_them(bench: _Bench) -> None:
    before = _snapshot(bench.viewer)
    bench.compare()
    bench.dock.button.click()
    bench.qtbot.waitUntil(lambda: bench.dock._switch.running and bench.dock._switch.done > 0.05, timeout=30_000)
    bench.dock.cancel()
    assert _snapshot(bench.viewer) == before


def test_the_canvas_keeps_no_grid_of_comparisons_that_were_left(three: _Bench) -> None:
    bench = three

    def grids() -> int:
        around = bench.viewer.window._qt_viewer.canvas.central_widget
        return sum(isinstance(widget, Grid) for widget in around._widgets)

    counts = []
    for methods in (METHODS, METHODS[:1], METHODS):
        bench.dock.inputs.methods.choose(methods)
        bench.compare()
        bench.leave()
        counts.append(grids())
    assert counts == [1, 1, 1]


def test_a_dock_that_opens_takes_the_latest_scan(bench: _Bench) -> None:
    bench.viewer.window.remove_dock_widget(bench.dock)
    latest = add_volume(bench.viewer, replace(load(bench.file), name="latest"))
    bench.dock = open_dock(bench.viewer, "Compare")
    assert bench.dock.inputs.scans.scan.layer is latest


def test_the_table_may_be_closed_and_shown_again(bench: _Bench) -> None:
    bench.compare()
    bench.viewer.window.remove_dock_widget(bench.dock.table)
    bench.dock.show_table.click()
    assert bench.dock.table in bench.viewer.window.dock_widgets.values()
    bench.dock.threshold.choose("percentile", 96.0)
    bench.rest()


def test_rows_regions_and_the_worst_false_alarm_move_every_cell(bench: _Bench) -> None:
    comparison = bench.compare()
    bench.dock.threshold.choose("percentile", 90.0)
    comparison = bench.rest()
    assert bench.dock.scene is not None
    bench.dock.table.choose(1)
    assert bench.viewer.layers.selection.active is bench.dock.scene.heats[1]
    regions = comparison.runs[1].result.regions
    assert bench.dock.regions.table.regions == regions
    for region in regions[:2]:
        bench.dock.regions.table.choose(region.number)
        np.testing.assert_allclose(bench.viewer.dims.point, region.peak_mm[::-1], atol=1e-3)
    bench.dock.regions.worst.click()
    worst = next(region for region in regions if region.hit is False)
    np.testing.assert_allclose(bench.viewer.dims.point, worst.peak_mm[::-1], atol=1e-3)


def test_the_crosshair_follows_in_every_cell_and_plane(bench: _Bench) -> None:
    bench.compare()
    scene = bench.dock.scene
    assert scene is not None
    grid = scene.ready.comparison.volume.grid
    outlines = [layer for layer in scene.layers if layer.name.endswith("outlines")]
    for order, index in (((0, 1, 2), (12, 30, 9)), ((1, 0, 2), (25, 14, 20)), ((2, 0, 1), (8, 18, 11))):
        bench.viewer.dims.order = order
        scene.go_to(grid.to_world(np.array(index)))
        for layer in outlines:
            shown = layer._slice.image.raw
            at = tuple(index[::-1][axis] for axis in order[1:])
            rows, columns = np.nonzero(np.asarray(shown) == CROSS)
            assert {int(row) for row in rows[columns != at[1]]} == {at[0]}
            assert {int(column) for column in columns[rows != at[0]]} == {at[1]}


def test_outlines_can_be_switched_off(bench: _Bench) -> None:
    bench.compare()
    scene = bench.dock.scene
    assert scene is not None
    labels = scene.layers[2].data

    def seen() -> set[int]:
        return {int(label) for k in range(labels.shape[0]) for label in np.unique(labels[k, :, :])}

    assert {MASK, TRUTH} <= seen()
    bench.dock.truth.setChecked(False)
    assert TRUTH not in seen()
    bench.dock.masks.setChecked(False)
    assert MASK not in seen()
    bench.dock.heat.setChecked(False)
    assert not any(heat.visible for heat in scene.heats)
    bench.compare()
    assert bench.dock.scene is not None
    assert not any(heat.visible for heat in bench.dock.scene.heats)


def test_agreement_and_difference_are_those_of_the_workflow(three: _Bench) -> None:
    bench = three
    comparison = bench.compare()
    bench.dock.agreement.setChecked(True)
    bench.dock.difference.setChecked(True)
    names = lambda: [layer.name for layer in bench.viewer.layers]  # noqa: E731
    bench.qtbot.waitUntil(lambda: "difference" in names(), timeout=10_000)
    np.testing.assert_array_equal(np.asarray(bench.viewer.layers["agreement"].data).T, comparison.agreement())
    np.testing.assert_array_equal(np.asarray(bench.viewer.layers["difference"].data).T, comparison.difference(0, 1))
    assert bench.viewer.canvas.grid.actual_shape(bench.viewer.layers) == (2, 3)
    bench.dock.threshold.choose("percentile", 93.0)
    wanted = bench.rest().agreement()
    np.testing.assert_array_equal(np.asarray(bench.viewer.layers["agreement"].data).T, wanted)
    bench.dock.second.setCurrentIndex(2)
    bench.dock.second.activated.emit(2)
    wanted = comparison.difference(0, 2)
    bench.qtbot.waitUntil(lambda: np.array_equal(np.asarray(bench.viewer.layers["difference"].data).T, wanted), timeout=10_000)
    bench.dock.agreement.setChecked(False)
    bench.dock.difference.setChecked(False)
    assert {"agreement", "difference"}.isdisjoint(names())
    assert bench.viewer.canvas.grid.actual_shape(bench.viewer.layers) == (2, 2)


def test_without_a_truth_the_table_tells_what_can_be_known(bench: _Bench) -> None:
    bench.dock.inputs.scans.truth.choose(None)
    bench.compare()
    assert "best_dice" not in bench.dock.table._model.columns
    assert float(bench.dock.table.text(0, "mutual_dice")) > 0
    assert bench.dock.regions.worst.isHidden()
    assert bench.dock.truth.isHidden()


def test_keys(bench: _Bench) -> None:
    bench.compare()
    bench.dock.threshold.choose("percentile", 90.0)
    bench.rest()
    found = {shortcut.key().toString(): shortcut for shortcut in bench.dock.findChildren(QShortcut)}

    def press(key: str) -> None:
        found[QKeySequence(key).toString()].activated.emit()

    press("Ctrl+Alt+M")
    assert bench.dock.run_shown == 1
    press("Alt+Right")
    press("Alt+Right")
    assert bench.dock.regions.table.current == 2
    press("Alt+Left")
    assert bench.dock.regions.table.current == 1
    press("Ctrl+Alt+Up")
    assert str(bench.rest().rule) == "percentile:90.1"
    press("Ctrl+Alt+H")
    assert not bench.dock.heat.isChecked()
    press("Ctrl+Alt+G")
    assert not bench.dock.truth.isChecked()
    press("Ctrl+2")
    assert bench.viewer.dims.order == (1, 0, 2)


def test_the_colour_bars_say_percentile_where_they_count_in_percentiles(bench: _Bench) -> None:
    bench.dock.inputs.methods.choose(METHODS[:2])
    bench.compare()
    words = bench.viewer.canvas.overlays[WORDS]
    assert not words.visible  # one unit: the bars count in scores
    bench.dock.scale.setCurrentIndex(bench.dock.scale.findData("percentile"))
    bench.dock.scale.activated.emit(bench.dock.scale.currentIndex())
    bench.qtbot.waitUntil(lambda: words.visible, timeout=30_000)
    assert words.text == "percentile"
    assert words.position == "bottom_right"  # the bar of a cell is at the top
    bench.leave()
    assert not words.visible
    assert words.position == "top_right"


def test_maps_of_an_earlier_run_are_reused_and_said_so(three: _Bench) -> None:
    bench = three
    bench.compare()
    assert "3 maps made" in bench.dock.outcome.text()
    bench.dock.inputs.methods.choose([*METHODS, "thresh-raw@smoothing_mm=1"] if _has_smoothing() else METHODS)
    comparison = bench.compare()
    assert "3 taken from the cache (threshold, threshold@bins=8, thresh-raw)" in bench.dock.outcome.text()
    assert [run.cached for run in comparison.runs][:2] == [True, True]


def _has_smoothing() -> bool:
    return any(name == "smoothing_mm" for name, _, _ in RawThreshold.Params.describe())


def test_what_was_compared_is_offered_and_what_was_ticked_holds_for_its_scan(three: _Bench) -> None:
    bench = three
    bench.compare()
    bench.viewer.window.remove_dock_widget(bench.dock)
    inputs = open_dock(bench.viewer, "Compare").inputs
    suggested = inputs.methods.chosen()
    assert [str(spec) for spec in suggested] != METHODS
    assert "threshold@bins=8" in inputs.last.text()
    inputs.last.linkActivated.emit("last")
    assert [str(spec) for spec in inputs.methods.chosen()] == METHODS
    assert inputs.last.isHidden()
    first = inputs.scans.scan.layer
    second = add_volume(bench.viewer, replace(load(bench.file), name="another"))
    assert inputs.scans.scan.layer is second
    assert set(suggested) == set(inputs.methods.chosen())
    inputs.scans.scan.choose(first)
    assert [str(spec) for spec in inputs.methods.chosen()] == METHODS
    # A tick by the mouse is a choice, too.
    inputs.scans.scan.choose(second)
    inputs.methods._items[MethodSpec("thresh-raw")].setCheckState(0, Qt.CheckState.Checked)
    inputs.scans.scan.choose(first)
    inputs.scans.scan.choose(second)
    assert MethodSpec("thresh-raw") in inputs.methods.chosen()


def test_one_bar_from_the_click_to_the_grid(bench: _Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    report = bench.dock.run_bar.report
    monkeypatch.setattr(bench.dock.run_bar, "report", lambda done, words: (told.append(done), report(done, words)))
    bench.compare()
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_the_command_gives_the_same(bench: _Bench, tmp_path: Path) -> None:
    bench.compare()
    bench.dock.threshold.choose("percentile", 97.0)
    shown = bench.rest()
    bench.dock.copy.click()
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    words = shlex.split(clipboard.text())
    assert cli.main([tmp_path.as_posix() if word == "OUT" else word for word in words[1:]] + ["--quiet"]) == 0
    told = _read(tmp_path / "sub-01_FLAIR_comparison.csv")
    assert [float(row["dice"]) for row in told] == [row.dice for row in shown.table()]


def test_an_age_is_the_scan_s_in_all_docks(bench: _Bench) -> None:
    detect_dock: DetectDock = open_dock(bench.viewer, "Detect anomalies")
    ages = bench.dock.inputs.age, detect_dock.inputs.age
    assert [box.text() for box in ages] == ["not known", "not known"]
    ages[1].setValue(44)
    assert ages[0].years == 44.0
    comparison = bench.compare()
    assert "--age 44 " in comparison.command
    assert {age_of(run.map) for run in comparison.runs} == {44.0}
    bench.dock.threshold.choose("percentile", 97.0)
    assert "--age 44 " in bench.rest().command
    other = add_volume(bench.viewer, replace(load(bench.file), name="another", source=None))
    bench.dock.inputs.scans.scan.choose(other)
    assert ages[0].years is None
    ages[0].setValue(30)
    detect_dock.inputs.scan.choose(other)
    assert ages[1].years == 30.0
    detect_dock.inputs.scan.choose(bench.scan)
    assert [box.years for box in ages] == [30.0, 44.0]
    # A name tells nobody's age: renamed, the scan is the same person's, and one of its former name another's.
    other.name = "renamed"
    assert ages[0].years == 30.0
    namesake = add_volume(bench.viewer, replace(load(bench.file), name="another", source=None))
    bench.dock.inputs.scans.scan.choose(namesake)
    assert ages[0].years is None


def test_everything_can_be_saved(bench: _Bench, tmp_path: Path) -> None:
    comparison = bench.compare()
    bench.dock.slices.setText("0, 4")
    bench.dock._exporter.save_all(tmp_path / "out")
    bench.qtbot.waitUntil(lambda: "Saved" in bench.dock.messages.text, timeout=30_000)
    mask = nibabel.load(tmp_path / "out" / "sub-01_FLAIR_threshold_mask.nii.gz")
    np.testing.assert_array_equal(np.flip(np.asarray(mask.dataobj), (0, 1)) > 0, comparison.runs[0].result.mask)
    bench.dock.slices.setText("many")
    bench.dock._exporter.save_montage(tmp_path / "montage.png")
    assert "They are no heights" in bench.dock.messages.text
    bench.dock.slices.setText("")
    bench.dock.add_slice.click()
    bench.dock._exporter.save_montage(tmp_path / "montage.png")
    bench.qtbot.waitUntil(lambda: (tmp_path / "montage.png").exists(), timeout=30_000)


def test_tune_and_detect_do_not_take_the_cells_for_maps_and_scans(bench: _Bench) -> None:
    tune = TuneDock(bench.viewer)
    bench.qtbot.addWidget(tune)
    bench.compare()
    assert tune.maps.layers() == []
    assert [layer.name for layer in tune.truths.layers()] == [bench.truth.name]
    assert bench.dock.inputs.scans.scan.layers() == [bench.scan]
    assert all(record(layer).get("kind") in ("compared", "regions") for layer in bench.dock.scene.layers)  # type: ignore[union-attr]
    tune._end()


def test_a_result_of_detect_comes_when_the_comparison_was_left(bench: _Bench) -> None:
    detect_dock: DetectDock = open_dock(bench.viewer, "Detect anomalies")
    detect_dock.inputs.method.choose("thresh-raw")
    bench.compare()
    detect_dock.run()
    bench.qtbot.waitUntil(lambda: not detect_dock.running, timeout=30_000)
    assert not bench.dock.in_view
    assert not bench.viewer.canvas.grid.enabled
    (heat,) = [layer for layer in bench.viewer.layers if record(layer).get("kind") == "map"]
    assert heat.visible
    assert bench.scan.visible


def test_cells_are_shown_and_hidden_by_the_comparison_alone(bench: _Bench) -> None:
    bench.compare()
    scene = bench.dock.scene
    assert scene is not None
    before = [layer.visible for layer in scene.layers]
    heat = add_map(bench.viewer, scene.ready.cells[0].run.map)
    assert [layer.visible for layer in scene.layers] == before
    show_map(bench.viewer, heat)
    assert [layer.visible for layer in scene.layers] == before


def test_without_a_scan_it_says_what_to_do(make_napari_viewer: Callable[..., Any], qtbot: Any) -> None:
    dock = open_dock(make_napari_viewer(), "Compare")
    assert not dock.empty.isHidden()
    assert not dock.button.isEnabled()
    dock.run()
    assert "No scan is chosen" in dock.messages.text


def test_nothing_ticked_and_a_mask_elsewhere_are_told_in_the_dock(bench: _Bench) -> None:
    bench.dock.inputs.methods.choose([])
    bench.dock.button.click()
    assert "No method is chosen" in bench.dock.messages.text
    bench.dock.inputs.methods.choose(PAIR)
    bench.dock.inputs.scans.brain.choose(bench.viewer.add_labels(np.ones((3, 3, 3), int), name="elsewhere"))
    bench.dock.button.click()
    assert "elsewhere" in bench.dock.messages.text
    bench.dock.threshold.choose("healthy-ml")
    bench.dock.inputs.scans.brain.choose(None)
    bench.dock.button.click()
    assert "No healthy scans" in bench.dock.messages.text


def test_a_painted_truth_counts_as_it_is_painted(bench: _Bench) -> None:
    painted = add_labels(bench.viewer, np.asarray(bench.truth.data).T > 0, bench.dock.inputs.scans.volume(), name="lesion")
    painted.data[:, :20] = 0
    bench.dock.inputs.scans.truth.choose(painted)
    comparison = bench.compare()
    np.testing.assert_array_equal(comparison.truth, np.asarray(painted.data).T > 0)
    assert "TRUTH" in comparison.command


def test_a_click_moves_the_crosshair_and_a_drag_does_not(
    make_napari_viewer: Callable[..., Any], files: tuple[Path, Path], qtbot: Any
) -> None:
    bench = _Bench(make_napari_viewer(show=True), *files, qtbot)
    bench.dock.inputs.methods.choose(METHODS)  # two rows: the click is to meet the scan
    bench.compare()
    qtbot.wait(200)
    canvas = bench.viewer.window._qt_viewer.canvas.native
    before, spot = bench.viewer.dims.point, canvas.rect().center() / 2
    away = QPoint(spot.x() + 30, spot.y())
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=spot)
    qtbot.mouseMove(canvas, away)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=away)
    assert bench.viewer.dims.point == before
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=spot)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=spot)
    after = bench.viewer.dims.point
    assert after[0] == before[0]
    assert after[1:] != before[1:]
    np.testing.assert_allclose(after, bench.viewer.cursor.position, atol=0.5)  # the viewer's slices end at the scan's
    bench.end()
