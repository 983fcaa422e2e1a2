"""The Detect dock as a user works it: with the mouse, on wrong input too, and with the same numbers as scripts and command line."""

from __future__ import annotations

import gc
import shlex
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels, Layer
from napari.settings import get_plugin_settings
from promptness import assert_within
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent, QGuiApplication
from qtpy.QtWidgets import QApplication, QScrollArea

from napari_brain_uad.cli import main
from napari_brain_uad.core.params import Params
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors import registry
from napari_brain_uad.detectors.intensity.robust_intensity import RobustIntensity
from napari_brain_uad.gui.app import settings, workers
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.detect.dock import DetectDock
from napari_brain_uad.gui.layers.brain_layer import brain_layer
from napari_brain_uad.gui.layers.detection_layers import own_layer
from napari_brain_uad.gui.layers.layers import add_labels, is_map, map_of, record
from napari_brain_uad.gui.layers.subjects import layers_of
from napari_brain_uad.gui.layers.tuning import settle
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.gui.widgets.methods.method_box import GREY, NO_MODEL
from napari_brain_uad.io.nifti import read_map, write_mask, write_volume
from napari_brain_uad.postprocessing.edits import REJECTED
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.preprocessing.steps import brain_extraction
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.models.models import settings_for
from napari_brain_uad.workflows.models.recommend import cannot_score, recommend
from napari_brain_uad.workflows.train.train import train

SHAPE = (24, 28, 20)


def phantom(seed: int = 0, *, sequence: str | None = "FLAIR", name: str = "scan") -> Volume:
    """A skull-stripped ball with a bright lesion."""
    rng = np.random.default_rng(seed)
    centre = (np.array(SHAPE) - 1) / 2
    distance = np.linalg.norm((np.indices(SHAPE).T - centre) / centre, axis=-1).T
    data = np.where(distance < 0.85, 100 + 10 * rng.standard_normal(SHAPE), 0.0)
    data[8:12, 9:13, 8:12] += 150
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    return Volume(data.astype(np.float32), Grid(SHAPE, affine), name=name, sequence=sequence)


def lesion() -> np.ndarray:
    truth = np.zeros(SHAPE, bool)
    truth[8:12, 9:13, 8:12] = True
    return truth


@pytest.fixture(autouse=True)
def _forget(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(tmp_path / "models"))
    settings._store().clear()
    yield
    settings._store().clear()


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Detect anomalies")


def wait(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.running, timeout=20_000)


def click(qtbot, widget):
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def heatmaps(viewer):
    return [layer for layer in viewer.layers if is_map(layer) and record(layer)["kind"] == "map"]


def choose_method(dock, method):
    dock.inputs.method.choose(method)


# Empty, and filled


def test_an_empty_dock_says_what_to_do_and_opens_a_sample(qtbot, viewer, dock):
    assert not dock.empty.isHidden()
    assert not dock.button.isEnabled()
    dock.empty.menu.aboutToShow.emit()
    titles = [action.text() for action in dock.empty.menu.actions()]
    assert len(titles) == 3
    assert any("simulated" in title for title in titles)
    dock.empty.menu.actions()[0].trigger()
    assert len(viewer.layers) >= 1
    assert dock.empty.isHidden()
    assert dock.button.isEnabled()


def test_the_facts_line_and_the_estimate(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    qtbot.waitUntil(lambda: dock.inputs.facts.text() == "FLAIR, 24x28x20, 2.0 mm, skull-stripped")
    assert dock.cost.text().startswith("Under 2 s")
    assert dock.inputs.checks.isHidden()
    assert dock.inputs.method.fit.text().startswith("Recommended for FLAIR: lesions are bright on FLAIR")


def test_a_whole_head_is_prepared_first_and_both_lines_say_so(qtbot, viewer, dock, monkeypatch, tmp_path):
    rng = np.random.default_rng(1)
    data = (rng.random(SHAPE) * 20 + 5).astype(np.float32)
    brain = np.zeros(SHAPE, bool)
    brain[4:20, 4:24, 3:17] = True
    data[brain] += 100
    data[brain] += 500 * np.exp(-((np.argwhere(brain) - (14, 12, 10)) ** 2).sum(1) / 8)  # what the run finds: without it, it warns
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path))
    monkeypatch.setattr(brain_extraction, "extract", lambda *_: brain)
    scan = Volume(data, Grid(SHAPE, np.diag([6.0, 6.0, 6.0, 1.0])), name="raw head")
    add_volume(viewer, scan)
    qtbot.waitUntil(lambda: "not skull-stripped" in dock.inputs.facts.text())
    assert dock.cost.text().startswith("Prepares the scan first (about 25 s")
    assert dock.inputs.checks.isHidden()
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.messages.level is None
    assert dock.outcome.text().startswith("The scan was prepared first, with the preset native")
    assert dock.detection.map.grid.shape == SHAPE
    np.testing.assert_array_equal(dock.detection.map.mask, brain)
    # The brain that was extracted is chosen, and counts as none: the same click gives the same map.
    extracted = viewer.layers["raw head | brain mask"]
    assert dock.inputs.brain.layer is extracted
    assert dock.cost.text().startswith("Prepares the scan first")
    first = dock.detection
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.detection.map is first.map
    # Painted, it is used in place of another extraction; the scan is prepared as before.
    extracted.data[:6] = 0
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.messages.level is None
    np.testing.assert_array_equal(dock.detection.map.mask, extracted.data.T > 0)
    assert dock.outcome.text().startswith("The scan was prepared first, with the preset native")
    assert "--prepare native" in dock.detection.command
    # A mask from elsewhere: the scan is taken as it is.
    dock.inputs.brain.choose(add_labels(viewer, brain, scan, name="another"))
    assert "Prepares" not in dock.cost.text()


