"""The Train dock as a user works it: forms, data, a training in its child process, paused, resumed, used."""

from __future__ import annotations

import json
import shlex
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from promptness import assert_within
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent, QGuiApplication
from qtpy.QtWidgets import QScrollArea
from small_heads import brain, head, save

from napari_brain_uad.cli import main
from napari_brain_uad.detectors.registry import cards, method_class
from napari_brain_uad.gui.app import settings
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.gui.train import dock as train_dock
from napari_brain_uad.gui.train.dock import TrainDock
from napari_brain_uad.gui.train.loss_plot import ticks
from napari_brain_uad.io.checkpoint import load_checkpoint, save_checkpoint
from napari_brain_uad.training.session import TrainingUpdate
from napari_brain_uad.workflows.models import models
from napari_brain_uad.workflows.models.models import list_models, user_dir
from napari_brain_uad.workflows.scans.load import load
from napari_brain_uad.workflows.train.train_command import train_words
from napari_brain_uad.workflows.train.train_process import TrainingEvent

TRAINABLE = [card.id for card in cards() if card.trainable]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(models, "shipped_dir", lambda: tmp_path / "shipped")
    settings._store().clear()
    yield
    settings._store().clear()


@pytest.fixture
def dock(qtbot):
    """Without a window around it, which most of these tests can do without."""
    made = TrainDock(ViewerModel())
    qtbot.addWidget(made)
    yield made
    made._end()


@pytest.fixture
def healthy(tmp_path) -> Path:
    folder = tmp_path / "healthy"
    folder.mkdir()
    for seed in range(1, 6):
        save(head(seed, lesion=False)[0], folder / f"sub-{seed:02d}_FLAIR.nii.gz")
    return folder


@pytest.fixture
def ill(tmp_path) -> Path:
    """Two scans with their truths."""
    folder = tmp_path / "ill"
    folder.mkdir()
    for seed in (11, 12):
        data, truth = head(seed, lesion=True)
        save(data, folder / f"sub-{seed}_FLAIR.nii.gz")
        save(truth.astype(np.uint8), folder / f"sub-{seed}_seg.nii.gz")
    return folder


def click(qtbot, widget):
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)


def _drop(path: Path) -> QDropEvent:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    event.own = data  # the event does not keep it
    return event


def counted(qtbot, dock):
    qtbot.waitUntil(lambda: dock.inputs.data.summary is not None, timeout=30_000)


def ready(qtbot, dock, healthy, method="covariance", preset="tiny"):
    """Everything chosen; nothing started."""
    dock.inputs.method.choose(method)
    if dock.inputs.preset.findData(preset) >= 0:
        dock.inputs.preset.setCurrentIndex(dock.inputs.preset.findData(preset))
    dock.inputs.data.folder.take(healthy)
    counted(qtbot, dock)


class _Process:
    """A training that says what a test tells it to."""

    def __init__(self) -> None:
        self.events: list[TrainingEvent] = []
        self.cancelled = False

    def poll(self) -> list[TrainingEvent]:
        events, self.events = self.events, []
        return events

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture
def process(monkeypatch):
    """Starting a training gives this one, with nothing to go on from."""
    made, jobs = _Process(), []

    def started(job, *, resume):
        jobs.append((job, resume))
        return made, [(10, 3.0, None), (20, 2.0, 2.5)] if resume else []

    monkeypatch.setattr(train_dock, "started", started)
    made.jobs = jobs
    return made


@pytest.fixture
def running(qtbot, dock, healthy, process):
    ready(qtbot, dock, healthy, "vae")
    click(qtbot, dock.start)
    qtbot.waitUntil(lambda: dock._run is not None)
    return dock


def update(step: int, *, validation: float | None = None, pictures=None) -> TrainingUpdate:
    return TrainingUpdate(step, 100, {"loss": 100.0 / step, "kl": 1.0}, validation, 1e-4, 2.0 * step, 50.0, pictures)


