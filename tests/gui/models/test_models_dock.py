"""The Models dock and the model choice in Detect, as a user works them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent, QShowEvent
from qtpy.QtWidgets import QScrollArea

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.gui.app import settings
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.io.checkpoint import load_checkpoint, save_checkpoint
from napari_brain_uad.preprocessing.mni_way import MniWay
from napari_brain_uad.workflows.models import models
from napari_brain_uad.workflows.models.models import list_models, user_dir

SHAPE = (12, 14, 10)
GRID = Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0]))


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(models, "shipped_dir", lambda: tmp_path / "shipped")
    settings._store().clear()
    yield
    settings._store().clear()


def brain() -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[2:10, 2:12, 2:8] = True
    return mask


def put(folder: Path, name: str, *, sequences: tuple[str, ...] = (), card: dict[str, object] | None = None, tail: str = "both") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "mean": np.zeros(SHAPE, np.float32),
        "deviation": np.full(SHAPE, len(name), np.float32),
        "support": brain(),
        "components": np.zeros((0, brain().sum()), np.float32),
        "affine": GRID.affine,
    }
    params = {"smoothing_mm": 0.0, "components": 0, "tail": tail, "floor": 0.1}
    save_checkpoint(folder / name, method="covariance", params=params, state=state, meta={"sequences": list(sequences)})
    if card is not None:
        (folder / f"{name}.card.json").write_text(json.dumps(card))
    return folder / f"{name}.safetensors"


def scan(sequence: str | None = "T1") -> Volume:
    data = np.where(brain(), np.random.default_rng(0).normal(100, 10, SHAPE), 0).astype(np.float32)
    return Volume(data, GRID, name="scan", mask=brain(), sequence=sequence)


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def dock(viewer):
    return open_dock(viewer, "Models")


@pytest.fixture
def detect(viewer):
    return open_dock(viewer, "Detect anomalies")


def wait(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.running, timeout=20_000)


def click(qtbot, widget):
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


# The Models dock


def test_an_empty_list_says_what_to_do(dock):
    assert "Train" in dock.empty.text()
    assert not dock.empty.isHidden()
    for button in (dock.use, dock.give, dock.remove):
        assert not button.isEnabled()
    assert dock.bring.isEnabled()


def test_cards_are_shown_as_text_and_shipped_models_cannot_be_removed(qtbot, dock, tmp_path):
    put(tmp_path / "shipped", "zeta", card={"title": "<b>Bold</b> <img src='file:///x'>", "sequences": ["T1"], "steps": 2000})
    put(user_dir(), "mine")
    dock.refresh_models()
    assert [dock.list.item(row).text().split("\n")[1] for row in range(2)] == [
        "covariance, T1, comes with the package",
        "covariance, any sequence, yours",
    ]
    dock.choose("zeta")
    assert "&lt;b&gt;Bold" in dock.card.text()
    assert "2,000 steps" in dock.card.text()
    assert "no figures yet" in dock.card.text()
    assert not dock.remove.isEnabled()
    assert dock.hash.text() == load_checkpoint(tmp_path / "shipped" / "zeta").sha256
    dock.choose("mine")
    assert dock.remove.isEnabled()


def test_it_is_seen_where_one_model_ends_and_the_next_begins(dock):
    for name in ("one", "two"):
        put(user_dir(), name)
    dock.refresh_models()
    first, second = (dock.list.visualItemRect(dock.list.item(row)) for row in range(2))
    assert second.top() - first.bottom() > 4


def test_import_by_drop_and_export_give_the_same_bytes(qtbot, dock, tmp_path):
    given = put(tmp_path / "given", "atlas")
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(given))])
    dock.dropEvent(QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier))
    wait(qtbot, dock)
    assert dock.messages.text.startswith("Note: atlas is in your models")
    assert dock.model.id == "atlas"
    assert settings.remembered("last_folder") == str(given.parent)
    dock.export_to(tmp_path / "out")
    wait(qtbot, dock)
    assert "Exported to out" in dock.messages.text
    assert (tmp_path / "out" / "atlas.safetensors").read_bytes() == given.read_bytes()


def healthy_scans(folder: Path) -> Path:
    folder.mkdir()
    for seed in (1, 2):
        image = nib.Nifti1Image(np.where(brain(), np.random.default_rng(seed).normal(100, 10, SHAPE), 0).astype(np.float32), GRID.affine)
        image.to_filename(folder / f"sub-{seed:02d}_T1.nii.gz")
    return folder


def test_calibrating_can_register_to_mni_as_the_command_does(qtbot, dock, tmp_path, monkeypatch):
    put(user_dir(), "mine")
    folder = healthy_scans(tmp_path / "healthy")
    dock.refresh_models()
    asked = []
    middle = np.eye(4)
    middle[:3, 3] = GRID.to_world(np.array(SHAPE) / 2) - np.array([0.0, -18.0, 18.0])
    for dice, said in ((0.95, "MNI152: of 2 brains"), (0.2, "no scan could be registered there")):
        way = MniWay(middle, None, {"dice": dice})
        monkeypatch.setattr("napari_brain_uad.workflows.detect.mni._registered", lambda *_, way=way: asked.append(way) or way)
        dock.mni.setChecked(True)
        dock.calibrate_on(folder)
        assert not dock.mni.isEnabled()
        wait(qtbot, dock)
        assert said in dock.messages.text
    assert len(asked) == 4
    dock.mni.setChecked(False)
    dock.calibrate_on(folder)
    wait(qtbot, dock)
    assert len(asked) == 4
    assert "MNI152" not in dock.messages.text


def test_calibrating_again_says_what_it_replaces(qtbot, dock, tmp_path):
    put(user_dir(), "mine")
    healthy_scans(tmp_path / "healthy")
    dock.refresh_models()
    for replaced in (False, True):
        dock.calibrate_on(tmp_path / "healthy")
        wait(qtbot, dock)
        assert "2 brains show" in dock.messages.text
        assert ("An earlier reference of yours was replaced: 2 healthy T1 scans of your own" in dock.messages.text) == replaced
    assert "no scan can be called unusual at p = 0.05" in dock.messages.text
    # The way back takes two clicks, as Remove does, and is there only where there is something to remove.
    assert not dock.forget.isHidden()
    click(qtbot, dock.forget)
    assert list(user_dir().glob("mine.T1.reference.*"))
    click(qtbot, dock.forget)
    assert not list(user_dir().glob("mine.T1.reference.*"))
    assert "Your healthy reference of mine was removed" in dock.messages.text
    assert dock.forget.isHidden()


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_a_file_that_is_no_model_is_refused_with_what_to_do(qtbot, dock, tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04 not a model")
    dock.import_file(tmp_path / name)
    wait(qtbot, dock)
    assert dock.messages.level == "error"
    assert name.split(".")[0] in dock.messages.text
    assert ".json" in dock.messages.text
    assert list_models() == ()
    assert dock.bring.isEnabled()


def test_a_damaged_file_in_the_folder_is_named(dock):
    put(user_dir(), "good")
    put(user_dir(), "bad").with_suffix(".json").write_text("{")
    dock.refresh_models()
    assert dock.list.count() == 1
    assert dock.messages.level == "warning"
    assert "bad.json" in dock.messages.text


def test_removing_takes_two_clicks(qtbot, dock):
    put(user_dir(), "one")
    put(user_dir(), "two")
    dock.refresh_models()
    click(qtbot, dock.remove)
    assert len(list_models()) == 2
    dock.choose("two")
    assert dock.remove.text() == "Remove"
    click(qtbot, dock.remove)
    click(qtbot, dock.remove)
    assert [model.id for model in list_models()] == ["one"]
    assert dock.model.id == "one"
    assert "two was removed" in dock.messages.text


def test_what_the_command_line_added_is_there_when_the_dock_is_shown_again(dock):
    put(user_dir(), "late")
    dock.showEvent(QShowEvent())  # the window of a test is hidden
    assert dock.list.count() == 1


def test_two_hundred_models_are_listed_without_a_stall(dock):
    first = put(user_dir(), "m000")
    for number in range(1, 200):
        for suffix in (".safetensors", ".json"):
            (user_dir() / f"m{number:03}{suffix}").write_bytes(first.with_suffix(suffix).read_bytes())
    dock.refresh_models()
    best = min(_seconds(dock.refresh_models) for _ in range(3))
    assert dock.list.count() == 200
    assert best < 0.5  # 0.1 s is the aim on an idle machine; the suite's is not idle


def _seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_closing_the_dock_in_mid_import_delivers_nothing(qtbot, viewer, dock, tmp_path):
    dock.import_file(put(tmp_path / "given", "atlas"))
    job = dock._job
    viewer.window.remove_dock_widget(dock)
    assert not job.running


def test_nothing_is_cut_off_at_380_pixels(qtbot, dock):
    put(user_dir(), "x" * 70, card={"title": "A long title " * 10, "notes": "words " * 80, "sequences": ["T1", "T2", "FLAIR"]})
    dock.refresh_models()
    dock.resize(380, 700)
    assert dock.minimumSizeHint().width() <= 380
    for area in dock.findChildren(QScrollArea):
        assert area.horizontalScrollBar().maximum() == 0


# The choice in Detect


def test_without_a_model_the_dock_says_how_to_get_one(qtbot, viewer, detect):
    add_volume(viewer, scan())
    detect.inputs.method.choose("covariance")
    assert detect.inputs.model.model is None
    assert "train one" in detect.inputs.model.words.text()
    click(qtbot, detect.button)
    assert "needs a trained model" in detect.messages.text
    detect.inputs.model.asked.emit("models")
    assert any(name.startswith("Models") for name in viewer.window.dock_widgets)


def test_the_model_follows_the_sequence_until_one_is_chosen_by_hand(qtbot, viewer, detect):
    put(user_dir(), "for-flair", sequences=("FLAIR",), tail="bright")
    put(user_dir(), "for-t1", sequences=("T1",), tail="dark")
    add_volume(viewer, scan("T1"))
    detect.inputs.method.choose("covariance")
    assert detect.inputs.model.model.id == "for-t1"
    assert detect.inputs.form.value().tail == "dark"
    add_volume(viewer, scan("FLAIR"))
    detect.inputs.method.choose("covariance")
    assert detect.inputs.model.model.id == "for-flair"
    assert detect.inputs.form.value().tail == "bright"
    add_volume(viewer, scan("T2"))
    detect.inputs.method.choose("covariance")
    assert detect.inputs.model.model is None
    assert "no model for T2" in detect.inputs.model.words.text()
    detect.inputs.model.box.setCurrentIndex(1)
    detect.inputs.model.box.activated.emit(1)
    assert detect.inputs.model.model.id == "for-t1"
    assert "trained for T1; this scan is T2" in detect.inputs.model.words.text()
    add_volume(viewer, scan("FLAIR"))
    detect.inputs.method.choose("covariance")
    assert detect.inputs.model.model.id == "for-t1"


def test_a_model_from_the_list_is_used_and_the_command_names_it(qtbot, viewer, dock, detect):
    path = put(user_dir(), "for-t1", sequences=("T1",))
    dock.refresh_models()
    add_volume(viewer, scan())
    dock.choose("for-t1")
    click(qtbot, dock.use)
    assert detect.inputs.method.info.id == "covariance"
    assert detect.inputs.model.path == path
    click(qtbot, detect.button)
    wait(qtbot, detect)
    # Two per cent of so small a brain are less than the smallest region that is kept, and the dock says that alone.
    assert detect.messages.text.startswith("Check: The clean-up removed all")
    assert detect.messages.text.count("Check: ") == 1
    assert detect.detection.map.provenance["model"]["name"] == "for-t1"
    assert ":for-t1 " in detect.detection.command


def test_a_removed_model_leaves_detect_without_it(qtbot, viewer, dock, detect):
    put(user_dir(), "for-t1", sequences=("T1",))
    dock.refresh_models()
    add_volume(viewer, scan())
    detect.inputs.method.choose("covariance")
    click(qtbot, dock.remove)
    click(qtbot, dock.remove)
    assert detect.inputs.model.model is None


def test_every_scan_begins_with_the_method_recommended_for_it(qtbot, viewer, detect):
    method = detect.inputs.method
    add_volume(viewer, scan("T2"))
    assert method.info.id == "thresh-raw"
    assert method.fit.text().startswith("Recommended for T2: ")
    add_volume(viewer, scan("FLAIR"))
    assert method.info.id == "robust-intensity"
    assert "recommended for FLAIR" in method.box.currentText()
    method.box.setCurrentIndex(method.box.findData("covariance"))
    method.box.activated.emit(method.box.currentIndex())
    assert "is recommended" in method.fit.text()
    add_volume(viewer, scan("T2"))
    assert method.info.id == "thresh-raw"
    method.fit.linkActivated.emit("covariance")
    assert method.info.id == "covariance"
    method.fit.linkActivated.emit("thresh-raw")
    assert method.info.id == "thresh-raw"
    add_volume(viewer, scan("FLAIR"))
    assert method.info.id == "robust-intensity"