def test_the_brain_mask_of_a_sample_is_a_layer_chosen_and_can_be_declined(qtbot, viewer, dock):
    given = np.zeros(SHAPE, bool)
    given[6:18, 6:22, 4:16] = True
    scan = phantom()
    shown = add_volume(viewer, scan.with_mask(given))
    mask = viewer.add_layer(Layer.create(*brain_layer(scan, given)))
    assert dock.inputs.brain.layer is mask
    click(qtbot, dock.button)
    wait(qtbot, dock)
    np.testing.assert_array_equal(dock.detection.map.mask, given)
    assert [layer.name for layer in layers_of(viewer, shown) if "brain" in layer.name] == [mask.name]
    mask.data[:8] = 0
    click(qtbot, dock.button)
    wait(qtbot, dock)
    np.testing.assert_array_equal(dock.detection.map.mask, mask.data.T > 0)
    dock.inputs.brain.setCurrentIndex(0)
    dock.inputs.brain.activated.emit(0)
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.detection.map.mask.sum() > given.sum()


def test_the_masks_of_one_person_are_not_taken_for_another_on_the_same_grid(qtbot, viewer, dock):
    first = add_volume(viewer, phantom(name="one"))
    truth = add_labels(viewer, lesion(), phantom(), name="lesions")
    assert dock.inputs.truth.layer is truth
    click(qtbot, dock.button)
    wait(qtbot, dock)
    own = dock.inputs.brain.layer
    assert own is viewer.layers["one | brain mask"]
    second = add_volume(viewer, phantom(1, name="two"))
    assert dock.inputs.scan.layer is second
    assert dock.inputs.truth.layer is None
    assert dock.inputs.brain.layer is None
    dock.inputs.scan.choose(first)
    assert (dock.inputs.truth.layer, dock.inputs.brain.layer) == (truth, own)


def test_a_scan_chosen_by_hand_is_shown_alone_on_request(qtbot, viewer, dock):
    first = add_volume(viewer, phantom(name="one"))
    second = add_volume(viewer, phantom(1, name="two"))
    first.visible = False
    dock.inputs.scan.setCurrentIndex(dock.inputs.scan.findText("one"))
    dock.inputs.scan.activated.emit(dock.inputs.scan.currentIndex())
    assert first.visible
    assert second.visible
    assert list(viewer.layers) == [second, first]
    click(qtbot, dock.inputs.only)
    assert (first.visible, second.visible) == (True, False)


def test_one_bar_goes_from_the_click_to_the_picture(qtbot, viewer, dock, monkeypatch):
    add_volume(viewer, phantom())
    add_labels(viewer, lesion(), phantom(), name="ground truth")
    told = []
    report = dock.run_bar.report
    monkeypatch.setattr(dock.run_bar, "report", lambda done, words: (told.append((done, words)), report(done, words)))
    click(qtbot, dock.button)
    wait(qtbot, dock)
    parts = [done for done, _ in told]
    assert parts == sorted(parts)
    assert told[-1][1] == "Showing the result"
    assert 0.85 < parts[-1] <= 1.0


def test_boxes_follow_the_layer_list(qtbot, viewer, dock):
    first = add_volume(viewer, phantom(name="one"))
    second = add_volume(viewer, phantom(1, name="two"))
    assert dock.inputs.scan.layer is second
    second.name = "renamed"
    assert dock.inputs.scan.currentText() == "renamed"
    viewer.layers.remove(second)
    assert dock.inputs.scan.layer is first
    viewer.layers.clear()
    assert dock.inputs.scan.layer is None
    assert not dock.empty.isHidden()