def say(qtbot, dock, process, *events):
    process.events += events
    qtbot.waitUntil(lambda: not process.events)
    qtbot.wait(20)


def checkpoint(name: str = "vae-flair") -> None:
    """What a training leaves that was stopped at step 30."""
    folder = user_dir() / name
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(folder / "checkpoint", method="training", params={}, state={"a": np.zeros(3)}, meta={"step": 30})
    job = {"method": "vae", "data": {"source": "folder", "path": "x"}, "params": {}, "training": {"steps": 100}, "out": str(folder)}
    (folder / "job.json").write_text(json.dumps(job | {"seed": 0, "device": "auto"}))


# Settings


@pytest.mark.parametrize("method", TRAINABLE)
def test_the_forms_are_the_settings(qtbot, dock, method):
    kind = method_class(method)
    dock.inputs.method.choose(method)
    assert dock.inputs.params.value() == kind.Params()
    assert (dock.inputs.training is None) == (kind.Training is None)
    if kind.Training is not None:
        assert dock.inputs.training.value() == kind.Training()


@pytest.mark.parametrize("method", TRAINABLE)
def test_presets_fill_both_forms_exactly(qtbot, dock, method):
    kind = method_class(method)
    dock.inputs.method.choose(method)
    box = dock.inputs.preset
    names = {box.itemData(row) for row in range(box.count())} - {"Default", "Own settings"}
    trained = {} if kind.Training is None else kind.Training.PRESETS
    assert names == set(kind.Params.PRESETS) | set(trained)
    for name in names:
        box.setCurrentIndex(box.findData(name))
        assert dock.inputs.params.value() == kind.Params.from_dict(kind.Params.PRESETS.get(name, {}))
        if kind.Training is not None:
            assert dock.inputs.training.value() == kind.Training.from_dict(trained.get(name, {}))
        assert box.currentData() == name
    if names:
        form, name = (dock.inputs.training, "steps") if kind.Training is not None else (dock.inputs.params, "smoothing_mm")
        form.widget(name).setValue(7)
        assert box.currentText() == "Own settings"
        box.setCurrentIndex(box.findData("Default"))
        assert dock.inputs.params.value() == kind.Params()
        assert kind.Training is None or dock.inputs.training.value() == kind.Training()


def test_what_is_set_reaches_the_job(qtbot, dock, healthy):
    ready(qtbot, dock, healthy, "vae", preset="pddpm")
    dock.inputs.training.widget("learning_rate").setValue(2.5e-05)
    dock.inputs.data.count.setValue(4)
    dock.inputs.data.share.setValue(25)
    counted(qtbot, dock)
    dock.inputs.seed.setValue(7)
    job = dock.inputs.job()
    assert job["params"] == method_class("vae").Params.preset("pddpm").as_dict()
    assert job["training"]["learning_rate"] == 2.5e-05
    assert job["data"] == {
        "source": "folder",
        "path": str(healthy),
        "dataset": "",
        "sequence": "",
        "count": 4,
        "validation": 0.25,
        "seed": 7,
    }
    assert job["out"] == str(user_dir() / dock.inputs.name.text())


def test_only_methods_that_learn_are_listed(dock):
    box = dock.inputs.method.box
    assert {box.itemData(row) for row in range(box.count())} - {None} == set(TRAINABLE)


# Data


def test_scans_are_counted_and_shown(qtbot, dock, healthy):
    dock.inputs.data.dropEvent(_drop(healthy))
    counted(qtbot, dock)
    assert dock.inputs.data.summary.count == 5
    assert "5 subjects" in dock.inputs.data.words.text()
    assert "FLAIR 5" in dock.inputs.data.words.text()
    qtbot.waitUntil(lambda: dock.inputs.data.pictures.count == 5, timeout=20_000)
    assert dock.inputs.data.problems.isHidden()
    assert dock.inputs.data.sequence.findData("FLAIR") > 0


