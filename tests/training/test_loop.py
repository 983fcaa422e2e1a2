"""The training loop against a loop written down in plain torch, and its promises: resume, cancel, best weights, average."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric.plugins.precision import Precision
from promptness import assert_within
from tiny_training import PARAMS, TinyTask, samples, source

from napari_brain_uad.core.errors import Cancelled, InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.io.checkpoint import load_checkpoint
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import TRAINING, WEIGHTS, BatchDraw, seed_of
from napari_brain_uad.training.log import read_log
from napari_brain_uad.training.loop import ArraySource, run_training
from napari_brain_uad.training.params import TrainingParams
from napari_brain_uad.training.session import TrainingSession, TrainingUpdate

State = dict[str, np.ndarray]


def run(
    params: TrainingParams = PARAMS, *, seed: int = 0, task: Any = None, data: Any = None, progress: Progress | None = None, **session: Any
) -> State:
    return run_training(
        task or TinyTask(),
        source(seed) if data is None else data,
        training=params,
        seed=seed,
        session=TrainingSession(**session),
        progress=progress or Progress(),
    )


def assert_equal(one: State, other: State) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def stop_after(step: int) -> tuple[Progress, Any]:
    progress = Progress()
    return progress, lambda update: progress.cancel() if update.step >= step else None


@pytest.mark.parametrize(
    ("changes", "kind", "settings"),
    [
        ({}, torch.optim.Adam, {}),
        ({"beta1": 0.5, "beta2": 0.6}, torch.optim.Adam, {"betas": (0.5, 0.6)}),
        ({"optimizer": "adam-amsgrad", "weight_decay": 0.2}, torch.optim.Adam, {"amsgrad": True, "weight_decay": 0.2}),
        ({"optimizer": "adamw", "weight_decay": 0.9}, torch.optim.AdamW, {"weight_decay": 0.9}),
        ({"optimizer": "sgd", "beta1": 0.7, "clip_norm": 0.02}, torch.optim.SGD, {"momentum": 0.7}),
    ],
    ids=lambda given: ",".join(map(str, given)) if isinstance(given, dict) else given.__name__,
)
def test_is_plain_torch_on_these_batches(changes: dict[str, Any], kind: type[torch.optim.Optimizer], settings: dict[str, Any]) -> None:
    """The same steps in plain torch, on the batches and draws that seed and step stand for."""
    task, data = TinyTask(dropout=0.0, norm=False), source()
    torch.manual_seed(seed_of(0, WEIGHTS))
    network = task.build()
    optimizer = kind(network.parameters(), lr=PARAMS.learning_rate, **settings)
    clip, clipped = changes.get("clip_norm", 0.0), 0
    for step in range(PARAMS.steps):
        optimizer.zero_grad()
        task.loss(network, data.batch(step, 6), BatchDraw(seed_of(0, TRAINING, step), 0, 6, 6))["loss"].backward()
        if clip:
            clipped += float(torch.nn.utils.clip_grad_norm_(network.parameters(), clip)) > clip
        optimizer.step()
    assert bool(clipped) == bool(clip)
    trained = run(replace(PARAMS, **changes), task=task)
    for name, value in network.state_dict().items():
        np.testing.assert_allclose(trained[name], value.numpy(), rtol=1e-4, atol=1e-5, err_msg=name)


def test_same_seed_same_weights_other_seed_others() -> None:
    first = run(seed=3)
    assert_equal(first, run(seed=3))
    assert any(not np.array_equal(value, run(seed=4)[name]) for name, value in first.items())


def test_on_a_cpu_freed_memory_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving it back page by page took a sixth of the time of a training on slices of 224 x 192 pixels."""
    kept: list[bool] = []
    monkeypatch.setattr("napari_brain_uad.training.loop.keep_freed_memory", lambda: kept.append(True))
    run(replace(PARAMS, steps=1))
    assert kept == [True]


