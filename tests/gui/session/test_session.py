"""Sessions: what a window holds comes back as it was, what is gone is named, and what is not a session is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QFileDialog

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.gui.app.docks import open_dock, open_titles, reopening_docks
from napari_brain_uad.gui.contrib.files import file_layers
from napari_brain_uad.gui.contrib.reader import get_reader
from napari_brain_uad.gui.layers.brain_layer import by_hand
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import is_map, is_scan, map_of, mask_of, record, set_sequence, volume_of
from napari_brain_uad.gui.layers.subjects import layers_of, scan_of, scans
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.gui.session import actions
from napari_brain_uad.gui.session.collect import collect
from napari_brain_uad.gui.session.files import RECORD, is_session, read_session, save_session
from napari_brain_uad.gui.session.restore import computed, restoring
from napari_brain_uad.gui.widgets.age_box import AgeBox
from napari_brain_uad.gui.widgets.layer_box import LayerBox
from napari_brain_uad.postprocessing.edits import REJECTED, Mark, RegionEdits
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect.age import with_age
from napari_brain_uad.workflows.detect.detect import Detection, detect
from napari_brain_uad.workflows.scans.load import load
from tests.gui.scans import head, rotated, write


def _reopened(folder: Path) -> tuple[ViewerModel, tuple[str, ...]]:
    viewer = ViewerModel()
    ready = computed(read_session(folder, Progress()), Progress())
    for _ in restoring(viewer, ready):
        pass
    return viewer, ready.said


@pytest.fixture
def saved(detection: Detection, scan_file: Path, tmp_path: Path) -> tuple[ViewerModel, Path]:
    """A scan from a file, a detection on it with a rejected region, a painted brain mask; seen in a view of its own."""
    viewer = ViewerModel()
    (layer,) = viewer._add_layer_from_data(*file_layers(scan_file)[0])
    set_sequence(layer, "T2")
    layer.gamma = 0.7
    heat, *_ = add_detection(viewer, detection, scan=layer)
    region = detection.result.regions[0]
    voxels = np.flatnonzero(detection.result.labels == region.number)
    record(heat).update(
        edits=RegionEdits(marks=(Mark(voxels, REJECTED, "vessel, =1+1"),)), post=PostParams(threshold="140.0", min_voxels=7)
    )
    heat.opacity = 0.4
    brain = next(layer for layer in viewer.layers if layer.name.endswith("| brain mask"))
    brain.data[10:12] = 0
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(0, -3.0)
    viewer.scene.camera.zoom = 3.25
    folder = tmp_path / "work.uad-session"
    save_session(collect(viewer), folder, Progress())
    return viewer, folder


def test_a_window_comes_back_as_it_was(saved: tuple[ViewerModel, Path]) -> None:
    before, folder = saved
    after, said = _reopened(folder)
    assert not said
    assert [layer.name for layer in after.layers] == [layer.name for layer in before.layers]
    for one, other in zip(before.layers, after.layers, strict=True):
        assert type(one) is type(other)
        assert (one.visible, one.opacity, one.blending) == (other.visible, other.opacity, other.blending), one.name
        assert np.allclose(one.scale, other.scale)
        assert np.allclose(one.translate, other.translate)
        if record(one).get("kind") in ("scan", "mask", "map"):
            assert np.array_equal(np.asarray(one.data), np.asarray(other.data)), one.name
    scan = after.layers[0]
    assert volume_of(scan).sequence == "T2"
    assert scan.gamma == 0.7
    assert (
        volume_of(scan).source == volume_of(before.layers[0]).source
        or volume_of(scan).source.path == volume_of(before.layers[0]).source.path
    )
    assert after.dims.order == before.dims.order
    assert after.dims.point == before.dims.point
    assert after.scene.camera.zoom == 3.25
    assert after.layers.selection.active.name == before.layers.selection.active.name


def test_a_map_keeps_settings_review_and_provenance(saved: tuple[ViewerModel, Path], detection: Detection) -> None:
    after, _ = _reopened(saved[1])
    heat = next(layer for layer in after.layers if is_map(layer))
    assert record(heat)["post"] == PostParams(threshold="140.0", min_voxels=7)
    assert map_of(heat).provenance["method"] == detection.map.provenance["method"]
    assert map_of(heat).unit == detection.map.unit
    assert map_of(heat).source is not None
    assert np.array_equal(record(heat)["truth"], detection.truth)
    (mark,) = record(heat)["edits"].marks
    assert (mark.review, mark.note) == (REJECTED, "vessel, =1+1")
    regions, boxes = (next(layer for layer in after.layers if record(layer).get("kind") == kind) for kind in ("regions", "boxes"))
    i, j, k = detection.result.regions[0].peak_index
    assert not regions.data.flagged()[k, j, i]
    i, j, k = detection.result.regions[1].peak_index
    assert regions.data.flagged()[k, j, i]
    assert len(record(boxes)["boxes"]) == len(detection.result.regions) - 1


def test_the_age_that_a_map_was_judged_with_is_the_scan_s_again(qtbot: Any, saved: tuple[ViewerModel, Path], tmp_path: Path) -> None:
    before, _ = saved
    heat = next(layer for layer in before.layers if is_map(layer))
    record(heat)["map"] = with_age(map_of(heat), 1.5)
    save_session(collect(before), tmp_path / "aged.uad-session", Progress())
    after, _ = _reopened(tmp_path / "aged.uad-session")
    choice = LayerBox(after, is_scan)
    qtbot.addWidget(choice)
    box = AgeBox(after, choice)
    qtbot.addWidget(box)
    choice.choose(scans(after)[0])
    assert box.years == 1.5


@pytest.mark.parametrize("of_a_file", [True, False])
def test_an_age_goes_to_nobody_else_of_the_same_name(qtbot: Any, saved: tuple[ViewerModel, Path], tmp_path: Path, of_a_file: bool) -> None:
    before, _ = saved
    heat = next(layer for layer in before.layers if is_map(layer))
    record(heat)["map"] = with_age(map_of(heat), 70)
    save_session(collect(before), tmp_path / "aged.uad-session", Progress())
    (tmp_path / "sub-02").mkdir()
    other = write(tmp_path / "sub-02" / f"{before.layers[0].name}.nii.gz", head()[0] * 2)
    after = ViewerModel()
    theirs = add_volume(after, load(other) if of_a_file else replace(load(other), source=None))
    for _ in restoring(after, computed(read_session(tmp_path / "aged.uad-session", Progress()), Progress())):
        pass
    assert theirs.name == before.layers[0].name
    choice = LayerBox(after, is_scan)
    qtbot.addWidget(choice)
    box = AgeBox(after, choice)
    qtbot.addWidget(box)
    _, ours = scans(after)
    years = []
    for scan in (theirs, ours):
        choice.choose(scan)
        years.append(box.years)
    assert years == [None, 70]


def test_a_scan_of_another_plugin_keeps_its_map(tmp_path: Path) -> None:
    viewer = ViewerModel()
    data, _ = head()
    scan = viewer.add_image(np.ascontiguousarray(data.T), name="theirs")
    heat, *_ = add_detection(viewer, detect(volume_of(scan), "thresh-raw"), scan=scan)
    assert heat in layers_of(viewer, scan)
    viewer.add_labels(np.zeros((4, 5, 6), np.uint8), name="mine")
    save_session(collect(viewer), tmp_path / "s", Progress())
    after, _ = _reopened(tmp_path / "s")
    again = next(layer for layer in after.layers if is_map(layer))
    after.layers["theirs"].name = "renamed"
    assert scan_of(after, again) is after.layers["renamed"]
    assert not record(after.layers["mine"])


def test_the_layers_of_a_subject_stay_together_and_a_second_opening_is_another_subject(saved: tuple[ViewerModel, Path]) -> None:
    folder = saved[1]
    viewer, _ = _reopened(folder)
    count = len(viewer.layers)
    for _ in restoring(viewer, computed(read_session(folder, Progress()), Progress())):
        pass
    first, second = scans(viewer)
    assert not set(layers_of(viewer, first)) & set(layers_of(viewer, second))
    assert len(layers_of(viewer, second)) == count
    assert not any(layer.visible for layer in viewer.layers[:count])


def test_a_painted_brain_mask_is_somebodys_and_one_of_a_run_is_not(
    saved: tuple[ViewerModel, Path], detection: Detection, tmp_path: Path
) -> None:
    def brain(viewer: ViewerModel) -> Any:
        return next(layer for layer in viewer.layers if layer.name.endswith("| brain mask"))

    painted = brain(_reopened(saved[1])[0])
    assert by_hand(painted, mask_of(painted, detection.volume.grid, "brain mask"))
    fresh = ViewerModel()
    add_detection(fresh, detection, scan=add_volume(fresh, detection.volume))
    save_session(collect(fresh), tmp_path / "fresh", Progress())
    made = brain(_reopened(tmp_path / "fresh")[0])
    assert not by_hand(made, mask_of(made, detection.volume.grid, "brain mask"))


def test_a_scan_in_a_file_is_not_copied_and_is_found_when_both_moved(saved: tuple[ViewerModel, Path], scan_file: Path) -> None:
    folder = saved[1]
    assert not list(folder.glob("*_scan.nii.gz"))
    moved = scan_file.parent / "elsewhere"
    moved.mkdir()
    shutil.move(scan_file, moved / scan_file.name)
    shutil.move(folder, moved / folder.name)
    after, said = _reopened(moved / folder.name)
    assert not said
    assert len(scans(after)) == 1


def test_a_scan_that_is_gone_or_another_is_named_and_the_rest_opens(saved: tuple[ViewerModel, Path], scan_file: Path) -> None:
    data, _ = head()
    write(scan_file, data + 1)
    after, (changed,) = _reopened(saved[1])
    assert "is not the file that it was" in changed
    assert any(is_map(layer) for layer in after.layers)
    scan_file.unlink()
    after, (gone,) = _reopened(saved[1])
    assert scan_file.name in gone
    assert len(after.layers) == len(saved[0].layers) - 1


def test_an_oblique_scan_without_a_file_is_written_in_its_own_axes(tmp_path: Path) -> None:
    data, _ = head()
    file = write(tmp_path / "T1.nii.gz", data, rotated(np.diag([-1.5, -1.0, 2.0, 1.0]), 20.0))
    viewer = ViewerModel()
    (layer,) = viewer._add_layer_from_data(*file_layers(file)[0])
    layer.data = layer.data * 2
    save_session(collect(viewer), tmp_path / "s", Progress())
    file.unlink()
    after, said = _reopened(tmp_path / "s")
    assert not said
    again, given = volume_of(after.layers[0]), volume_of(layer)
    assert np.array_equal(again.data, given.data)
    assert not again.grid.compare(given.grid, "scan")
    assert np.allclose(again.source.grid.affine, given.source.grid.affine, atol=1e-5)


def test_layers_of_others_are_kept_or_named(tmp_path: Path) -> None:
    viewer = ViewerModel()
    painted = np.zeros((4, 5, 6), np.uint8)
    painted[1, 2, 3] = 7
    viewer.add_labels(painted, name="mine", scale=(1, 2, 3), translate=(4, 5, 6))
    viewer.add_points([[1, 2, 3]], name="dots")
    session = collect(viewer)
    assert session.left_out == ("dots: layers of points are not kept",)
    save_session(session, tmp_path / "s", Progress())
    after, _ = _reopened(tmp_path / "s")
    assert np.array_equal(after.layers["mine"].data, painted)
    assert np.allclose(after.layers["mine"].data_to_world((0, 0, 0)), (4, 5, 6))
    assert np.allclose(after.layers["mine"].data_to_world((1, 1, 1)), (5, 7, 9))


def test_an_empty_window_and_a_comparison_are_refused() -> None:
    viewer = ViewerModel()
    with pytest.raises(InputError, match="no layer is open"):
        collect(viewer)
    viewer.add_image(np.zeros((3, 3, 3)), metadata={"brain_uad": {"kind": "compared"}})
    with pytest.raises(InputError, match="side by side"):
        collect(viewer)


@pytest.mark.parametrize(
    "harm",
    [
        lambda record: record.update(format="other"),
        lambda record: record.update(layers={}),
        lambda record: record["layers"][0].update(kind="../x"),
        lambda record: record["layers"][0].update(look=[]),
        lambda record: record["layers"][2].update(edits={"merges": [10**9], "marks": "x"}),
        lambda record: record.update(view={"order": [5], "point": "x", "ndisplay": 9, "camera": {"zoom": "x"}, "active": "x"}),
        lambda record: record["layers"][0].update(look={"visible": "x", "opacity": 9, "colormap": "none", "contrast_limits": [1]}),
        lambda record: record["layers"][0].update(file={"path": "/etc/passwd", "near": "../../../..", "sha256": ""}),
    ],
)
def test_a_harmed_record_gives_an_error_or_a_note_and_no_other_exception(saved: tuple[ViewerModel, Path], harm: Callable[..., Any]) -> None:
    folder = saved[1]
    content = json.loads((folder / RECORD).read_text())
    harm(content)
    (folder / RECORD).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"not as session_manifest.json says"):
        read_session(folder, Progress())
    (folder / "session_manifest.json").unlink()
    with suppress(InputError):
        _reopened(folder)


def test_a_flipped_byte_of_a_map_is_refused(saved: tuple[ViewerModel, Path]) -> None:
    (file,) = saved[1].glob("*_anomalymap.nii.gz")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="anomalymap"):
        read_session(saved[1], Progress())


def test_saving_again_replaces_all_and_other_results_stay(saved: tuple[ViewerModel, Path], tmp_path: Path) -> None:
    viewer, folder = saved
    (folder / "notes.txt").write_text("mine")
    del viewer.layers[1:]
    save_session(collect(viewer), folder, Progress())
    assert sorted(file.name for file in folder.iterdir()) == ["notes.txt", RECORD, "session_manifest.json"]


def test_the_reader_opens_a_session_folder_in_the_window(
    saved: tuple[ViewerModel, Path], make_napari_viewer: Any, qtbot: Any, monkeypatch: Any
) -> None:
    viewer = make_napari_viewer(show=True)
    open_dock(viewer, "Detect anomalies")
    open_dock(viewer, "Tune")
    said: list[str] = []
    monkeypatch.setattr(actions, "show_info", said.append)
    reader = get_reader(str(saved[1]))
    assert reader is not None
    assert reader(str(saved[1])) == [(None,)]
    qtbot.waitUntil(lambda: len(viewer.layers) == len(saved[0].layers) and viewer.status == "")
    assert [layer.name for layer in viewer.layers] == [layer.name for layer in saved[0].layers]
    qtbot.wait(300)  # the Tune dock settles, and adds nothing of its own
    assert len(viewer.layers) == len(saved[0].layers)
    target = saved[1].with_name("again")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(target), ""))
    actions.save_session_as(viewer)
    qtbot.waitUntil(lambda: bool(said))
    assert said == [f"Session saved: {len(viewer.layers)} layers in again.uad-session."]
    assert is_session(target.with_name("again.uad-session"))
    docks = read_session(target.with_name("again.uad-session"), Progress()).docks
    assert docks == ("Tune", "Detect anomalies")
    viewer.window.remove_dock_widget(open_dock(viewer, "Detect anomalies"))
    for _ in reopening_docks(viewer, docks):
        pass
    assert open_titles(viewer) == docks