def test_a_folder_that_is_none_is_a_problem_and_cannot_be_trained_on(qtbot, dock, tmp_path):
    dock.inputs.data.folder.line.setText(str(tmp_path / "nowhere"))
    counted(qtbot, dock)
    assert "nowhere" in dock.inputs.data.problems.text()
    click(qtbot, dock.start)
    assert "nothing to train on" in dock.messages.text
    assert dock.state == "editing"


def test_without_data_the_button_says_what_is_missing(qtbot, dock):
    click(qtbot, dock.start)
    assert "Choose a folder" in dock.messages.text


def test_a_source_offers_what_it_has(dock):
    data = dock.inputs.data
    data.source.setCurrentIndex(data.source.findData("simulation"))
    assert [data.sequence.itemData(row) for row in range(data.sequence.count())] == ["T1", "T1c", "T2", "FLAIR", "PD", "random"]
    assert data.layout_box.isHidden()
    data.source.setCurrentIndex(data.source.findData("dataset"))
    assert not data.layout_box.isHidden()
    data.set_value({"source": "dataset", "path": "p", "dataset": "ixi", "sequence": "T2", "count": 3, "validation": 0.2})
    assert data.value() == {"source": "dataset", "path": "p", "dataset": "ixi", "sequence": "T2", "count": 3, "validation": 0.2}


@pytest.mark.parametrize("method", TRAINABLE)
def test_known_anomalies_are_asked_for_where_they_are_learned_from(dock, method):
    dock.inputs.method.choose(method)
    assert dock.inputs.anomalies.isHidden() != method_class(method).LEARNS_ANOMALIES


def test_known_anomalies_are_counted_and_reach_the_job(qtbot, dock, healthy, ill):
    box = dock.inputs.anomalies
    dock.inputs.method.choose("bgad")
    box.folder.take(ill)
    assert "once there are healthy scans" in box.words.text()
    ready(qtbot, dock, healthy, "bgad")
    qtbot.waitUntil(lambda: box.count == 2)
    assert box.words.text() == "2 scans with known anomalies."
    job = dock.inputs.job()
    assert job["anomalies"] == str(ill)
    words = train_words(job)
    assert words[words.index("--anomalies") + 1] == str(ill)
    dock.cost.setText("About an hour")
    box.folder.line.clear()
    assert (box.count, dock.cost.text()) == (None, "")
    assert dock.inputs.job()["anomalies"] == ""
    box.folder.take(ill)
    dock.inputs.method.choose("cflow")
    assert dock.inputs.job()["anomalies"] == ""
    assert "--anomalies" not in train_words(dock.inputs.job())


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("healthy", "healthy holds no known anomaly"),
        ("nowhere", "There is no nowhere"),
        ("t1", "are FLAIR, those with anomalies T1"),
    ],
)
def test_known_anomalies_that_cannot_be_used_are_told_and_not_trained_with(qtbot, dock, healthy, ill, process, folder, why):
    t1 = ill.with_name("t1")
    t1.mkdir()
    for path in ill.iterdir():
        path.rename(t1 / path.name.replace("FLAIR", "T1w"))
    ready(qtbot, dock, healthy, "bgad")
    dock.inputs.anomalies.folder.line.setText(str(healthy.with_name(folder)))
    qtbot.waitUntil(lambda: not dock.inputs.anomalies.problems.isHidden())
    assert why in dock.inputs.anomalies.problems.text()
    click(qtbot, dock.start)
    assert why in dock.messages.text
    assert (dock.state, process.jobs) == ("editing", [])
    dock.inputs.anomalies.folder.line.clear()
    assert dock.inputs.anomalies.problems.isHidden()
    click(qtbot, dock.start)
    qtbot.waitUntil(lambda: len(process.jobs) == 1)


@pytest.mark.parametrize("name", ["", "../up", "a b", "taken", "Started"])
def test_names_that_cannot_be_used(qtbot, dock, healthy, name):
    (user_dir() / "started").mkdir(parents=True)
    save_checkpoint(user_dir() / "taken", method="covariance", params={}, state={"a": np.zeros(2)}, meta={})
    ready(qtbot, dock, healthy)
    dock.inputs.name.setText(name)
    click(qtbot, dock.start)
    assert "name" in dock.messages.text
    assert dock.state == "editing"