def test_it_learns() -> None:
    updates: list[TrainingUpdate] = []
    flat = np.full((20, 1, 8, 8), 0.5, np.float32)
    run(replace(PARAMS, steps=60, validate_every=1), data=ArraySource(flat, flat[:4], 0), report=updates.append)
    assert updates[-1].losses["loss"] < 0.3 * updates[0].losses["loss"]
    assert updates[-1].validation is not None
    assert updates[0].validation is not None
    assert updates[-1].validation < 0.3 * updates[0].validation


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "sgd"},
        {"optimizer": "adam-amsgrad", "clip_norm": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine", "warmup_steps": 5},
        {"ema_decay": 0.9, "schedule": "one-cycle"},
        {"patience": 50, "ema_decay": 0.8, "augmentation": "mild"},
        {"precision": "bf16"},
    ],
    ids=lambda changes: ",".join(map(str, changes.values())) or "plain",
)
@pytest.mark.parametrize("stop", [1, 11])
def test_resumed_equals_straight_to_the_bit(tmp_path: Path, changes: dict[str, Any], stop: int) -> None:
    """Fault 11. Cancelled at a step that is neither a checkpoint's nor a validation's."""
    params = replace(PARAMS, **changes)
    straight = run(params)
    progress, report = stop_after(stop)
    with pytest.raises(Cancelled):
        run(replace(params, validate_every=1, patience=0), folder=tmp_path, report=report, progress=progress)
    if params.patience == 0:
        assert_equal(run(params, folder=tmp_path, resume=True), straight)
    else:
        # Patience needs the validations of the straight run too.
        for path in tmp_path.iterdir():
            path.unlink()
        progress, report = stop_after(10)
        with pytest.raises(Cancelled):
            run(params, folder=tmp_path, report=report, progress=progress)
        assert_equal(run(params, folder=tmp_path, resume=True), straight)


class Cancelling(ArraySource):
    """Cancels a training while it validates for the `number`-th time."""

    def __init__(self, progress: Progress, number: int) -> None:
        super().__init__(samples(20, 1), samples(40, 2), 0)
        self.progress, self.left = progress, number

    def validation(self) -> Iterator[Batch]:
        self.left -= 1
        for batch in super().validation():
            yield batch
            if self.left == 0:
                self.progress.cancel()


@pytest.mark.parametrize("number", [1, 2, 5], ids=["the first", "one on the way", "the last"])
def test_cancelled_during_a_validation_it_begins_with_that_when_it_is_resumed(tmp_path: Path, number: int) -> None:
    """Twice, so that what is kept of the losses is kept again; the best weights, and every row of the log, are those of a straight run."""
    params = replace(PARAMS, keep_best=True, ema_decay=0.5, checkpoint_every=3)
    for name in ("straight", "broken"):
        (tmp_path / name).mkdir()
    straight = run(params, data=Cancelling(Progress(), 0), folder=tmp_path / "straight")
    for _ in range(2):
        progress = Progress()
        data = Cancelling(progress, number)
        with pytest.raises(Cancelled):
            run(params, data=data, folder=tmp_path / "broken", progress=progress, resume=True)
        number = 1
    assert_equal(run(params, data=Cancelling(Progress(), 0), folder=tmp_path / "broken", resume=True), straight)
    one, other = (
        {row["step"]: row["validation"] for row in read_log(tmp_path / name / "log.csv") if row["validation"]}
        for name in ("straight", "broken")
    )
    assert one == other
    counts = [load_checkpoint(tmp_path / name / "checkpoint").meta["counts"] for name in ("straight", "broken")]
    assert len({(count["best_loss"], count["waited"], count["due"]) for count in counts}) == 1


def test_the_losses_of_a_step_whose_validation_was_cancelled_are_in_the_log(tmp_path: Path) -> None:
    for name in ("straight", "broken"):
        (tmp_path / name).mkdir()
    progress = Progress()
    params = replace(PARAMS, steps=5)
    with pytest.raises(Cancelled):
        run(params, data=Cancelling(progress, 1), folder=tmp_path / "broken", progress=progress)
    for name in ("straight", "broken"):
        run(params, data=Cancelling(Progress(), 0), folder=tmp_path / name, resume=True)
    rows = [read_log(tmp_path / name / "log.csv")[-1] for name in ("straight", "broken")]
    assert rows[0]["loss"] == rows[1]["loss"]


def worse_and_worse() -> ArraySource:
    """What is learned from brighter pictures makes dark ones worse from the first steps on."""
    return ArraySource(samples(20, 1) + 3, samples(7, 2) - 3, 0)


@pytest.mark.parametrize("before", [{"patience": 3}, {"keep_best": True}], ids=str)
def test_resumed_without_the_best_weights_it_ends_with_the_last(tmp_path: Path, before: dict[str, Any]) -> None:
    params = replace(PARAMS, validate_every=2)
    best = run(replace(params, **before), data=worse_and_worse(), folder=tmp_path)
    last = run(params, data=worse_and_worse(), folder=tmp_path, resume=True)
    assert_equal(last, run(params, data=worse_and_worse()))
    assert any(not np.array_equal(last[name], best[name]) for name in last)
    more = replace(params, steps=26)
    assert_equal(run(more, data=worse_and_worse(), folder=tmp_path, resume=True), run(more, data=worse_and_worse()))
    assert not [name for name in load_checkpoint(tmp_path / "checkpoint").state if name.startswith("best/")]


