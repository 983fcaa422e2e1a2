"""The Prepare dock as a user works it: a raw head step by step, redone, accepted, and back in its own space."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from promptness import assert_within
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QScrollArea, QTabBar

from napari_brain_uad.cli import main
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.gui.app import settings
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.layers.layers import is_map, map_of, record, volume_of
from napari_brain_uad.gui.layers.subjects import layers_of
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.gui.prepare.layers import prepared_of
from napari_brain_uad.io.nifti import read_volume
from napari_brain_uad.preprocessing import presets
from napari_brain_uad.preprocessing.presets import Preset
from napari_brain_uad.preprocessing.steps import deepbet_child
from napari_brain_uad.workflows.scans.prepare import prepare
from tests.gui.scans import head, write

QUICK = Preset(
    "quick",
    "Stripped scan to 3 mm",
    "",
    "For the tests",
    (
        {"step": "reorient", "params": {}},
        {"step": "coregister", "params": {}},
        {"step": "brain_extraction", "params": {}},
        {"step": "resample", "params": {"x_mm": 3.0, "y_mm": 3.0, "z_mm": 3.0}},
        {"step": "intensity", "params": {"method": "percentile"}},
    ),
)


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(presets.PRESETS, "quick", QUICK)
    settings._store().clear()
    settings.remember("preset", "quick")
    yield
    settings._store().clear()


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(qtbot, viewer):
    found = open_dock(viewer, "Prepare")
    qtbot.waitUntil(lambda: bool(found.panel.steps), timeout=20_000)
    return found


def wait(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.running, timeout=30_000)


def click(qtbot, widget):
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def prepared(qtbot, dock):
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.messages.level is None, dock.messages.text


def states(dock):
    return [dock.panel.list.state_of(number) for number in range(dock.panel.list.count())]


def raw_head(name: str = "T1", seed: int = 0) -> Volume:
    """Noise everywhere: no skull-stripped background, so the brain has to be extracted."""
    rng = np.random.default_rng(seed)
    data = rng.random((24, 28, 20), dtype=np.float32) * 20 + 5
    data[4:20, 4:24, 3:17] += 100
    return Volume(data, Grid((24, 28, 20), np.diag([6.0, 6.0, 6.0, 1.0])), name=name, sequence="T1")


# Empty, and filled


def test_an_empty_dock_invites_and_its_button_waits(dock):
    assert not dock.empty.isHidden()
    assert not dock.button.isEnabled()


def test_every_preset_can_be_chosen_and_says_what_it_does(qtbot, dock):
    for row, preset in enumerate(presets.PRESETS.values()):
        dock.inputs.preset.setCurrentIndex(row)
        qtbot.waitUntil(lambda preset=preset: dock.panel.list.count() == len(preset.pipeline))
        assert preset.id in dock.inputs.preset.currentText()
        assert preset.notes[1:20] in dock.inputs.words.text()
        assert set(states(dock)) == {"waiting"}


def test_facts_and_cost_of_the_scan(qtbot, viewer, dock, scan_file):
    add_volume(viewer, read_volume(scan_file))
    qtbot.waitUntil(lambda: "skull-stripped" in dock.inputs.facts.text())
    assert dock.cost.text().startswith("About ")
    assert dock.button.isEnabled()


def test_the_docks_stand_in_the_order_of_the_work(qtbot, viewer):
    for title in ("Tune", "Prepare", "Detect anomalies"):
        open_dock(viewer, title)
    bars = viewer.window._qt_window.findChildren(QTabBar)
    texts = [[bar.tabText(n).partition(" (")[0] for n in range(bar.count())] for bar in bars]
    assert ["Prepare", "Detect", "Tune"] in texts


# Running


def test_a_run_shows_every_step_and_equals_the_workflow(qtbot, viewer, dock, scan_file):
    add_volume(viewer, read_volume(scan_file))
    seen = []
    dock.panel.list.chosen.connect(seen.append)
    prepared(qtbot, dock)
    assert states(dock) == ["done"] * 5
    assert seen == sorted(seen)
    assert "skull-stripped" in dock.panel.list.told_of(2)
    assert dock.panel.preview.picture is not None
    own = prepare(scan_file, "quick", use_cache=False)
    np.testing.assert_array_equal(dock.answer.session.sequences["FLAIR"].prepared.volume.data, own.volume.data)


def test_a_second_run_comes_from_the_cache_and_says_so(qtbot, viewer, dock, scan_file):
    add_volume(viewer, read_volume(scan_file))
    prepared(qtbot, dock)
    first = dock.answer.session.sequences["FLAIR"].prepared.volume.data
    prepared(qtbot, dock)
    assert "cache" in dock.outcome.text()
    assert states(dock) == ["kept"] * 5
    assert "skull-stripped" in dock.panel.list.told_of(2)
    assert dock.panel.preview.picture is not None
    np.testing.assert_array_equal(dock.answer.session.sequences["FLAIR"].prepared.volume.data, first)


def test_a_step_is_redone_with_other_settings_and_the_steps_before_it_are_kept(qtbot, viewer, dock, scan_file):
    add_volume(viewer, read_volume(scan_file))
    prepared(qtbot, dock)
    before = dock.answer.session.sequences["FLAIR"].runs
    dock.panel.list.choose(3)
    dock.panel.form.widget("x_mm").setValue(6.0)
    click(qtbot, dock.panel.button)
    wait(qtbot, dock)
    after = dock.answer.session.sequences["FLAIR"]
    assert after.runs[:3] == before[:3]
    assert after.runs[3] is not before[3]
    assert after.prepared.volume.grid.spacing == pytest.approx((6.0, 3.0, 3.0))
    assert after.prepared.record[3]["params"]["x_mm"] == 6.0


def test_choosing_another_scan_forgets_the_result_and_keeps_the_settings(qtbot, viewer, dock, scan_file):
    add_volume(viewer, read_volume(scan_file))
    prepared(qtbot, dock)
    dock.panel.list.choose(3)
    dock.panel.form.widget("x_mm").setValue(6.0)
    add_volume(viewer, raw_head("other"))
    assert dock.answer is None
    assert dock._after.isHidden()
    assert states(dock) == ["waiting"] * 5
    assert dock.panel.steps[3].x_mm == 6.0


def test_a_scan_opened_in_mid_run_leaves_the_one_that_is_prepared_chosen(qtbot, viewer, dock, scan_file):
    mine = add_volume(viewer, read_volume(scan_file))
    click(qtbot, dock.button)
    other = add_volume(viewer, raw_head("other"))
    assert dock.inputs.scan.layer is mine
    wait(qtbot, dock)
    assert other in dock.inputs.scan.layers()
    assert list(dock.answer.session.sequences) == ["FLAIR"]
    dock.panel.list.choose(3)
    click(qtbot, dock.panel.button)
    wait(qtbot, dock)
    assert dock.answer.session.sequences["FLAIR"].native.name == mine.name


def test_what_was_prepared_of_a_scan_that_is_not_chosen_any_more_is_not_shown_as_another_s(qtbot, viewer, dock):
    other, mine = (add_volume(viewer, raw_head(name, seed)) for seed, name in enumerate(("other", "mine")))
    click(qtbot, dock.button)
    dock.inputs.scan.choose(other)
    wait(qtbot, dock)
    assert dock.answer is None
    assert "other scans were chosen" in dock.messages.text
    assert states(dock) == ["waiting"] * 5
    assert not dock.panel.button.isEnabled()
    dock.inputs.scan.choose(mine)
    prepared(qtbot, dock)
    assert "cache" in dock.outcome.text()


def test_a_step_that_fails_says_what_to_do(qtbot, viewer, dock):
    data = np.zeros((24, 28, 20), np.float32)
    data[4:20, 4:24, 3:17] = 5.0  # a brain of one value: percentiles mean nothing
    add_volume(viewer, Volume(data, Grid(data.shape, np.diag([6.0, 6.0, 6.0, 1.0])), name="flat"))
    click(qtbot, dock.button)
    wait(qtbot, dock)
    assert dock.messages.level == "error"
    assert "constant" in dock.messages.text
    assert states(dock)[-1] == "failed"
    assert dock.button.isEnabled()


def test_two_scans_of_one_sequence_are_refused(qtbot, viewer, dock):
    first = add_volume(viewer, raw_head("one"))
    add_volume(viewer, raw_head("two", 1))
    dock.inputs.tick(first)
    click(qtbot, dock.button)
    assert dock.messages.level == "error"
    assert "both T1" in dock.messages.text


def test_sequences_of_a_patient_are_prepared_together(qtbot, viewer, dock, tmp_path):
    data, _ = head()
    for name, image in (("T1", 200 - data), ("FLAIR", data)):
        add_volume(viewer, read_volume(write(tmp_path / f"{name}.nii.gz", np.where(data > 0, image, 0).astype(np.float32))))
    other = next(layer for layer in viewer.layers if layer.name == "T1")
    dock.inputs.tick(other)
    prepared(qtbot, dock)
    assert [dock.panel.sequence.itemText(n) for n in range(2)] == ["T1", "FLAIR"]
    sequences = dock.answer.session.sequences
    assert sequences["FLAIR"].reference.volume.name == "T1"
    assert "aligned with T1" in sequences["FLAIR"].prepared.record[1]["said"]
    dock._copy_command()
    assert shlex.split(QGuiApplication.clipboard().text())[2] == str(tmp_path)


# Cancelling


def test_brain_extraction_is_cancelled_within_two_seconds_and_leaves_no_process(qtbot, viewer, dock, monkeypatch):
    started = []
    popen = deepbet_child.subprocess.Popen

    def slow(command, **kwargs):
        # Stands for the network: a process that never answers.
        started.append(popen([command[0], "-c", "import time; time.sleep(60)"], **kwargs))
        return started[-1]

    monkeypatch.setattr(deepbet_child.subprocess, "Popen", slow)
    add_volume(viewer, raw_head())
    click(qtbot, dock.button)
    qtbot.waitUntil(lambda: bool(started), timeout=20_000)
    asked = time.monotonic()
    click(qtbot, dock.run_bar.button)
    wait(qtbot, dock)
    assert_within(time.monotonic() - asked, 2.0)
    assert started[0].poll() is not None
    assert "Cancelled" in dock.messages.text
    assert states(dock)[:3] == ["done", "done", "failed"]
    assert dock.button.isEnabled()


def test_closing_the_dock_ends_its_run(qtbot, viewer, dock, scan_file):
    add_volume(viewer, read_volume(scan_file))
    click(qtbot, dock.button)
    job = dock._job
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not job.running)


# What becomes of it


def test_accept_opens_the_scan_with_its_way_back_and_detect_takes_it(qtbot, viewer, dock, scan_file):
    native = add_volume(viewer, read_volume(scan_file))
    prepared(qtbot, dock)
    click(qtbot, dock.accept)
    name = f"{native.name} | quick"
    layer = viewer.layers[name]
    assert not native.visible
    assert prepared_of(layer) is dock.answer.session.sequences["FLAIR"].prepared
    assert viewer.layers[f"{name} | brain mask"].data.any()
    assert dock.inputs.scan.layer is native
    detect = open_dock(viewer, "Detect anomalies")
    assert detect.inputs.scan.layer is layer
    assert detect.inputs.volume().mask is not None
    # The file's place does not hold for the prepared scan: nothing may be written or read out as if it did.
    volume = volume_of(layer)
    assert volume.source.path is None
    assert volume.source.grid is volume.grid
    count = len(viewer.layers)
    click(qtbot, dock.accept)
    dock.take_over()
    assert len(viewer.layers) == count


def test_a_map_comes_back_to_the_scans_own_grid(qtbot, viewer, dock, scan_file, tmp_path):
    native = add_volume(viewer, read_volume(scan_file))
    prepared(qtbot, dock)
    dock.take_over()
    assert dock.back.isHidden()
    detect = open_dock(viewer, "Detect anomalies")
    detect.run()
    wait(qtbot, detect)
    scored = detect.detection
    assert not dock.back.isHidden()
    click(qtbot, dock.back)
    wait(qtbot, dock)
    back = next(layer for layer in viewer.layers if is_map(layer) and map_of(layer).name == native.name)
    amap = map_of(back)
    assert amap.grid.shape == volume_of(native).grid.shape
    np.testing.assert_array_equal(amap.grid.affine, volume_of(native).grid.affine)
    assert [step["step"] for step in amap.provenance["preprocessing"]] == [step["step"] for step in QUICK.pipeline]
    regions = next(layer for layer in viewer.layers if record(layer).get("map") is amap and record(layer)["kind"] == "regions")
    assert regions.data.threshold.value == pytest.approx(scored.result.threshold.value)
    assert dock.back.isHidden()
    # Saved, it lies as the file does.
    viewer.layers.selection.active = back
    target = tmp_path / "map.nii.gz"
    back.save(str(target), plugin="napari-brain-uad")
    np.testing.assert_allclose(nibabel.load(target).affine, nibabel.load(scan_file).affine, atol=1e-5)


def test_names_do_not_say_what_can_be_brought_back_nor_what_is_shown_then(qtbot, viewer, dock, scan_file):
    native = add_volume(viewer, read_volume(scan_file))
    bystander = add_volume(viewer, raw_head("bystander"))
    dock.inputs.scan.choose(native)
    detect = open_dock(viewer, "Detect anomalies")
    detect.inputs.scan.choose(native)
    detect.run()  # its map has the name that one brought back has
    wait(qtbot, detect)
    prepared(qtbot, dock)
    dock.take_over()
    detect.run()
    wait(qtbot, detect)
    assert not dock.back.isHidden()
    ours = layers_of(viewer, viewer.layers[f"{native.name} | quick"])
    next(layer for layer in ours if is_map(layer)).name = "renamed"
    bystander.visible = True
    click(qtbot, dock.back)
    wait(qtbot, dock)
    assert bystander.visible
    assert native.visible
    assert not any(layer.visible for layer in ours)
    assert dock.back.isHidden()
    assert len([layer for layer in layers_of(viewer, native) if is_map(layer)]) == 2


def test_two_scans_of_one_name_are_prepared_beside_each_other(qtbot, viewer, dock, scan_file):
    for seed in range(2):
        volume = read_volume(scan_file)
        add_volume(viewer, replace(volume, data=volume.data + (volume.data > 0) * seed, source=None))
        prepared(qtbot, dock)
        dock.take_over()
    assert len([layer for layer in viewer.layers if prepared_of(layer) is not None]) == 2


def test_the_copied_command_gives_the_same_scan(qtbot, viewer, dock, scan_file, tmp_path, monkeypatch):
    add_volume(viewer, read_volume(scan_file))
    dock.inputs.choose_preset("clinical")
    qtbot.waitUntil(lambda: dock.panel.list.count() == 6)
    dock.inputs.choose_preset("quick")
    qtbot.waitUntil(lambda: dock.panel.list.count() == 5)
    dock.panel.list.choose(4)
    dock.panel.form.widget("method").setCurrentText("zscore")
    prepared(qtbot, dock)
    dock._copy_command()
    words = shlex.split(QGuiApplication.clipboard().text())
    assert words[:2] == ["brain-uad", "prepare"]
    assert "intensity.method=zscore" in words
    out = tmp_path / "out"
    assert main([*words[1:-1], str(out), "--quiet", "--no-figures", "--no-cache"]) == 0
    written = read_volume(next(out.glob("*_prepared.nii.gz")))
    np.testing.assert_array_equal(written.data, dock.answer.session.sequences["FLAIR"].prepared.volume.data)


@pytest.mark.parametrize(("everything", "count"), [(False, 1), (True, 6)])
def test_saving_on_demand(qtbot, viewer, dock, scan_file, tmp_path, everything, count):
    add_volume(viewer, read_volume(scan_file))
    prepared(qtbot, dock)
    out = tmp_path / "saved"
    out.mkdir()
    dock.save_to(out, everything=everything)
    wait(qtbot, dock)
    assert f"Saved {count} file" in dock.messages.text
    assert len([path for path in out.iterdir() if not path.name.endswith("_manifest.json")]) == (5 if everything else 1)
    assert len(list(out.glob("*.png"))) == len(list(out.glob("*_manifest.json"))) == 1


def test_nothing_is_cut_off_at_laptop_size(qtbot, viewer, dock, scan_file):
    add_volume(viewer, read_volume(scan_file))
    dock.resize(380, 600)
    prepared(qtbot, dock)
    for area in dock.findChildren(QScrollArea):
        assert area.horizontalScrollBar().maximum() == 0