def test_a_free_name_is_suggested_until_one_is_typed(qtbot, dock):
    assert dock.inputs.name.text() == "covariance"
    (user_dir() / "vae").mkdir(parents=True)
    dock.inputs.method.choose("vae")
    assert dock.inputs.name.text() == "vae-2"
    dock.inputs.name.clear()
    qtbot.keyClicks(dock.inputs.name, "mine")
    dock.inputs.method.choose("covariance")
    assert dock.inputs.name.text() == "mine"


# A training, as its process tells it


def test_a_training_starts_in_place_of_an_estimate(qtbot, dock, healthy, process, monkeypatch):
    waiting = threading.Event()

    def estimated(_job, progress):
        while not waiting.wait(0.01):
            progress.check()
        return "About an hour"

    monkeypatch.setattr(train_dock, "estimated", estimated)
    ready(qtbot, dock, healthy, "vae")
    click(qtbot, dock.estimate)
    assert dock.running
    click(qtbot, dock.start)
    qtbot.waitUntil(lambda: dock._run is not None)
    assert dock.state == "running"
    assert (dock.cost.text(), dock.estimate.text(), dock.estimate.isEnabled()) == ("", "Estimate", True)
    waiting.set()


def test_what_the_process_says_is_shown(qtbot, running, process):
    pictures = dict(
        zip(("input", "reconstruction", "difference"), np.random.default_rng(0).random((3, 6, 20, 16), np.float32), strict=True)
    )
    say(qtbot, running, process, TrainingEvent("message", fraction=0.25, message="Reading"), TrainingEvent("update", update=update(10)))
    say(qtbot, running, process, TrainingEvent("update", update=update(20, validation=6.0, pictures=pictures)))
    assert running.run_bar.step.text() == "Reading"
    assert running.run_bar.bar.value() == 250
    assert running.panel.plot.training == [(10, 10.0), (20, 5.0)]
    assert running.panel.plot.validation == [(20, 6.0)]
    assert "Step 20 of 100" in running.panel.figures.text()
    assert "50 samples/s" in running.panel.figures.text()
    assert running.panel.pictures.count == 4
    assert running.inputs.isHidden()
    assert not running.pause.isHidden()


@pytest.mark.parametrize(("low", "high"), [(200, 1100), (1e-5, 3e4), (0.0101, 0.0102), (5, 5), (0.3, 0.9)])
def test_ticks_of_the_loss_are_round_few_and_around_the_losses(low, high):
    found = ticks(low, high)
    assert 1 <= len(found) <= 6
    assert all(10**place == pytest.approx(float(text)) for place, text in found)
    assert found[0][0] <= np.log10(low)


def test_losses_below_zero_are_drawn_too(qtbot, running, process):
    for step, loss in ((10, 1.0), (20, -2.0)):
        told = TrainingUpdate(step, 100, {"loss": loss}, None, 1e-4, 1.0, 50.0)
        say(qtbot, running, process, TrainingEvent("update", update=told))
    _, drawn = running.panel.plot._training.getData()
    np.testing.assert_array_equal(drawn, [1.0, -2.0])


def test_it_cannot_be_paused_before_there_is_something_to_go_on_from(qtbot, running, process):
    """A click while the slices are cut would stop the training, and throw the slices away."""
    say(qtbot, running, process, TrainingEvent("message", fraction=0.1, message="Slicing scan 2 of 4"))
    click(qtbot, running.pause)
    assert not process.cancelled
    assert running.state == "running"
    assert "cut into slices" in running.pause.toolTip()
    say(qtbot, running, process, TrainingEvent("update", update=update(10)))
    assert running.pause.isEnabled()
    assert "keep a checkpoint" in running.pause.toolTip()
    checkpoint()
    click(qtbot, running.pause)
    # What it still says while it stops does not offer the button again.
    say(qtbot, running, process, TrainingEvent("update", update=update(11)))
    assert not running.pause.isEnabled()
    say(qtbot, running, process, TrainingEvent("cancelled"))
    assert running.state == "paused"
    click(qtbot, running.resume)
    qtbot.waitUntil(lambda: running._run is not None)
    # The slices are cut again, but the checkpoint is there: nothing can be lost.
    assert running.pause.isEnabled()