def test_resumed_with_another_number_of_samples_is_refused(tmp_path: Path) -> None:
    run(folder=tmp_path)
    with pytest.raises(ModelError, match="with 20 samples of the scans, and now there are 21"):
        run(replace(PARAMS, steps=30), data=ArraySource(samples(21, 1), samples(7, 2), 0), folder=tmp_path, resume=True)


@pytest.mark.parametrize(("asked", "used"), [("auto", "bf16"), ("32", "32"), ("bf16", "bf16")])
def test_resumed_in_the_number_format_that_is_asked_for(tmp_path: Path, asked: str, used: str) -> None:
    run(replace(PARAMS, precision="bf16", steps=8), folder=tmp_path)
    run(replace(PARAMS, precision=asked), folder=tmp_path, resume=True)
    assert load_checkpoint(tmp_path / "checkpoint").meta["counts"]["precision"] == used


def test_the_scale_of_half_precision_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only GPUs compute with one, so its owner is made up; it is of no use to another number format."""
    taken: list[dict[str, float]] = []
    monkeypatch.setattr(Precision, "state_dict", lambda self: {"scale": 3.0})
    monkeypatch.setattr(Precision, "load_state_dict", lambda self, state: taken.append(state))
    run(folder=tmp_path)
    run(replace(PARAMS, steps=25), folder=tmp_path, resume=True)
    assert taken == [{"scale": 3.0}]
    run(replace(PARAMS, steps=26, precision="bf16"), folder=tmp_path, resume=True)
    assert taken == [{"scale": 3.0}]


def test_every_step_is_told_from_the_first_on(tmp_path: Path) -> None:
    steps: list[int] = []
    run(replace(PARAMS, steps=3), folder=tmp_path, at_step=steps.append)
    run(replace(PARAMS, steps=5), folder=tmp_path, at_step=steps.append, resume=True)
    assert steps == [0, 1, 2, 3, 3, 4, 5]


def test_resuming_a_finished_training_changes_nothing(tmp_path: Path) -> None:
    first = run(folder=tmp_path)
    log = (tmp_path / "log.csv").read_text()
    assert_equal(run(folder=tmp_path, resume=True), first)
    assert (tmp_path / "log.csv").read_text() == log


def test_a_finished_training_goes_on_with_more_steps(tmp_path: Path) -> None:
    run(folder=tmp_path)
    assert_equal(run(replace(PARAMS, steps=40), folder=tmp_path, resume=True), run(replace(PARAMS, steps=40)))


def test_resuming_with_other_settings_is_refused(tmp_path: Path) -> None:
    run(folder=tmp_path)
    with pytest.raises(ModelError, match="'batch_size' was 6 and is now 5"):
        run(replace(PARAMS, batch_size=5), folder=tmp_path, resume=True)
    with pytest.raises(ModelError, match="'seed' was 0 and is now 1"):
        run(seed=1, folder=tmp_path, resume=True)


def test_resuming_another_network_is_refused(tmp_path: Path) -> None:
    run(folder=tmp_path)
    with pytest.raises(ModelError, match="another shape"):
        run(task=TinyTask(norm=False), folder=tmp_path, resume=True)


def test_resume_without_a_checkpoint_starts(tmp_path: Path) -> None:
    assert_equal(run(folder=tmp_path, resume=True), run())


def test_average_of_the_weights() -> None:
    """Against the recursion with weights taken after every step."""
    weights: list[State] = []

    def keep(steps: int) -> State:
        return run(replace(PARAMS, steps=steps), task=TinyTask(norm=False))

    weights = [keep(steps) for steps in range(1, 13)]
    torch.manual_seed(seed_of(0, WEIGHTS))
    expected = {name: value.numpy().copy() for name, value in TinyTask(norm=False).build().state_dict().items()}
    for step, state in enumerate(weights):
        decay = min(0.7, (1 + step) / (10 + step))
        expected = {name: decay * expected[name] + (1 - decay) * state[name] for name in expected}
    averaged = run(replace(PARAMS, steps=12, ema_decay=0.7), task=TinyTask(norm=False))
    for name, value in expected.items():
        np.testing.assert_allclose(averaged[name], value, rtol=1e-4, atol=1e-6)


def test_patience_stops_and_gives_the_best() -> None:
    data = worse_and_worse()
    params = replace(PARAMS, steps=200, validate_every=2, patience=3)
    updates: list[TrainingUpdate] = []
    best = run(params, data=data, report=updates.append)
    seen = {update.step: update.validation for update in updates if update.validation is not None}
    lowest = min(seen, key=lambda step: seen[step])
    assert updates[-1].step == lowest + 2 * 3
    assert_equal(best, run(replace(params, steps=lowest, patience=0), data=data))


def test_the_best_weights_are_kept_without_stopping_early() -> None:
    data = worse_and_worse()
    params = replace(PARAMS, steps=20, validate_every=2, keep_best=True)
    updates: list[TrainingUpdate] = []
    best = run(params, data=data, report=updates.append)
    seen = {update.step: update.validation for update in updates if update.validation is not None}
    lowest = min(seen, key=lambda step: seen[step])
    assert (updates[-1].step, lowest < 20) == (20, True)
    assert_equal(best, run(replace(params, steps=lowest, keep_best=False), data=data))


def test_no_validation_no_figure() -> None:
    updates: list[TrainingUpdate] = []
    run(data=ArraySource(samples(20, 1), samples(0, 2), 0), report=updates.append)
    assert all(update.validation is None and update.pictures is None for update in updates)


def test_updates_and_log(tmp_path: Path) -> None:
    updates: list[TrainingUpdate] = []
    run(folder=tmp_path, report=updates.append)
    assert [update.step for update in updates if update.validation is not None] == [5, 10, 15, 20, 24]
    assert updates[0].pictures is not None
    shown = updates[0].pictures
    assert [values.shape for values in shown.values()] == [(6, 8, 8)] * 3
    np.testing.assert_allclose(shown["input"] - shown["reconstruction"], shown["difference"], atol=1e-6)
    rows = read_log(tmp_path / "log.csv")
    assert [int(row["step"]) for row in rows] == [update.step for update in updates]
    assert float(rows[-1]["l1"]) == pytest.approx(updates[-1].losses["l1"], rel=1e-6)
    assert rows[-1]["learning_rate"] == "0.01"


def test_log_of_a_resumed_training_has_every_step_once(tmp_path: Path) -> None:
    params = replace(PARAMS, validate_every=1)
    progress, report = stop_after(10)
    with pytest.raises(Cancelled):
        run(params, folder=tmp_path, report=report, progress=progress)
    with (tmp_path / "log.csv").open("a") as log:
        log.write("11,0.1,0.1,0.1,0.01,1,1\n12,0.1")  # of a run that was killed after its last checkpoint
    run(params, folder=tmp_path, resume=True)
    assert [int(row["step"]) for row in read_log(tmp_path / "log.csv")] == list(range(1, 25))


def test_batches_must_be_shared_equally() -> None:
    with pytest.raises(InputError, match="multiple of the number of devices"):
        run(replace(PARAMS, batch_size=5), devices=2)


class Slow(ArraySource):
    """Takes its time for every batch, or for validation."""

    def __init__(self, batch: float, validation: float) -> None:
        super().__init__(samples(20, 1), samples(64, 2), 0)
        self.waits = (batch, validation)

    def batch(self, step: int, size: int) -> Batch:
        time.sleep(self.waits[0])
        return super().batch(step, size)

    def validation(self) -> Iterator[Batch]:
        for batch in super().validation():
            time.sleep(self.waits[1])
            yield batch


@pytest.mark.parametrize("waits", [(0.0, 0.0), (4.0, 0.0), (0.0, 0.9)], ids=["fast", "slow batches", "slow validation"])
def test_cancelled_within_two_seconds(tmp_path: Path, waits: tuple[float, float]) -> None:
    """Fault 12."""
    asked: list[float] = []

    def listen(fraction: float, message: str) -> None:
        if not asked and message.startswith("Training in"):
            asked.append(time.monotonic())
            progress.cancel()

    progress = Progress(listen)
    with pytest.raises(Cancelled):
        run(replace(PARAMS, steps=100_000, validate_every=1), data=Slow(*waits), folder=tmp_path, progress=progress)
    assert_within(time.monotonic() - asked[0], 2.0)
    assert (tmp_path / "checkpoint.json").is_file()


def test_settings_from_json(tmp_path: Path) -> None:
    assert TrainingParams.from_dict(PARAMS.as_dict()) == PARAMS
