"""The ortho view in a real window: nothing is mirrored, everything is linked, nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPoint, Qt

from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import add_labels, add_map, contrast_limits
from napari_brain_uad.gui.layers.view import PLANES, add_volume, attach
from napari_brain_uad.gui.layers.windowing import WINDOWS
from napari_brain_uad.gui.tune.dock import TuneDock
from napari_brain_uad.workflows.detect.detect import Detection
from napari_brain_uad.workflows.scans.load import load
from tests.gui.ortho_bench import OrthoBench
from tests.gui.scans import LPS, rotated, write

LETTER = {"S": (0, 1), "I": (0, -1), "A": (1, 1), "P": (1, -1), "R": (2, 1), "L": (2, -1)}


@pytest.fixture(scope="module")
def window() -> Iterator[OrthoBench]:
    """One window for all: most of a test's time would go into making its own."""
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    bench = OrthoBench(viewer)
    yield bench
    viewer.window.remove_dock_widget("all")
    bench.rest()
    viewer.close()


@pytest.fixture
def empty(window: OrthoBench) -> Iterator[OrthoBench]:
    """The window with nothing in it."""
    yield window
    for dock in list(window.viewer.window.dock_widgets.values()):
        if dock is not window.dock:
            window.viewer.window.remove_dock_widget(dock)
    window.dock.in_3d.setChecked(False)
    window.viewer.canvas.grid.enabled = False
    window.viewer.layers.clear()
    window.viewer.dims.order = tuple(range(window.viewer.dims.ndim))
    attach(window.viewer).set_convention("radiological")
    window.rest()


@pytest.fixture
def bench(empty: OrthoBench, detection: Detection) -> OrthoBench:
    """The window with a detection in it."""
    add_volume(empty.viewer, detection.volume)
    add_detection(empty.viewer, detection)
    empty.dock.fit()
    empty.rest()
    return empty


def _phantom(path: Path, bright: tuple[int, int, int], affine: NDArray[np.float64] = LPS) -> Path:
    data = np.full((40, 44, 30), 20.0, np.float32)
    data[bright] = 1000.0
    return write(path, data, affine)


# Orientation


@pytest.mark.parametrize("convention", ["radiological", "neurological"])
def test_a_bright_voxel_is_drawn_where_the_letters_say(empty: OrthoBench, tmp_path: Path, convention: str) -> None:
    # Stored index (9, 12, 22) of an LPS file; where that is, nibabel says.
    path = _phantom(tmp_path / "phantom.nii.gz", (9, 12, 22))
    r, a, s = nibabel.load(path).affine[:3] @ (9, 12, 22, 1)
    world = np.array((s, a, r))
    bench = empty
    add_volume(bench.viewer, load(path))
    bench.dock.fit()
    bench.rest()
    attach(bench.viewer).set_convention(convention)
    bench.viewer.layers[0].contrast_limits = (0, 1000)
    centre = np.array([(low + high) / 2 for low, high, _ in bench.viewer.dims.range])
    # Through the bright voxel, but with the lines of the crosshair elsewhere.
    for plane, (axis, up, across) in PLANES.items():
        point = centre.copy()
        point[axis] = world[axis]
        bench.dock.point_to(point)
        bench.rest()
        picture = bench.picture(plane)
        letters = bench.dock.planes[plane].letters.letters()
        height, width = picture.shape[:2]
        box = [int(v) for v in bench.pixel_of(plane, world)]
        near = picture[box[1] - 2 : box[1] + 3, box[0] - 2 : box[0] + 3]
        assert near.min(axis=2).max() > 200, plane
        # On the side of the middle that its own coordinates say, by the letters on the edges.
        middle = bench.pixel_of(plane, centre)
        for letter, edge, offset in ((letters["right"], 1, box[0] - middle[0]), (letters["bottom"], 1, box[1] - middle[1])):
            letter_axis, sign = LETTER[letter]
            assert letter_axis in (up, across)
            assert np.sign(offset) == edge * sign * np.sign(world[letter_axis] - centre[letter_axis]), (plane, letter)
        assert {letters["left"], letters["right"]} == ({"L", "R"} if plane != "sagittal" else {"A", "P"})
        if plane != "sagittal":
            assert letters["left"] == ("R" if convention == "radiological" else "L")
        assert (0 < box[0] < width) & (0 < box[1] < height)