def test_paused_and_resumed_the_curve_goes_on(qtbot, running, process):
    checkpoint()
    say(qtbot, running, process, TrainingEvent("update", update=update(30)))
    click(qtbot, running.pause)
    assert process.cancelled
    assert not running.pause.isEnabled()
    say(qtbot, running, process, TrainingEvent("cancelled"))
    assert running.state == "paused"
    assert not running.resume.isHidden()
    click(qtbot, running.resume)
    qtbot.waitUntil(lambda: running._run is not None)
    (first, _), (second, resumed) = process.jobs
    assert resumed
    assert second == first
    assert running.panel.plot.training == [(10, 3.0), (20, 2.0)]
    assert running.panel.plot.validation == [(20, 2.5)]


def test_cancelled_it_is_kept_among_the_unfinished(qtbot, running, process):
    checkpoint()
    click(qtbot, running.run_bar.button)
    assert process.cancelled
    say(qtbot, running, process, TrainingEvent("cancelled"))
    assert running.state == "editing"
    assert "checkpoint is kept" in running.messages.text
    assert running.unfinished.box.currentText() == "vae-flair: step 30 of 100"
    click(qtbot, running.unfinished.resume)
    qtbot.waitUntil(lambda: running._run is not None)
    assert process.jobs[-1][1]
    assert process.jobs[-1][0]["out"] == str(user_dir() / "vae-flair")


def test_cancelled_before_the_first_checkpoint_nothing_is_kept(qtbot, running, process):
    click(qtbot, running.run_bar.button)
    say(qtbot, running, process, TrainingEvent("cancelled"))
    assert running.state == "editing"
    assert "Nothing was kept" in running.messages.text
    assert running.unfinished.isHidden()


def test_a_failure_says_what_why_and_what_to_do(qtbot, running, process):
    say(qtbot, running, process, TrainingEvent("failed", what="The loss is not finite", why="at step 12", fix="Lower the learning rate"))
    assert running.messages.level == "error"
    for part in ("not finite", "At step 12", "Lower the learning rate"):
        assert part in running.messages.text
    assert running.state == "editing"
    assert running.start.isEnabled()


def test_scans_that_were_left_out_are_listed_at_the_end_with_why(qtbot, running, process):
    missed = [TrainingEvent("left_out", message=f"sub-0{number}_FLAIR: its file is {why}") for number, why in ((2, "cut"), (4, "empty"))]
    say(qtbot, running, process, *missed, TrainingEvent("done", model=user_dir() / "vae-flair.safetensors"))
    assert running.state == "done"
    assert running.messages.level == "warning"
    for words in ("without 2 scans", "sub-02_FLAIR: its file is cut", "sub-04_FLAIR: its file is empty"):
        assert words in running.messages.text


def test_what_is_to_be_known_of_scans_is_told_at_the_end_beside_those_left_out(qtbot, running, process):
    known = TrainingEvent("warning", message="sub-03_FLAIR: the brain mask given has 50 ml", fix="See whether it is the brain mask")
    missed = TrainingEvent("left_out", message="sub-02_FLAIR: its file is cut")
    say(qtbot, running, process, known, missed, TrainingEvent("done", model=user_dir() / "vae-flair.safetensors"))
    assert running.messages.level == "warning"
    for words in ("without 1 scan ", "sub-02_FLAIR: its file is cut", "ub-03_FLAIR: the brain mask given has 50 ml", "See whether"):
        assert words in running.messages.text