@pytest.mark.parametrize("title", ["Detect anomalies", "Prepare", "Compare"])
def test_an_image_that_is_computed_on_demand_is_not_computed_whole_by_the_window(qtbot, viewer, title):
    """napari itself computes the slice that it shows."""
    whole = phantom().data.T
    computed = []

    class _Lazy:
        shape, ndim, dtype, size = whole.shape, 3, whole.dtype, whole.size

        def __getitem__(self, key):
            return whole[key]

        def __array__(self, *_args, **_more):
            computed.append(threading.current_thread() is threading.main_thread())
            return whole

    opened = open_dock(viewer, title)
    viewer.add_image(_Lazy(), contrast_limits=(0, 300), name="lazy", units=("mm",) * 3)
    inputs = opened.inputs
    facts = inputs.facts
    qtbot.waitUntil(lambda: "24x28x20" in facts.text())
    assert True not in computed
    viewer.add_image((whole > 200).astype(np.float32), name="mask", units=("mm",) * 3)
    assert (inputs.scans.scan if title == "Compare" else inputs.scan).layer.name == "lazy"


def test_a_removed_mask_leaves_none_chosen(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    truth = add_labels(viewer, lesion(), phantom(), name="ground truth")
    add_labels(viewer, lesion(), phantom(), name="something else")
    assert dock.inputs.truth.layer is truth
    viewer.layers.remove(truth)
    assert dock.inputs.truth.layer is None


def test_a_truth_that_fits_is_taken_and_one_from_another_scan_is_not(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    truth = add_labels(viewer, lesion(), phantom(), name="scan | ground truth")
    assert dock.inputs.truth.layer is truth
    other = Volume(np.pad(phantom().data, 2), Grid((28, 32, 24), np.eye(4)), name="other")
    add_volume(viewer, other)
    assert dock.inputs.truth.layer is None


def test_a_truth_the_user_declined_is_not_taken_again(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    add_labels(viewer, lesion(), phantom(), name="ground truth")
    dock.inputs.truth.setCurrentIndex(0)
    dock.inputs.truth.activated.emit(0)
    viewer.add_labels(np.zeros((4, 4, 4), np.uint8), name="something else")
    assert dock.inputs.truth.layer is None


# Running


def test_a_click_gives_what_scripts_and_the_command_line_give(qtbot, viewer, dock, tmp_path):
    write_volume(tmp_path / "case_FLAIR.nii.gz", phantom())
    write_mask(tmp_path / "case_truth.nii.gz", lesion(), phantom())
    viewer.open([tmp_path / "case_FLAIR.nii.gz", tmp_path / "case_truth.nii.gz"], plugin="napari-brain-uad")
    dock.inputs.scan.choose(viewer.layers[0])
    assert dock.inputs.truth.layer is viewer.layers[1]
    click(qtbot, dock.button)
    wait(qtbot, dock)
    clicked = dock.detection
    scripted = detect(tmp_path / "case_FLAIR.nii.gz", "robust-intensity", truth=tmp_path / "case_truth.nii.gz")
    np.testing.assert_array_equal(clicked.map.score, scripted.map.score)
    np.testing.assert_array_equal(clicked.result.mask, scripted.result.mask)
    assert clicked.evaluation.as_dict() == scripted.evaluation.as_dict()
    assert clicked.command == scripted.command
    click(qtbot, dock.copy)
    command = shlex.split(QGuiApplication.clipboard().text())
    assert command[:2] == ["brain-uad", "detect"]
    assert main([str(tmp_path / "out") if word == "OUT" else word for word in command[1:]]) == 0
    written = next((tmp_path / "out").glob("*_anomalymap.nii.gz"))
    np.testing.assert_array_equal(read_map(written).score, clicked.map.score)


def test_after_a_run_the_layers_are_there_the_view_is_at_the_strongest_region_and_tune_is_open(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    viewer.scene.camera.zoom, viewer.scene.camera.center = 7.5, (0.0, 3.0, 4.0)
    click(qtbot, dock.button)
    wait(qtbot, dock)
    (heat,) = heatmaps(viewer)
    assert map_of(heat) is dock.detection.map
    strongest = dock.detection.result.regions[0]
    shown = heat.world_to_data(viewer.dims.point)[::-1]
    np.testing.assert_allclose(shown, dock.detection.map.grid.to_index(strongest.centroid_mm), atol=0.51)
    assert viewer.scene.camera.zoom == 7.5
    assert viewer.scene.camera.center[-2:] == (3.0, 4.0)
    tune = next(widget for name, widget in viewer.window.dock_widgets.items() if name.startswith("Tune"))
    assert tune.maps.layer is heat
    assert "region" in dock.outcome.text()
    assert not dock.copy.isHidden()


def test_the_preference_against_opening_tune_is_kept(qtbot, viewer, dock):
    group = get_plugin_settings()["napari-brain-uad"].after_run
    group.open_tune = False
    try:
        add_volume(viewer, phantom())
        click(qtbot, dock.button)
        wait(qtbot, dock)
    finally:
        group.open_tune = True
    assert not any(name.startswith("Tune") for name in viewer.window.dock_widgets)


def test_the_same_inputs_take_the_cached_map_and_say_so(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    click(qtbot, dock.button)
    wait(qtbot, dock)
    first = dock.detection
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert "earlier run with the same inputs" in dock.outcome.text()
    assert dock.detection.map is first.map
    assert dock.detection.command == first.command
    assert len(heatmaps(viewer)) == 1


def seen(viewer):
    return {layer.name for layer in viewer.layers if layer.visible}


def layer_of(viewer, heat, kind):
    return own_layer(viewer, map_of(heat), kind)


def drag_in_tune(qtbot, viewer, value):
    tune = next(widget for name, widget in viewer.window.dock_widgets.items() if name.startswith("Tune"))
    qtbot.waitUntil(lambda: tune.settled is not None)
    tune.move_threshold(value)
    qtbot.waitUntil(lambda: tune.settled is not None)
    return tune


def detect_by(qtbot, dock, method):
    choose_method(dock, method)
    click(qtbot, dock.button)
    wait(qtbot, dock)


def test_a_cached_map_is_shown_again_in_place_of_another_method_s(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    detect_by(qtbot, dock, "thresh-raw")
    first = seen(viewer)
    detect_by(qtbot, dock, "robust-intensity")
    assert not any("thresh-raw" in name for name in seen(viewer))
    detect_by(qtbot, dock, "thresh-raw")
    assert seen(viewer) == first
    assert "scan | thresh-raw | boxes" in first
    # Removed by hand, they come back.
    for kind in ("regions", "boxes"):
        viewer.layers.remove(layer_of(viewer, heatmaps(viewer)[0], kind))
    detect_by(qtbot, dock, "thresh-raw")
    assert seen(viewer) == first
    assert len(heatmaps(viewer)) == 2


@pytest.mark.parametrize("tune_open", [True, False])
def test_after_a_cached_run_the_picture_tells_what_the_dock_tells(qtbot, viewer, dock, tune_open):
    add_volume(viewer, phantom())
    detect_by(qtbot, dock, "thresh-raw")
    (heat,) = heatmaps(viewer)
    regions, boxes = layer_of(viewer, heat, "regions"), layer_of(viewer, heat, "boxes")
    result = dock.detection.result
    tune = drag_in_tune(qtbot, viewer, 1.0 + float(map_of(heat).score.max()))
    assert not regions.data.flagged().any()
    assert not record(boxes)["boxes"]
    if not tune_open:
        viewer.window.remove_dock_widget(tune)
    detect_by(qtbot, dock, "thresh-raw")
    assert dock.detection.result.threshold.value == result.threshold.value
    np.testing.assert_array_equal(regions.data.flagged().T, result.mask)
    assert record(boxes)["boxes"] == [region.box for region in result.regions]
    assert heat.contrast_limits[0] == pytest.approx(result.threshold.value)
    assert record(heat)["post"] == PostParams()
    if tune_open:
        qtbot.waitUntil(lambda: tune.settled is not None)
        assert (tune.post, tune.settled.result.threshold.value) == (PostParams(), result.threshold.value)
        np.testing.assert_array_equal(regions.data.flagged().T, result.mask)
        # What was dragged is not lost.
        tune.undo.click()
        qtbot.waitUntil(lambda: tune.settled is not None)
        assert not regions.data.flagged().any()


def test_a_review_outlasts_a_cached_run(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    detect_by(qtbot, dock, "thresh-raw")
    (heat,) = heatmaps(viewer)
    region = dock.detection.result.regions[0]
    tune = open_dock(viewer, "Tune")
    qtbot.waitUntil(lambda: tune.settled is not None)
    tune.table.choose(region.number)
    tune._reviewer.act("reject")
    edits = record(heat)["edits"]
    detect_by(qtbot, dock, "thresh-raw")
    assert dock.detection.result.regions[0].review == REJECTED
    qtbot.waitUntil(lambda: tune.settled is not None)
    assert record(heat)["edits"] is edits
    assert tune.table.regions[0].review == REJECTED
    assert region.box not in record(layer_of(viewer, heat, "boxes"))["boxes"]
    i, j, k = region.peak_index
    assert not layer_of(viewer, heat, "regions").data.flagged()[k, j, i]


def test_after_renaming_the_scan_its_map_is_shown_once_more_and_keeps_its_review(qtbot, viewer, dock):
    layer = add_volume(viewer, phantom(name="old"))
    click(qtbot, dock.button)
    wait(qtbot, dock)
    tune = open_dock(viewer, "Tune")
    qtbot.waitUntil(lambda: tune.settled is not None)
    tune.table.select([1])
    tune._reviewer.act("reject")
    for number, name in enumerate(("new", "new", "old", "new")):
        layer.name = name
        dock.run()
        wait(qtbot, dock)
        assert [heat.name.partition(" | ")[0] for heat in heatmaps(viewer)] == ["old", "new"], number
        assert dock.detection.map.name == name
        heat = next(heat for heat in heatmaps(viewer) if map_of(heat).name == name)
        tune.maps.choose(heat)
        qtbot.waitUntil(lambda: tune.settled is not None)
        assert tune.settled.result.regions[0].review == REJECTED, number


def test_a_cached_map_against_another_truth_is_not_taken_for_that_one(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    truth = add_labels(viewer, lesion(), phantom(), name="lesions")
    assert dock.inputs.truth.layer is truth
    detect_by(qtbot, dock, "thresh-raw")
    dock.inputs.truth.setCurrentIndex(0)
    dock.inputs.truth.activated.emit(0)
    detect_by(qtbot, dock, "robust-intensity")
    detect_by(qtbot, dock, "thresh-raw")
    assert not layer_of(viewer, heatmaps(viewer)[-1], "regions").data.has_truth
    dock.inputs.truth.choose(truth)
    detect_by(qtbot, dock, "thresh-raw")
    assert record(viewer.layers.selection.active)["truth"] is not None
    assert all(layer.data.has_truth for layer in viewer.layers if record(layer).get("kind") == "regions" and layer.visible)


@pytest.mark.parametrize("change", ["voxel", "params", "seed", "mask", "painted mask"])
def test_any_other_input_runs_again(qtbot, viewer, dock, change):
    scan = add_volume(viewer, phantom())
    brain = phantom().data > 0
    if change == "painted mask":
        layer = add_labels(viewer, brain, phantom(), name="brain mask")
        assert dock.inputs.brain.layer is layer
    click(qtbot, dock.button)
    wait(qtbot, dock)
    if change == "voxel":
        scan.data[10, 10, 10] += 1
    elif change == "params":
        dock.inputs.form.set_value(RobustIntensity.Params(smoothing_mm=2.0))
    elif change == "seed":
        dock.inputs.seed.setValue(7)
    elif change == "mask":
        dock.inputs.brain.choose(add_labels(viewer, brain & (np.indices(SHAPE)[0] > 4), phantom(), name="mask"))
    else:
        layer.data[:3] = 0
        layer.data[10, 14, 12] = 0
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert "earlier run" not in dock.outcome.text()
    assert len(heatmaps(viewer)) == 2


def test_settings_reach_the_run_and_are_remembered(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    choose_method(dock, "thresh-raw")
    dock.inputs.form.widget("polarity").setCurrentText("dark")
    dock.inputs.seed.setValue(3)
    dock.inputs.device.setCurrentIndex(dock.inputs.device.findData("cpu"))
    click(qtbot, dock.button)
    wait(qtbot, dock)
    provenance = dock.detection.map.provenance
    assert provenance["method"]["params"] == {"polarity": "dark"}
    assert provenance["seed"] == 3
    assert "--method thresh-raw@polarity=dark " in dock.detection.command
    assert "--age" not in dock.detection.command
    map_before = dock.detection.map
    dock.inputs.age.setValue(0)
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert "--age 0 " in dock.detection.command
    assert dock.detection.map.provenance["input"]["age"] == 0.0
    np.testing.assert_array_equal(dock.detection.map.score, map_before.score)
    # What was asked before is shown again, not added once more.
    count, first = len(viewer.layers), dock.inputs.scan.layer
    for age, amap in ((-1, map_before), (0, dock.detection.map)):
        dock.inputs.age.setValue(age)
        click(qtbot, dock.button)
        wait(qtbot, dock)
        assert dock.detection.map is amap
    assert len(viewer.layers) == count
    other = add_volume(viewer, phantom())
    dock.inputs.scan.choose(other)
    assert dock.inputs.age.text() == "not known"
    dock.inputs.scan.choose(first)
    assert dock.inputs.age.text() == "0 years"
    again = DetectDock(viewer)
    qtbot.addWidget(again)
    # The method of the last run is offered; what is recommended for the scan is chosen.
    assert again.inputs.method.info.id == recommend("FLAIR")[0]
    assert again.inputs.device.currentData() == "cpu"
    assert "Last used: <a href='thresh-raw'" in again.inputs.method.fit.text()
    again.inputs.method.fit.linkActivated.emit("thresh-raw")
    assert again.inputs.method.info.id == "thresh-raw"
    assert "Last used" not in again.inputs.method.fit.text()


def test_a_method_chosen_by_hand_holds_for_its_scan_alone(qtbot, viewer, dock):
    """Every scan begins with the method recommended for its sequence, whatever was chosen, or run, on another."""
    first = add_volume(viewer, phantom(sequence="FLAIR", name="one"))
    choose_method(dock, "thresh-raw")
    click(qtbot, dock.button)
    wait(qtbot, dock)
    second = add_volume(viewer, phantom(1, sequence="T1", name="two"))
    recommended = recommend("T1")[0]
    assert dock.inputs.scan.layer is second
    assert dock.inputs.method.info.id == recommended != "thresh-raw"
    dock.inputs.scan.choose(first)
    assert dock.inputs.method.info.id == "thresh-raw"
    dock.inputs.scan.choose(second)
    assert dock.inputs.method.info.id == recommended
    # Back to what is recommended: no choice any more.
    dock.inputs.scan.choose(first)
    choose_method(dock, recommend("FLAIR")[0])
    assert not dock.inputs.method.by_hand


def test_methods_without_a_model_are_grey_last_and_say_so(qtbot, viewer, dock, tmp_path):
    add_volume(viewer, phantom())
    box = dock.inputs.method.box
    rows = [(box.itemData(row), box.itemText(row)) for row in range(box.count())]
    heading = rows.index((None, NO_MODEL))
    last = {method for method, _ in rows[heading + 1 :]}
    assert last == {method for method in registry.method_ids() if cannot_score(method, "FLAIR")[0]}
    assert "covariance" in last
    assert all(text.endswith("(no model)") or "(no model for FLAIR)" in text for _, text in rows[heading + 1 :])
    assert not any("no model" in text for _, text in rows[:heading])
    assert box.itemData(heading + 1, Qt.ItemDataRole.ForegroundRole).color().name() == GREY
    choose_method(dock, "covariance")
    assert dock.button.text() == NO_MODEL
    (tmp_path / "models").mkdir()
    train("covariance", [phantom(seed) for seed in range(1, 5)], out=tmp_path / "models" / "mine.safetensors")
    dock.refresh_models()
    assert dock.inputs.method.info.id == "covariance"
    assert dock.button.text() == "Detect anomalies"
    assert box.currentText() == registry.method_class("covariance").INFO.name


def test_a_method_box_by_family_with_headings_that_cannot_be_chosen(qtbot, viewer, dock):
    box = dock.inputs.method.box
    chosen = {box.itemData(row) for row in range(box.count()) if box.itemData(row)}
    headings = [row for row in range(box.count()) if box.itemData(row) is None]
    assert chosen == set(registry.method_ids())
    assert all(not box.model().item(row).isEnabled() for row in headings)
    click(qtbot, dock.inputs.method.ask)
    assert not dock.inputs.method.card.isHidden()
    for part in ("2109.06023", "Needs", "BSD-3-Clause"):
        assert part in dock.inputs.method.card.label.text()


# What can go wrong


def test_a_mask_on_another_grid_is_refused_with_both_sizes(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    wrong = viewer.add_labels(np.ones((5, 6, 7), np.uint8), name="wrong")
    dock.inputs.brain.choose(wrong)
    click(qtbot, dock.button)
    assert dock.messages.level == "error"
    assert "7x6x5" in dock.messages.text
    assert "24x28x20" in dock.messages.text
    assert not dock.running
    dock.inputs.brain.choose(None)
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.messages.level is None
    assert dock.detection is not None


def test_a_scan_chosen_as_mask_or_truth_is_refused_and_a_lesion_chosen_as_brain_is_told(qtbot, viewer, dock):
    large = phantom()
    scan = add_volume(viewer, replace(large, grid=Grid(SHAPE, np.diag([6.0, 6.0, 6.0, 1.0]))))
    other = add_volume(viewer, replace(phantom(1), grid=record(scan)["volume"].grid, name="other"))
    dock.inputs.scan.choose(scan)
    said = "values, as a scan does, and is no brain mask", "grey values, as a scan or a map does, and is no ground truth"
    labels = Labels(np.rint(other.data).astype(np.int32), scale=other.scale, translate=other.translate, name="as labels")
    viewer.add_layer(labels)
    for layer in (other, labels):
        for box, words in zip((dock.inputs.brain, dock.inputs.truth), said, strict=True):
            box.choose(layer)
            click(qtbot, dock.button)
            assert dock.messages.level == "error"
            assert words in dock.messages.text
            box.choose(None)
    dock.inputs.brain.choose(add_labels(viewer, lesion(), record(scan)["volume"], name="drawn"))
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.messages.level == "warning"
    assert "brain mask given has 13.8 ml; brains have 600 to 2300" in dock.messages.text


def test_a_constant_image_is_refused(qtbot, viewer, dock):
    viewer.add_image(np.full((6, 7, 8), 3.0, np.float32), name="flat")
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.messages.level == "error"
    assert dock.messages.details
    assert dock.button.isEnabled()
    assert not heatmaps(viewer)


def test_a_photo_is_refused(qtbot, viewer, dock):
    viewer.add_image(np.random.default_rng(0).random((9, 9, 3)), name="photo", rgb=True)
    assert "is a colour picture" in dock.messages.text
    click(qtbot, dock.button)
    assert "is a colour picture" in dock.messages.text


def test_covariance_says_that_it_needs_a_model_and_runs_with_one(qtbot, viewer, dock, tmp_path):
    train("covariance", [phantom(seed) for seed in range(1, 5)], params={"smoothing_mm": 3.5}, out=tmp_path / "model.safetensors")
    add_volume(viewer, phantom())
    choose_method(dock, "covariance")
    assert not dock.inputs.model.isHidden()
    click(qtbot, dock.button)
    assert "needs a trained model" in dock.messages.text
    dock.inputs.set_model(tmp_path / "model.safetensors")
    qtbot.waitUntil(lambda: dock.inputs.model.path is not None)
    # The model's own settings are shown and used, not the form's defaults.
    assert dock.inputs.form.value().smoothing_mm == 3.5
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.detection.map.method == "covariance"
    assert dock.detection.map.provenance["method"]["params"]["smoothing_mm"] == 3.5
    choose_method(dock, "threshold")
    assert dock.inputs.model.isHidden()


def test_a_model_that_is_none_is_refused(qtbot, viewer, dock, tmp_path):
    add_volume(viewer, phantom())
    choose_method(dock, "covariance")
    (tmp_path / "junk.safetensors").write_bytes(b"no model")
    dock.inputs.set_model(tmp_path / "junk.safetensors")
    qtbot.waitUntil(lambda: dock.messages.level == "error")
    assert dock.inputs.model.path is None


class _Slow(RobustIntensity):
    def _score(self, volume, mask, *, seed, progress):
        for step in range(400):
            progress.update(step / 400, "waiting")
            time.sleep(0.01)
        return super()._score(volume, mask, seed=seed, progress=progress)


class _Broken(RobustIntensity):
    def _score(self, volume, mask, *, seed, progress):
        raise ZeroDivisionError("nobody foresaw this")


@pytest.fixture
def replace_recommended(monkeypatch):
    def replace(detector):
        monkeypatch.setattr("napari_brain_uad.detectors.intensity.robust_intensity.RobustIntensity", detector)

    return replace


def test_cancelling_within_two_seconds_leaves_everything_as_it_was(qtbot, viewer, dock, replace_recommended):
    replace_recommended(_Slow)
    add_volume(viewer, phantom())
    click(qtbot, dock.button)
    assert not dock.run_bar.isHidden()
    assert not dock.inputs.isEnabled()
    qtbot.waitUntil(lambda: dock.run_bar.step.text() == "waiting")
    qtbot.wait(700)
    assert dock.run_bar.left.text().endswith("left")
    start = time.monotonic()
    click(qtbot, dock.run_bar.button)
    wait(qtbot, dock)
    assert_within(time.monotonic() - start, 2.0)
    assert dock.messages.text.startswith("Note: Cancelled")
    assert len(viewer.layers) == 1
    assert dock.inputs.isEnabled()
    assert dock.run_bar.isHidden()


def test_an_unforeseen_error_is_shown_with_details_and_logged(qtbot, viewer, dock, replace_recommended, caplog):
    replace_recommended(_Broken)
    add_volume(viewer, phantom())
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert "ZeroDivisionError: nobody foresaw this" in dock.messages.text
    assert "Traceback" in dock.messages.details
    assert "numpy" in dock.messages.details
    assert "failed unexpectedly" in caplog.text
    click(qtbot, dock.messages._copy)
    assert "Traceback" in QGuiApplication.clipboard().text()


def test_removing_the_scan_in_mid_run_stops_the_run(qtbot, viewer, dock, replace_recommended):
    replace_recommended(_Slow)
    add_volume(viewer, phantom())
    click(qtbot, dock.button)
    qtbot.wait(100)
    viewer.layers.clear()
    wait(qtbot, dock)
    assert not heatmaps(viewer)
    assert not dock.button.isEnabled()


def test_a_scan_opened_in_mid_run_leaves_the_one_that_is_scored_chosen(qtbot, viewer, dock):
    mine = add_volume(viewer, phantom(name="mine"))
    click(qtbot, dock.button)
    other = add_volume(viewer, phantom(1, name="other"))
    assert dock.inputs.scan.layer is mine
    wait(qtbot, dock)
    assert other in dock.inputs.scan.layers()
    assert dock.verdict.text() == dock.detection.verdict.line
    assert dock.detection.map.name == "mine"


@pytest.mark.parametrize("what", ["scan", "method"])
def test_a_verdict_never_stands_under_another_scan_or_method(qtbot, viewer, dock, what):
    other = add_volume(viewer, phantom(1, name="other"))
    add_volume(viewer, phantom(name="mine"))
    click(qtbot, dock.button)
    if what == "scan":  # as "Accept" of the Prepare dock does
        dock.inputs.scan.choose(other)
    else:  # as "Use in Detect" of other docks does
        choose_method(dock, "thresh-raw")
    wait(qtbot, dock)
    assert heatmaps(viewer)
    assert dock.verdict.isHidden()
    assert dock.copy.isHidden()
    assert not dock.outcome.text()
    assert "The result of mine is open" in dock.messages.text


@pytest.mark.parametrize("how", ["dock", "viewer"])
def test_closing_in_mid_run_stops_the_job_and_delivers_nothing(qtbot, make_napari_viewer, replace_recommended, how):
    replace_recommended(_Slow)
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Detect anomalies")
    add_volume(viewer, phantom())
    click(qtbot, dock.button)
    qtbot.wait(200)
    job = dock._job
    if how == "dock":
        viewer.window.remove_dock_widget(dock)
    else:
        viewer.close()
    start = time.monotonic()
    qtbot.waitUntil(lambda: job not in workers._RUNNING)
    assert_within(time.monotonic() - start, 3.0)
    assert not job.running
    if how == "dock":
        assert len(viewer.layers) == 1


# A result is shown in steps


def half_shown(qtbot, dock):
    """Detect, until the heatmap is there and more is to come."""
    click(qtbot, dock.button)
    while dock.running and not heatmaps(dock.viewer):
        QApplication.processEvents()
        time.sleep(0.001)
    assert dock.running
    return heatmaps(dock.viewer)[-1]


def kinds(viewer):
    return [record(layer)["kind"] for layer in viewer.layers]


def test_what_is_half_shown_is_left_when_it_is_cancelled(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    half_shown(qtbot, dock)
    dock.cancel()
    assert not dock.running
    assert dock.button.isEnabled()
    qtbot.wait(100)
    assert kinds(viewer) == ["scan", "mask", "map"]
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.outcome.text()


def test_a_heatmap_removed_while_it_is_shown_ends_it(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    viewer.layers.remove(half_shown(qtbot, dock))
    wait(qtbot, dock)
    assert kinds(viewer) == ["scan", "mask"]
    assert dock.button.isEnabled()


@pytest.mark.parametrize("how", ["dock", "viewer"])
def test_closing_while_a_result_is_shown(qtbot, make_napari_viewer, how, unfrozen):
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Detect anomalies")
    add_volume(viewer, phantom())
    half_shown(qtbot, dock)
    assert gc.get_freeze_count() > 0
    if how == "dock":
        viewer.window.remove_dock_widget(dock)
        before = kinds(viewer)
        qtbot.wait(100)
        assert kinds(viewer) == before
    else:
        viewer.close()
        qtbot.wait(100)
    assert gc.get_freeze_count() == 0


def test_an_open_tune_dock_and_the_steps_add_each_layer_once(qtbot, viewer, dock):
    add_volume(viewer, phantom())
    tune = open_dock(viewer, "Tune")
    heat = half_shown(qtbot, dock)
    # Tune settles on the new heatmap before the regions are added.
    result = dock.detection.result
    assert own_layer(viewer, map_of(heat), "regions") is None
    tune._show_settled(settle(map_of(heat), None, PostParams(), tune._tuning.key(), None, Progress()))
    wait(qtbot, dock)
    qtbot.waitUntil(lambda: tune.settled is not None)
    assert sorted(kinds(viewer)) == ["boxes", "map", "mask", "regions", "scan"]
    assert viewer.layers.selection.active is heat
    assert heat.colorbar.visible
    np.testing.assert_array_equal(own_layer(viewer, map_of(heat), "regions").data.flagged().T, result.mask)


def test_dropping_a_file_on_the_dock_opens_it(qtbot, viewer, dock, tmp_path):
    write_volume(tmp_path / "dropped_FLAIR.nii.gz", phantom())
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "dropped_FLAIR.nii.gz"))])
    event = QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    dock.dropEvent(event)
    assert dock.inputs.scan.layer is not None
    assert dock.inputs.volume().sequence == "FLAIR"


def test_nothing_is_cut_off_at_380_pixels(qtbot, viewer, dock):
    add_volume(viewer, phantom(name="a scan with a name that is much longer than any box of this dock is wide"))
    choose_method(dock, "covariance")
    click(qtbot, dock.inputs.method.ask)
    dock.messages.show_message("error", "Something " * 20, why="because " * 20, fix="do " * 20, details="x" * 500)
    area = dock.findChild(QScrollArea)
    assert dock.minimumSizeHint().width() <= 380
    assert area.widget().minimumSizeHint().width() <= 340


def test_every_method_shows_its_own_form(qtbot, viewer, dock):
    """Params of every method, or those its model was trained with, come back from the form, whatever is chosen in between."""
    add_volume(viewer, phantom())
    for method in registry.method_ids():
        for turned_to in (method, "threshold", method):
            choose_method(dock, turned_to)
        kind: type[Params] = registry.method_class(method).Params
        model = dock.inputs.model.model if registry.method_class(method).INFO.trainable else None
        assert dock.inputs.form.value() == (kind() if model is None else kind.from_dict(settings_for(method, model.method, model.params)))