def test_the_convention_is_that_of_the_viewer_and_the_switch_is_one(bench: OrthoBench) -> None:
    tune = open_dock(bench.viewer, "Tune")
    bench.dock.view.convention.setCurrentText("neurological")
    bench.rest()
    assert attach(bench.viewer).convention == tune.view.convention.currentText() == "neurological"
    assert all(str(canvas.model.scene.camera.orientation2d[1]) == "right" for canvas in bench.dock.planes.values())
    tune.view.convention.setCurrentText("radiological")
    bench.rest()
    assert bench.dock.view.convention.currentText() == "radiological"
    assert bench.dock.planes["axial"].letters.letters()["left"] == "R"


def test_an_unknown_orientation_is_said_in_every_plane(empty: OrthoBench, tmp_path: Path) -> None:
    path = write(tmp_path / "codes.nii.gz", np.ones((8, 9, 10), np.float32), codes=(0, 0))
    bench = empty
    add_volume(bench.viewer, load(path))
    bench.dock.fit()
    bench.rest()
    assert all(set(canvas.letters.letters().values()) == {"?"} for canvas in bench.dock.planes.values())
    assert "mm (?)" in bench.dock.readout.text()


def test_thick_slices_keep_their_proportions(empty: OrthoBench, tmp_path: Path) -> None:
    thick = np.diag((1.0, 1.0, 5.5, 1.0))
    path = write(tmp_path / "thick.nii.gz", np.full((60, 60, 12), 100.0, np.float32), thick)
    layer = add_volume(empty.viewer, load(path))
    layer.contrast_limits = (0, 100)
    empty.dock.fit()
    empty.rest()
    for plane, ratio in (("axial", 1.0), ("coronal", 66 / 60), ("sagittal", 66 / 60)):
        bright = empty.picture(plane).min(axis=2) > 250
        # The letters are bright too, but small.
        rows, columns = (np.flatnonzero(bright.mean(axis=axis) > 0.1) for axis in (1, 0))
        assert np.ptp(rows) / np.ptp(columns) == pytest.approx(ratio, rel=0.04), plane


# The crosshair


