"""Training from the outside: models on disk, resuming, what is refused, the process of its own, the estimate."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from napari_brain_uad.cli import main
from napari_brain_uad.cli.interruption import interruption
from napari_brain_uad.core.errors import Cancelled, InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.io.checkpoint import load_checkpoint, save_checkpoint
from napari_brain_uad.training.log import read_log
from napari_brain_uad.training.session import CHECKPOINT_SECONDS, TrainingUpdate
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from napari_brain_uad.workflows.train import train_estimate
from napari_brain_uad.workflows.train.train import prepared_detector, train
from napari_brain_uad.workflows.train.train_estimate import estimate_training
from napari_brain_uad.workflows.train.train_process import TrainingEvent, TrainingJob, TrainingProcess
from napari_brain_uad.workflows.train.training_data import TrainingData

TINY = {"height": 32, "width": 32, "pixel_mm": 4.0, "step_mm": 5.0, "dropout": 0.0}
SHORT = {"steps": 12, "batch_size": 4, "validate_every": 6, "checkpoint_every": 5, "precision": "32"}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_same_arrays(one: Path, other: Path) -> None:
    first, second = load_checkpoint(one).state, load_checkpoint(other).state
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_a_network_is_trained_saved_and_used(case: Any, healthy_folder: Path, tmp_path: Path) -> None:
    updates: list[TrainingUpdate] = []
    out = tmp_path / "models" / "mine.safetensors"
    out.parent.mkdir()
    trained = train("ae-dense", healthy_folder, params=TINY, training=SHORT, seed=2, out=out, report=updates.append)
    assert sorted(path.name for path in out.parent.iterdir()) == ["mine", "mine.json", "mine.safetensors"]
    assert sorted(path.name for path in (out.parent / "mine").iterdir()) == [
        "checkpoint.json",
        "checkpoint.safetensors",
        "log.csv",
        "training.json",
    ]
    assert [int(row["step"]) for row in read_log(out.parent / "mine" / "log.csv")] == [update.step for update in updates]
    checkpoint = load_checkpoint(out)
    assert checkpoint.method == "ae-dense"
    assert checkpoint.params["height"] == 32
    meta = checkpoint.meta
    assert (meta["seed"], meta["steps"], meta["sequences"]) == (2, 12, ["FLAIR"])
    assert len(meta["scans"]) == 4
    assert len(meta["validation_scans"]) == 1
    assert len({scan["voxels_sha256"] for scan in meta["scans"] + meta["validation_scans"]}) == 5
    assert meta["training"]["steps"] == 12
    assert meta["seconds"] > 0
    assert str(tmp_path) not in json.dumps(meta)
    detection = detect(case.scan, "ae-dense", model=out)
    direct = trained.score(detection.volume, seed=0, progress=Progress()).score
    assert np.array_equal(direct, detection.map.score)


def test_cancelled_then_resumed_is_the_same_model(healthy_folder: Path, tmp_path: Path) -> None:
    train("ae-dense", healthy_folder, params=TINY, training=SHORT, out=tmp_path / "straight")
    progress = Progress()

    def stop(update: TrainingUpdate) -> None:
        progress.cancel()

    settings = {"params": TINY, "training": SHORT, "out": tmp_path / "paused"}
    with pytest.raises(Cancelled):
        train("ae-dense", healthy_folder, **settings, report=stop, progress=progress)
    assert not (tmp_path / "paused.safetensors").exists()
    with pytest.raises(InputError, match="holds a training already"):
        train("ae-dense", healthy_folder, **settings)
    with pytest.raises(ModelError, match="seed = 0, not 1"):
        train("ae-dense", healthy_folder, **settings, seed=1, resume=True)
    with pytest.raises(ModelError, match=r"params\.step_mm = 5\.0, not 6\.0"):
        train("ae-dense", healthy_folder, **{**settings, "params": {**TINY, "step_mm": 6.0}}, resume=True)
    with pytest.raises(ModelError, match=r"data\.count = 0, not 3"):
        train("ae-dense", TrainingData("folder", str(healthy_folder), count=3), **settings, resume=True)
    train("ae-dense", healthy_folder, **settings, resume=True)
    assert_same_arrays(tmp_path / "paused", tmp_path / "straight")


def test_a_model_is_replaced_by_resuming_only_from_its_checkpoint(healthy_folder: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"params": TINY, "training": SHORT, "out": tmp_path / "m"}
    train("ae-dense", healthy_folder, **settings, resume=True)
    more = {**settings, "training": {**SHORT, "steps": 14}}
    train("ae-dense", healthy_folder, **more, resume=True)
    written = load_checkpoint(tmp_path / "m")
    assert written.meta["steps"] == 14
    for file in (tmp_path / "m").glob("checkpoint.*"):
        file.unlink()
    for refused in ({}, {"resume": True}):
        with pytest.raises(InputError, match="There is a model m already") as caught:
            train("ae-dense", healthy_folder, **settings, **refused)
        assert "--resume" not in caught.value.fix
    assert ("no checkpoint to go on from" in caught.value.why, load_checkpoint(tmp_path / "m").sha256) == (True, written.sha256)
    train("covariance", healthy_folder, out=tmp_path / "cov")
    with pytest.raises(InputError, match="There is a model cov already"):
        train("covariance", healthy_folder, out=tmp_path / "cov", resume=True)


def test_the_card_of_a_model_that_is_replaced_goes_with_it(healthy_folder: Path, tmp_path: Path) -> None:
    card = tmp_path / "cov.card.json"
    card.write_text('{"licences": "of another model"}')
    with pytest.raises(InputError, match=r"There is a model cov already.*cov\.card\.json would be replaced"):
        train("covariance", healthy_folder, out=tmp_path / "cov")
    train("covariance", healthy_folder, out=tmp_path / "cov", overwrite=True)
    assert not card.exists()


def test_steps_and_seconds_are_those_of_all_runs(healthy_folder: Path, tmp_path: Path) -> None:
    progress = Progress()
    settings: dict[str, Any] = {"params": TINY, "training": SHORT, "out": tmp_path / "m"}
    with pytest.raises(Cancelled):
        train("ae-dense", healthy_folder, **settings, report=lambda _: progress.cancel(), progress=progress)
    kept = load_checkpoint(tmp_path / "m" / "checkpoint")
    # As if it had taken an hour, which no second run can.
    counts = {**kept.meta["counts"], "seconds": 3600.0}
    save_checkpoint(
        tmp_path / "m" / "checkpoint", method=kept.method, params=kept.params, state=kept.state, meta={**kept.meta, "counts": counts}
    )
    for _ in ("what was left", "nothing is left"):
        train("ae-dense", healthy_folder, **settings, resume=True)
        meta = load_checkpoint(tmp_path / "m").meta
        assert (meta["steps"], meta["seconds"] > 3600) == (12, True)


def test_other_scans_than_it_was_started_with_are_refused(healthy_folder: Path, tmp_path: Path) -> None:
    progress = Progress()
    settings: dict[str, Any] = {"params": TINY, "training": SHORT, "out": tmp_path / "m"}
    with pytest.raises(Cancelled):
        train("ae-dense", healthy_folder, **settings, report=lambda _: progress.cancel(), progress=progress)
    scan = sorted(healthy_folder.iterdir())[0]
    moved = scan.rename(tmp_path / scan.name)
    with pytest.raises(ModelError, match=r"started with other scans: 2 gone \(like sub-01\), 1 new \(like sub-05\)"):
        train("ae-dense", healthy_folder, **settings, resume=True)
    moved.rename(scan)
    record = tmp_path / "m" / "training.json"
    earlier = json.loads(record.read_text())
    # Of a version that did not keep them.
    record.write_text(json.dumps({name: value for name, value in earlier.items() if "scans" not in name}))
    train("ae-dense", healthy_folder, **settings, resume=True)
    assert json.loads(record.read_text()) == earlier
    record.unlink()
    with pytest.raises(ModelError, match=r"training\.json, which says what it was started with, is not there"):
        train("ae-dense", healthy_folder, **settings, resume=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--devices", "0"], "number of devices: it is 0"),
        (["--nodes", "-1"], "number of nodes: it is -1"),
        (["--devices", "3"], "4 cannot be shared equally among 3 devices"),
    ],
)
def test_impossible_devices_are_told_before_any_scan_is_read(
    words: list[str],
    message: str,
    healthy_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("napari_brain_uad.workflows.train.train.open_data", lambda *_, **__: pytest.fail("scans were looked for"))
    given = ["train", "ae-dense", str(healthy_folder), "--device", "cpu", "--train", "batch_size=4", "--out", str(tmp_path / "m"), *words]
    assert main(given) == InputError.exit_code
    assert message in capsys.readouterr().err


def test_float16_on_a_cpu_is_told_before_any_scan_is_read(
    healthy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lightning would warn, and compute in bf16."""
    monkeypatch.setattr("napari_brain_uad.workflows.train.train.open_data", lambda *_, **__: pytest.fail("scans were looked for"))
    words = ["train", "ae-dense", str(healthy_folder), "--device", "cpu", "--train", "precision=16", "--out", str(tmp_path / "m")]
    for more in ([], ["--estimate"]):
        assert main([*words, *more]) == InputError.exit_code
        assert "no training in float16 on a CPU. Use 32, bf16 or auto" in capsys.readouterr().err
    assert not list(tmp_path.glob("m*"))