def test_deleting_an_unfinished_training_takes_two_clicks(qtbot, dock):
    checkpoint("one")
    dock.unfinished.refresh()
    click(qtbot, dock.unfinished.delete)
    assert (user_dir() / "one").is_dir()
    click(qtbot, dock.unfinished.delete)
    assert not (user_dir() / "one").exists()
    assert dock.unfinished.isHidden()


def test_files_of_others_in_an_unfinished_folder_stay(qtbot, dock):
    checkpoint("one")
    (user_dir() / "one" / "notes.txt").write_text("mine")
    dock.unfinished.refresh()
    click(qtbot, dock.unfinished.delete)
    click(qtbot, dock.unfinished.delete)
    assert [path.name for path in (user_dir() / "one").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("how", ["dock", "viewer"])
def test_closing_in_mid_training_stops_the_child(qtbot, make_napari_viewer, healthy, process, how):
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Train")
    ready(qtbot, dock, healthy, "vae")
    click(qtbot, dock.start)
    qtbot.waitUntil(lambda: dock._run is not None)
    if how == "dock":
        viewer.window.remove_dock_widget(dock)
    else:
        viewer.close()
    start = time.monotonic()
    qtbot.waitUntil(lambda: process.cancelled)
    assert_within(time.monotonic() - start, 3.0)


def test_a_broken_start_is_shown(qtbot, dock, healthy, monkeypatch):
    def broken(job, *, resume):
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr(train_dock, "started", broken)
    ready(qtbot, dock, healthy, "vae")
    click(qtbot, dock.start)
    qtbot.waitUntil(lambda: dock.messages.level == "error")
    assert "ZeroDivisionError" in dock.messages.text
    assert dock.state == "editing"


@pytest.mark.parametrize("state", ["editing", "running"])
def test_nothing_is_cut_off_at_380_pixels(qtbot, dock, healthy, state):
    ready(qtbot, dock, healthy, "bgad", preset="paper")
    for label in (dock.inputs.anomalies.problems, dock.inputs.anomalies.words):
        label.setText("words " * 50)
        label.show()
    dock.inputs.data.problems.setText("words " * 50)
    dock.cost.setText("words " * 50)
    dock.panel.show_update(update(10, validation=1.0, pictures={"input": np.zeros((6, 20, 16), np.float32)}))
    dock.messages.show_message("error", "Something " * 20, why="because " * 20, fix="do " * 20)
    dock._job = {"out": "x"}
    dock._enter(state)
    dock.resize(380, 700)
    assert dock.minimumSizeHint().width() <= 380
    for area in dock.findChildren(QScrollArea):
        assert area.horizontalScrollBar().maximum() == 0


def test_ten_thousand_updates_do_not_hold_up_the_window(dock):
    dock.panel.plot.add_many([(step, 1.0 + 1 / step, 1.5 if step % 10 == 0 else None) for step in range(1, 10_000)])
    pictures = {name: np.zeros((6, 128, 128), np.float32) for name in ("input", "reconstruction", "difference")}
    start = time.process_time()
    for step in range(10_000, 10_010):
        dock.panel.show_update(TrainingUpdate(step, 20_000, {"loss": 1.0}, 1.5, 1e-4, 1.0, 50.0, pictures))
    assert (time.process_time() - start) / 10 < 0.1


# The real child process


def test_covariance_from_the_first_click_to_detect_and_as_the_command_line(qtbot, make_napari_viewer, healthy, tmp_path):
    viewer = make_napari_viewer()
    dock = open_dock(viewer, "Train")
    ready(qtbot, dock, healthy)
    dock.inputs.params.widget("smoothing_mm").setValue(3.5)
    click(qtbot, dock.estimate)
    qtbot.waitUntil(lambda: not dock.running, timeout=60_000)
    assert "of memory" in dock.cost.text(), dock.messages.text
    click(qtbot, dock.start)
    qtbot.waitUntil(lambda: dock.state != "running", timeout=60_000)
    assert dock.messages.level is None, dock.messages.text
    assert dock.state == "done"
    (model,) = list_models()
    assert (model.id, model.params["smoothing_mm"], model.sequences) == ("covariance-flair", 3.5, ("FLAIR",))
    click(qtbot, dock.copy)
    words = shlex.split(QGuiApplication.clipboard().text())
    assert main([*words[1:-1], str(tmp_path / "again"), "--quiet"]) == 0
    assert load_checkpoint(tmp_path / "again").sha256 == model.sha256
    scan = load(save(head(9, lesion=True)[0], tmp_path / "sub-09_FLAIR.nii.gz"))
    add_volume(viewer, scan.with_mask(np.flip(brain(), (0, 1, 2))))
    click(qtbot, dock.use)
    detect = open_dock(viewer, "Detect anomalies")
    assert (detect.inputs.method.info.id, detect.inputs.model.model) == ("covariance", model)
    detect.run()
    qtbot.waitUntil(lambda: not detect.running, timeout=30_000)
    assert detect.detection is not None, detect.messages.text
    click(qtbot, dock.again)
    assert dock.state == "editing"
    assert dock.inputs.name.text() == "covariance-flair-2"


def test_known_anomalies_from_a_drop_to_the_model_and_as_the_command_line(qtbot, make_napari_viewer, healthy, ill, tmp_path):
    pytest.importorskip("torch")
    dock = open_dock(make_napari_viewer(), "Train")
    ready(qtbot, dock, healthy, "bgad")
    dock.inputs.anomalies.folder.dropEvent(_drop(ill))
    qtbot.waitUntil(lambda: dock.inputs.anomalies.count == 2)
    # A network whose training takes no time: one level, one block, one step.
    params, training = dock.inputs.params, dock.inputs.training
    params.set_value(replace(params.value(), levels=(1,), blocks=1))
    training.set_value(replace(training.value(), steps=1, batch_size=16))
    click(qtbot, dock.estimate)
    qtbot.waitUntil(lambda: not dock.running)
    assert "2 scans with known anomalies" in dock.cost.text(), dock.messages.text
    click(qtbot, dock.start)
    qtbot.waitUntil(lambda: dock.state != "running")
    assert dock.state == "done", dock.messages.text
    (model,) = list_models()
    assert [one["name"][:6] for one in load_checkpoint(model.path).meta["known_anomalies"]] == ["sub-11", "sub-12"]
    click(qtbot, dock.copy)
    words = shlex.split(QGuiApplication.clipboard().text())
    assert main([*words[1:-1], str(tmp_path / "again"), "--quiet"]) == 0
    assert load_checkpoint(tmp_path / "again").sha256 == model.sha256


def test_a_network_is_trained_paused_resumed_and_saved(qtbot, dock, healthy):
    pytest.importorskip("torch")
    ready(qtbot, dock, healthy, "vae")
    for name, value in (("steps", 30), ("batch_size", 4), ("validate_every", 10)):
        dock.inputs.training.widget(name).setValue(value)
    click(qtbot, dock.start)
    qtbot.waitUntil(lambda: dock.panel.pictures.count > 0 or dock.state != "running", timeout=180_000)
    assert dock.messages.level is None, dock.messages.text
    click(qtbot, dock.pause)
    start = time.monotonic()
    qtbot.waitUntil(lambda: dock.state != "running")
    assert dock.state == "paused"
    assert_within(time.monotonic() - start, 5.0)  # 2 s on a machine with one test at a time
    before = list(dock.panel.plot.training)
    assert list_models() == ()
    click(qtbot, dock.resume)
    qtbot.waitUntil(lambda: dock.state != "running", timeout=180_000)
    assert dock.messages.level is None, dock.messages.text
    assert dock.state == "done"
    np.testing.assert_allclose(dock.panel.plot.training[: len(before)], before, rtol=1e-6)
    assert dock.panel.plot.training[-1][0] == 30
    (model,) = list_models()
    assert model.card["steps"] == 30
    assert model.card["scans"] == 4