def test_a_click_and_a_drag_move_every_view(bench: OrthoBench) -> None:
    none, left = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
    native = bench.dock.planes["axial"].native
    start = QPoint(native.width() // 2, native.height() // 2)
    before, looks_at = np.array(bench.viewer.dims.point), bench.dock.planes["axial"].model.scene.camera.center
    bench.mouse("axial", QEvent.Type.MouseButtonPress, start, left, left)
    bench.rest()
    for step in range(1, 6):
        bench.mouse("axial", QEvent.Type.MouseMove, start + QPoint(2 * step, -3 * step), none, left)
        bench.rest()
    end = start + QPoint(10, -15)
    bench.mouse("axial", QEvent.Type.MouseButtonRelease, end, left, none)
    bench.rest()
    point = np.array(bench.viewer.dims.point)
    assert point[0] == before[0]
    # napari may throttle the last move away.
    np.testing.assert_allclose(bench.pixel_of("axial", point), (end.x(), end.y()), atol=4)
    for plane, (axis, *_) in PLANES.items():
        assert bench.dock.planes[plane].model.dims.point[axis] == pytest.approx(point[axis])
    # The picture did not move under the hand.
    assert bench.dock.planes["axial"].model.scene.camera.center == looks_at
    np.testing.assert_allclose(bench.dock.crosshair, point)


def test_the_lines_cross_at_the_point(bench: OrthoBench) -> None:
    scan = bench.viewer.layers[0]
    for layer in bench.viewer.layers:
        layer.visible = False
    scan.visible, scan.contrast_limits = True, (1e6, 2e6)  # black
    bench.point_to(scan, (12, 20, 10))
    for plane, canvas in bench.dock.planes.items():
        green = bench.picture(plane)
        lines = (green[..., 1] > 90) & (green[..., 1] > green[..., 0] + 30)
        x, y = bench.pixel_of(plane, np.array(bench.viewer.dims.point))
        rows, columns = np.flatnonzero(lines.mean(axis=1) > 0.5), np.flatnonzero(lines.mean(axis=0) > 0.5)
        np.testing.assert_allclose((columns.mean(), rows.mean()), (x, y), atol=1.5)
        # What it points at stays free.
        assert not lines[round(y) - 5 : round(y) + 6, round(x) - 5 : round(x) + 6].any()
        assert canvas.letters.letters()["top"]


def test_the_viewers_slider_moves_the_planes(bench: OrthoBench) -> None:
    bench.viewer.dims.set_current_step(0, 7)
    bench.rest()
    axial = bench.dock.planes["axial"]
    assert axial.model.dims.current_step[0] == 7
    assert bench.dock.readout.crosshair is not None
    assert bench.dock.readout.crosshair.mm[2] == pytest.approx(bench.viewer.dims.point[0])


def test_the_wheel_turns_slices_of_its_plane_and_with_control_zooms_all(bench: OrthoBench) -> None:
    camera = bench.dock.planes["coronal"].model.scene.camera
    before = np.array(bench.viewer.dims.point)
    bench.wheel("coronal")
    after = np.array(bench.viewer.dims.point)
    np.testing.assert_allclose(after - before, (0, bench.viewer.dims.range[1].step, 0), atol=1e-6)
    zoom = camera.zoom
    bench.wheel("coronal", Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_allclose(bench.viewer.dims.point, after)
    assert camera.zoom > zoom
    assert len({canvas.model.scene.camera.zoom for canvas in bench.dock.planes.values()}) == 1
    bench.dock.fit()
    bench.rest()
    assert camera.zoom == pytest.approx(zoom)


def test_a_crosshair_outside_of_a_zoomed_picture_brings_it_back(bench: OrthoBench) -> None:
    sagittal = bench.dock.planes["sagittal"]
    sagittal.model.scene.camera.zoom *= 6
    scan = bench.viewer.layers[0]
    bench.point_to(scan, (20, 3, 27))
    x, y = bench.pixel_of("sagittal", np.array(bench.viewer.dims.point))
    assert 0 <= x <= sagittal.native.width()
    assert 0 <= y <= sagittal.native.height()


# The read-out


def test_the_read_out_is_what_the_arrays_hold(bench: OrthoBench, detection: Detection) -> None:
    scan = bench.viewer.layers[0]
    image = nibabel.load(detection.volume.source.path)  # type: ignore[union-attr]
    for index in ((20, 22, 15), (25, 21, 14), (3, 40, 28)):
        bench.point_to(scan, index)
        reading = bench.dock.readout.crosshair
        assert reading is not None
        stored = (39 - index[0], 43 - index[1], index[2])
        assert reading.voxel == stored
        np.testing.assert_allclose(reading.mm, image.affine[:3] @ (*stored, 1), atol=1e-3)
        assert reading.intensity == pytest.approx(image.get_fdata()[stored])
        assert reading.scores == (("thresh-raw", pytest.approx(float(detection.map.score[index]))),)
        assert detection.truth is not None
        labels = {"brain mask": detection.map.mask, "ground truth": detection.truth}
        assert reading.labels == tuple((f"sub-01_FLAIR | {name}", int(mask[index])) for name, mask in labels.items())
        text = bench.dock.readout.text()
        assert "thresh-raw" in text
        assert "ground truth" in text


def test_what_lies_under_the_cursor_is_told_and_forgotten(bench: OrthoBench) -> None:
    axial = bench.dock.planes["axial"]
    scan, none = bench.viewer.layers[0], Qt.MouseButton.NoButton
    bench.point_to(scan, (11, 30, 15))
    x, y = bench.pixel_of("axial", scan.data_to_world((15, 22, 20)))
    bench.mouse("axial", QEvent.Type.MouseMove, QPoint(round(x), round(y)), none, none)
    bench.wait(lambda: bench.dock.readout.cursor_reading is not None)
    assert bench.dock.readout.cursor_reading.intensity == scan.data[15, 22, 20]
    assert bench.dock.readout.crosshair.intensity == scan.data[15, 30, 11]
    axial.hovered.emit(None)
    bench.rest()
    assert bench.dock.readout.cursor_reading is None


def test_an_oblique_scan_reads_out_its_true_place(empty: OrthoBench, tmp_path: Path) -> None:
    path = _phantom(tmp_path / "oblique.nii.gz", (9, 12, 22), rotated(LPS, 25.0))
    bench = empty
    add_volume(bench.viewer, load(path))
    bench.dock.fit()
    bench.rest()
    bench.point_to(bench.viewer.layers[0], (30, 31, 22))
    reading = bench.dock.readout.crosshair
    assert reading is not None
    assert (reading.voxel, reading.intensity) == ((9, 12, 22), 1000.0)
    np.testing.assert_allclose(reading.mm, nibabel.load(path).affine[:3] @ (9, 12, 22, 1), atol=1e-3)


# The planes follow


def test_the_planes_follow_what_the_layers_look_like(bench: OrthoBench, detection: Detection) -> None:
    heat = next(layer for layer in bench.viewer.layers if layer.name.endswith("thresh-raw"))

    def seen_after(change: Callable[[], None]) -> bool:
        before = [bench.picture(plane) for plane in PLANES]
        change()
        bench.rest()
        return any((bench.picture(plane) != old).any() for plane, old in zip(PLANES, before, strict=True))

    assert seen_after(lambda: setattr(heat, "visible", False))
    assert not seen_after(lambda: setattr(heat, "opacity", 0.5))
    assert seen_after(lambda: setattr(heat, "visible", True))
    assert seen_after(lambda: setattr(heat, "opacity", 1.0))
    assert seen_after(lambda: setattr(heat, "contrast_limits", (0, 120)))
    assert seen_after(lambda: setattr(bench.viewer.layers[0], "gamma", 0.5))
    assert seen_after(lambda: setattr(heat, "colormap", "viridis"))
    assert seen_after(lambda: bench.viewer.layers.move(0, len(bench.viewer.layers)))
    assert seen_after(lambda: bench.viewer.layers.move(len(bench.viewer.layers) - 1, 0))
    mask = np.zeros(detection.volume.data.shape, bool)
    mask[10:30, 10:30, 10:20] = True
    assert seen_after(lambda: add_labels(bench.viewer, mask, detection.volume, name="another"))
    painted = bench.viewer.layers["another"]
    assert seen_after(lambda: painted.paint((15, 20, 20), 0))
    assert seen_after(lambda: bench.viewer.layers.remove("another"))


def test_the_planes_follow_a_threshold_and_share_its_mask(bench: OrthoBench) -> None:
    tune: TuneDock = open_dock(bench.viewer, "Tune")
    bench.wait(lambda: tune.settled is not None)
    regions = next(layer for layer in bench.viewer.layers if layer.name.endswith("regions"))
    bench.rest()
    composite = bench.dock.planes["axial"]._composite
    assert composite is not None
    assert any(layer.data is regions.data for layer in composite._layers)
    redrawn = []
    axial = bench.dock.planes["axial"]
    assert axial._layer is not None
    axial._layer.events.set_data.connect(redrawn.append)
    before = bench.picture("axial")
    for value in (140.0, 130.0, 120.0, 110.0):
        tune.move_threshold(value)
    tune._rest.stop()
    bench.rest()
    # Four ticks between two pictures: one drawing.
    assert len(redrawn) == 1
    assert (bench.picture("axial") != before).any()
    assert bench.dock.planes["axial"]._composite is composite
    bench.viewer.dims.set_current_step(1, 9)
    bench.rest()
    assert len(redrawn) == 1, "a slice in another plane is no change of this one"


def test_boxes_are_drawn_on_the_slices_they_cover(bench: OrthoBench, detection: Detection) -> None:
    scan = bench.viewer.layers[0]
    region = detection.result.regions[0]
    i0, i1, j0, j1, k0, k1 = region.box
    for inside, k in ((True, k0), (True, k1 - 1), (False, k1)):
        bench.point_to(scan, ((i0 + i1) // 2, (j0 + j1) // 2, k))
        drawn = bench.dock.planes["axial"]._boxes
        ends = np.zeros((0, 3)) if not drawn.visible else np.asarray(drawn.pos)
        corner = np.array(scan.data_to_world((k, j0 - 0.5, i0 - 0.5)))[[2, 1]]
        assert bool(len(ends) and (np.abs(ends[:, :2] - corner).max(axis=1) < 1e-3).any()) is inside
    boxes = next(layer for layer in bench.viewer.layers if layer.name.endswith("boxes"))
    bench.point_to(scan, (i0, j0, k0))
    boxes.visible = False
    bench.rest()
    assert not bench.dock.planes["axial"]._boxes.visible


def test_side_by_side_the_planes_show_the_cell_of_the_active_layer(bench: OrthoBench, detection: Detection) -> None:
    viewer = bench.viewer
    viewer.layers.clear()
    for _ in range(2):
        add_volume(viewer, detection.volume)
        add_map(viewer, detection.map)
    for layer in viewer.layers:
        layer.visible = True
    viewer.canvas.grid.stride, viewer.canvas.grid.enabled = 2, True
    for number in (3, 1):
        viewer.layers.selection.active = viewer.layers[number]
        bench.rest()
        composite = bench.dock.planes["axial"]._composite
        assert composite is not None
        assert composite._layers == list(viewer.layers[number - 1 : number + 1])
    bench.dock._actions.next_method()
    assert viewer.layers.selection.active is viewer.layers[3]
    # The same map twice is one method with one score.
    bench.rest()
    assert bench.dock.readout.crosshair is not None
    assert len(bench.dock.readout.crosshair.scores) == 1


def test_without_a_scan_it_says_what_to_do_and_waits_for_one(empty: OrthoBench, detection: Detection) -> None:
    bench = empty
    assert not bench.dock._empty.isHidden()
    bench.viewer.add_image(np.zeros((9, 9)))
    bench.viewer.add_points(np.zeros((1, 2)))
    bench.rest()
    assert bench.dock.crosshair is None
    assert not bench.dock._empty.isHidden()
    bench.viewer.layers.clear()
    add_volume(bench.viewer, detection.volume)
    bench.rest()
    assert bench.dock._empty.isHidden()
    assert bench.picture("axial").max() > 200
    bench.viewer.layers.clear()
    bench.rest()
    assert not bench.dock._empty.isHidden()
    assert set(bench.dock.planes["axial"].letters.letters().values()) == {""}


# Window and level


def test_window_presets_act_on_the_scan_and_reset_brings_the_first_back(bench: OrthoBench, detection: Detection) -> None:
    scan, volume = bench.viewer.layers[0], detection.volume
    first = tuple(scan.contrast_limits)
    tissue = volume.data[volume.mask]
    for number, (name, percentiles) in enumerate(WINDOWS.items()):
        bench.dock.window_box.setCurrentIndex(number)
        bench.dock.window_box.activated.emit(number)
        expected = (volume.data.min(), volume.data.max()) if percentiles is None else np.percentile(tissue, percentiles)
        np.testing.assert_allclose(scan.contrast_limits, expected, rtol=1e-6, err_msg=name)
    scan.gamma = 0.4
    bench.dock.reset.click()
    assert tuple(scan.contrast_limits) == pytest.approx(first)
    assert first == pytest.approx(contrast_limits(volume.data, volume.mask))
    assert scan.gamma == 1.0


# Keys


def test_the_keys_work_without_another_dock(bench: OrthoBench, detection: Detection) -> None:
    viewer = bench.viewer
    heat = next(layer for layer in viewer.layers if layer.name.endswith("thresh-raw"))
    truth = viewer.layers["sub-01_FLAIR | ground truth"]
    actions = bench.dock._actions
    actions.toggle_heatmaps()
    assert not heat.visible
    actions.toggle_heatmaps()
    assert heat.visible
    actions.toggle_truth()
    assert not truth.visible
    actions.toggle_truth()
    assert truth.visible
    places = []
    for step in (1, 1, -1):
        actions.step_region(step)
        places.append(tuple(viewer.dims.point))
    assert places[0] == places[2] != places[1]
    box = detection.result.regions[0].box
    i, j, k = ((low + high) // 2 for low, high in zip(box[::2], box[1::2], strict=True))
    np.testing.assert_allclose(places[0], heat.data_to_world((k, j, i)))


def test_the_next_method_comes_with_its_regions(bench: OrthoBench, detection: Detection) -> None:
    from dataclasses import replace

    other = replace(detection, map=replace(detection.map, provenance={**detection.map.provenance, "method": {"id": "other"}}))
    add_detection(bench.viewer, other, jump=False)
    kinds = [
        [layer.visible for layer in bench.viewer.layers if layer.metadata["brain_uad"].get("map") is d.map] for d in (detection, other)
    ]
    assert kinds[0][0] is False
    bench.dock._actions.next_method()
    kinds = [
        [layer.visible for layer in bench.viewer.layers if layer.metadata["brain_uad"].get("map") is d.map] for d in (detection, other)
    ]
    assert kinds == [[True] * 3, [False] * 3]


def test_two_docks_with_the_same_keys_do_one_thing(bench: OrthoBench, qtbot: Any) -> None:
    window = bench.viewer.window._qt_window

    def press(key: Qt.Key, modifiers: Qt.KeyboardModifier) -> None:
        window.activateWindow()
        bench.wait(window.isActiveWindow)
        qtbot.keyClick(window, key, modifiers)
        bench.rest()

    control, alt = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
    tune: TuneDock = open_dock(bench.viewer, "Tune")
    bench.wait(lambda: tune.settled is not None)
    assert len(tune.table.regions) >= 2
    seen = []
    for _ in range(3):
        press(Qt.Key.Key_Right, alt)
        seen.append(tune.table.current)
    numbers = [region.number for region in tune.table.regions]
    assert seen == [numbers[n % len(numbers)] for n in range(3)]
    heat = tune.maps.layer
    for expected in (False, True, False, True):
        press(Qt.Key.Key_H, control | alt)
        assert heat.visible is expected
    press(Qt.Key.Key_2, control)
    assert bench.viewer.dims.order == PLANES["coronal"]


# 3-D


def test_heatmap_and_boxes_in_3d(bench: OrthoBench, detection: Detection) -> None:
    assert bench.dock.volume is None
    bench.dock.in_3d.setChecked(True)
    bench.wait(lambda: len(bench.dock.volume.model.layers) == 2)
    heat, boxes = bench.dock.volume.model.layers
    assert bench.dock.volume.model.dims.ndisplay == 3
    assert heat.data.base is detection.map.score or np.shares_memory(heat.data, detection.map.score)
    assert len(boxes.data) == 12 * len(detection.result.regions)
    assert set(bench.dock.volume.letters.letters().values()) <= set("LRAPSI")
    source = next(layer for layer in bench.viewer.layers if layer.name.endswith("thresh-raw"))
    source.contrast_limits = (10, 90)
    bench.wait(lambda: tuple(heat.contrast_limits) == (10, 90))
    bench.dock.in_3d.setChecked(False)
    assert bench.dock.volume is None