def test_a_network_that_is_trained_has_time_for_its_checkpoint(
    healthy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before its first step on, in every process: others than the first tell nothing, and all of them have to stay."""
    patience: list[float] = []

    def first_step(self: object, batches: object) -> None:
        patience.append(interruption.patience)
        raise InputError("Enough")

    monkeypatch.setattr("napari_brain_uad.training.loop._Run._one_step", first_step)
    words = ["train", "ae-dense", str(healthy_folder), "--quiet", "--device", "cpu", "--out", str(tmp_path / "m")]
    assert main(words) == InputError.exit_code
    assert patience == [CHECKPOINT_SECONDS]


def test_scans_one_by_one_and_in_memory(healthy_folder: Path) -> None:
    trained = train("ae-dense", sorted(healthy_folder.iterdir()), params=TINY, training={**SHORT, "steps": 1})
    assert trained.state()


@pytest.mark.parametrize(
    ("method", "training", "message"),
    [
        ("threshold", None, "learns nothing"),
        ("covariance", {"steps": 3}, "no training settings"),
        ("ae-dense", {"step": 3}, "no setting 'step'"),
        ("ae-dense", {"steps": 0}, "steps"),
    ],
)
def test_refused(healthy_folder: Path, method: str, training: dict[str, Any] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(method, healthy_folder, training=training)


def test_covariance_uses_every_scan(healthy_folder: Path, tmp_path: Path) -> None:
    train("covariance", healthy_folder, out=tmp_path / "cov")
    assert len(load_checkpoint(tmp_path / "cov").meta["scans"]) == 5
    assert not (tmp_path / "cov").is_dir()
    with pytest.raises(InputError, match=r"model cov already.*--overwrite"):
        train("covariance", sorted(healthy_folder.iterdir())[:3], out=tmp_path / "cov")
    train("covariance", sorted(healthy_folder.iterdir())[:3], out=tmp_path / "cov", overwrite=True)
    assert len(load_checkpoint(tmp_path / "cov").meta["scans"]) == 3
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        train("covariance", healthy_folder, out=tmp_path / "file" / "cov")


def test_command_line(healthy_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "ae-dense", str(healthy_folder), "--quiet", "--preset", "tiny", "--out", str(tmp_path / "m")]
    words += [word for name, value in {"height": 32, "width": 32, "pixel_mm": 4.0}.items() for word in ("--set", f"{name}={value}")]
    words += [word for name, value in SHORT.items() for word in ("--train", f"{name}={value}")]
    assert main([*words, "--estimate"]) == 0
    assert "of memory" in capsys.readouterr().out
    assert not (tmp_path / "m.json").exists()
    assert main(words) == 0
    loss, written, use = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"Step 12: loss [\d.]+ in training, [\d.]+ on healthy scans kept apart( \(lowest [\d.]+, at step 6\))?", loss)
    assert written == f"Model written to {tmp_path / 'm.safetensors'}"
    assert use == f"Use it: brain-uad detect SCAN --method ae-dense:{tmp_path / 'm.safetensors'} --out DIR"
    checkpoint = load_checkpoint(tmp_path / "m")
    tiny = method_class("ae-dense").Params.preset("tiny").as_dict()
    assert checkpoint.params == {**tiny, "height": 32, "width": 32, "pixel_mm": 4.0}
    assert checkpoint.meta["training"]["steps"] == 12
    assert main(words) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*words, "--resume"]) == 0
    assert main(["train", "ae-dense", str(healthy_folder), "--preset", "big", "--out", "x"]) == 2
    assert "tiny" in capsys.readouterr().err
    assert main(["train", "ae-dense", str(healthy_folder)]) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_a_checkpoint(healthy_folder: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "napari_brain_uad.cli", "train", "ae-dense", str(healthy_folder), "--quiet", "--preset", "tiny"]
    words += ["--train", "steps=1000000", "--train", "validate_every=1", "--out", str(tmp_path / "m")]
    child = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "m" / "log.csv"
    wait_for(lambda: log.is_file() and len(read_log(log)) > 1)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert said == "brain-uad: Cancelled.\n"
    assert load_checkpoint(tmp_path / "m" / "checkpoint").meta["step"] >= 2


def wait_for(what: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def listen(process: TrainingProcess, on_event: Callable[[TrainingEvent], None] = lambda event: None) -> list[TrainingEvent]:
    events: list[TrainingEvent] = []

    def ended() -> bool:
        alive = process.alive
        for event in process.poll():
            events.append(event)
            on_event(event)
        return not alive

    wait_for(ended)
    return events


@pytest.fixture
def job(healthy_folder: Path, tmp_path: Path) -> TrainingJob:
    return TrainingJob("ae-dense", TrainingData("folder", str(healthy_folder)), str(tmp_path / "m"), TINY, SHORT)


def test_jobs_are_json(job: TrainingJob) -> None:
    assert TrainingJob.from_json(job.to_json()) == job
    for text in ("", "[]", "{}", '{"method": "vae"}', job.to_json().replace("folder", "cloud", 1)):
        with pytest.raises(InputError):
            TrainingJob.from_json(text)


def with_training(job: TrainingJob, *, resume: bool = False, **training: Any) -> TrainingProcess:
    values = json.loads(job.to_json())
    process = TrainingProcess(TrainingJob.from_json(json.dumps({**values, "training": {**SHORT, **training}, "resume": resume})))
    process.start()
    return process


def test_process_cancelled_resumed_and_done(job: TrainingJob, tmp_path: Path) -> None:
    asked: list[float] = []
    process = with_training(job, steps=100_000, validate_every=1)

    def stop(event: TrainingEvent) -> None:
        if event.kind == "update" and not asked:
            process.cancel()
        if asked or event.kind == "update":
            asked.append(time.monotonic())

    events = listen(process, stop)
    # Two seconds are promised, and kept in tests/training; here a busy machine has two processes to run.
    assert asked[-1] - asked[0] < 8.0
    assert events[-1].kind == "cancelled"
    step = load_checkpoint(tmp_path / "m" / "checkpoint").meta["step"]
    events = listen(with_training(job, resume=True, steps=step + 4))
    assert [event.kind for event in events].count("done") == 1
    assert events[-1].model == tmp_path / "m.safetensors"
    update = next(event.update for event in events if event.update is not None and event.update.pictures is not None)
    assert update.pictures is not None
    assert {name: values.shape[1:] for name, values in update.pictures.items()} == dict.fromkeys(
        ("input", "reconstruction", "difference"), (32, 32)
    )
    train("ae-dense", job.data, params=TINY, training={**SHORT, "steps": step + 4}, out=tmp_path / "straight")
    assert_same_arrays(tmp_path / "m", tmp_path / "straight")


def test_process_says_what_why_and_fix(job: TrainingJob) -> None:
    events = listen(with_training(job, learning_rate=10.0, optimizer="sgd", steps=1000))
    assert events[-1].kind == "failed"
    assert "broke down at step" in events[-1].what
    assert "became" in events[-1].why
    assert "learning rate" in events[-1].fix


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_process_killed_by_the_system(job: TrainingJob) -> None:
    process = with_training(job, steps=100_000, validate_every=1)
    assert process._child is not None
    events = listen(process, lambda event: os.kill(process._child.pid, signal.SIGKILL) if event.kind == "update" else None)  # type: ignore[union-attr]
    assert events[-1].kind == "failed"
    assert "memory" in events[-1].why
    assert "Traceback" not in events[-1].why


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_process_stops_when_its_parent_dies(job: TrainingJob, tmp_path: Path) -> None:
    """The parent is a Python of its own that is killed; the child writes its checkpoint and ends."""
    values = {**json.loads(job.to_json()), "training": {**SHORT, "steps": 1_000_000, "validate_every": 1, "checkpoint_every": 1_000_000}}
    script = (
        "import sys, time\nfrom napari_brain_uad.workflows.train.train_process import TrainingJob, TrainingProcess\n"
        "process = TrainingProcess(TrainingJob.from_json(sys.argv[1]))\nprocess.start()\nprint(process._child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, json.dumps(values)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    log = tmp_path / "m" / "log.csv"
    wait_for(lambda: log.is_file() and len(read_log(log)) > 1)
    parent.kill()
    parent.communicate()
    wait_for(lambda: (tmp_path / "m" / "checkpoint.json").is_file(), 30)
    wait_for(lambda: not is_running(child), 30)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not status.is_file() or "State:\tZ" not in status.read_text()


def test_estimate(healthy_folder: Path) -> None:
    """Twice the steps take twice the time; more of the network takes more memory."""
    data = TrainingData("folder", str(healthy_folder))
    short = estimate_training("ae-dense", data, params=TINY, training={**SHORT, "steps": 100_000})
    large = estimate_training("ae-dense", data, params={**TINY, "height": 64, "width": 64}, training={**SHORT, "steps": 100_000})
    assert large.bytes > short.bytes
    assert short.seconds > 1.0
    assert "memory" in short.words
    assert "reading the scans" in short.words
    assert estimate_training("covariance", data).seconds < 60


def test_estimate_of_a_method_that_has_to_know_the_sequence(healthy_folder: Path) -> None:
    data = TrainingData("folder", str(healthy_folder))
    assert estimate_training(MethodSpec.parse("anomaly-segmentation@tiny"), data, training={"steps": 2}).seconds > 0


@pytest.mark.parametrize(("method", "tried", "seconds"), [("f-anogan", 8 * 2 + 8, 100 * 2 + 100), ("reflect", 8 + 8, 60 + 100)])
def test_steps_of_every_network_are_measured(method: str, tried: int, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on with every step of an optimizer: a generator's step has one of the critic's in it."""
    done: list[int] = []
    hook = register_optimizer_step_post_hook(lambda *_: done.append(1))
    monkeypatch.setattr(train_estimate, "time", SimpleNamespace(perf_counter=lambda: float(len(done))))
    monkeypatch.setattr(train_estimate, "_ENOUGH", 100.0)
    try:
        detector, settings, _ = prepared_detector(MethodSpec.parse(f"{method}@tiny"), None, "cpu")
        assert settings is not None
        assert train_estimate._measured(detector, settings, Progress())[0] == seconds
    finally:
        hook.remove()
    assert len(done) == tried


def test_a_network_that_is_slow_is_not_tried_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are not come to are taken to be as quick."""
    done: list[int] = []
    hook = register_optimizer_step_post_hook(lambda *_: done.append(1))
    monkeypatch.setattr(train_estimate, "time", SimpleNamespace(perf_counter=lambda: 100.0 * len(done)))
    try:
        detector, settings, _ = prepared_detector(MethodSpec.parse("reflect@tiny"), None, "cpu")
        assert settings is not None
        assert train_estimate._measured(detector, settings, Progress())[0] == 100.0 * (60 + 100)
    finally:
        hook.remove()
    assert len(done) == 2


def test_all_stages_are_in_the_estimate(healthy_folder: Path) -> None:
    data = TrainingData("folder", str(healthy_folder))
    one, two = (
        estimate_training(MethodSpec.parse(f"cflow@tiny@levels={levels}"), data, training={"steps": 1_000_000, "batch_size": 16})
        for levels in ("1", "1,2")
    )
    assert two.seconds > 1.4 * one.seconds


def test_estimate_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to train on"):
        estimate_training("ae-dense", TrainingData("folder", str(tmp_path / "nowhere")))


def test_estimate_can_be_cancelled(healthy_folder: Path) -> None:
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        estimate_training("ae-dense", TrainingData("folder", str(healthy_folder)), params=TINY, progress=progress)


def test_weights_that_are_not_there_are_told_before_any_scan_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_brain_uad.workflows.train.train_estimate.first_scan", lambda data: pytest.fail("a scan was read"))
    method = MethodSpec.of("patchcore", params={"backbone": "resnet18", "backbone_file": str(tmp_path / "none.pth")})
    with pytest.raises(ModelError, match=r"none\.pth: there is no such file"):
        estimate_training(method, TrainingData("folder", str(tmp_path)))
    with pytest.raises(ModelError, match=r"none\.pth: there is no such file"):
        train(method, TrainingData("folder", str(tmp_path)), out=tmp_path / "m")
