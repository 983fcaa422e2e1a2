"""Random numbers, batches, learning rates, log: each against what it stands for."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.training.draws import BatchDraw, SampleDraw, seed_of
from napari_brain_uad.training.log import TrainingLog, read_log
from napari_brain_uad.training.loop import ArraySource
from napari_brain_uad.training.optimization import learning_rate, make_optimizer
from napari_brain_uad.training.params import PRECISIONS, SCHEDULES, TrainingParams
from napari_brain_uad.training.precision import channels_last, choose_precision
from napari_brain_uad.training.session import TrainingUpdate


def test_draws_of_shares_are_the_rows_of_the_whole() -> None:
    whole = BatchDraw(5, 0, 8, 8)
    shares = [BatchDraw(5, 0, 3, 8), BatchDraw(5, 3, 8, 8)]
    for name, more in (("normal", {}), ("uniform", {"low": -1.0, "high": 2.0}), ("integers", {"low": 0, "high": 100})):
        expected = getattr(whole, name)((8, 2, 3), **more)
        parts = [getattr(share, name)((rows, 2, 3), **more) for share, rows in zip(shares, (3, 5), strict=True)]
        assert torch.equal(torch.cat(parts), expected)
    assert whole.uniform((8, 1000), low=-1.0, high=2.0).aminmax() == pytest.approx((-1.0, 2.0), abs=0.01)
    assert not torch.equal(BatchDraw(5, 0, 8, 8).normal((8, 2)), BatchDraw(6, 0, 8, 8).normal((8, 2)))


def test_draws_of_a_sample_are_its_own() -> None:
    """Whatever else is scored with it: a map does not depend on the size of the batches."""
    together = SampleDraw(5, [4, 2, 9])
    alone = SampleDraw(5, [2])
    for name, more in (("normal", {}), ("uniform", {"low": -1.0, "high": 2.0}), ("integers", {"low": 0, "high": 100})):
        assert torch.equal(getattr(together, name)((3, 2, 3), **more)[1:2], getattr(alone, name)((1, 2, 3), **more))
    assert not torch.equal(SampleDraw(6, [2]).normal((1, 4)), SampleDraw(5, [2]).normal((1, 4)))


def test_draws_leave_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    BatchDraw(5, 0, 8, 8).normal((8, 2))
    assert torch.equal(torch.get_rng_state(), state)


def test_seeds_differ() -> None:
    seeds = {seed_of(seed, stream, step) for seed in range(5) for stream in range(5) for step in range(40)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_every_epoch_has_every_sample_once() -> None:
    train = np.arange(10, dtype=np.float32).reshape(10, 1, 1, 1)
    data = ArraySource(train, train[:0], 3)
    seen = torch.cat([data.batch(step, 4).images.flatten() for step in range(5)])
    assert sorted(seen[:10].tolist()) == list(range(10))
    assert sorted(seen[10:].tolist()) == list(range(10))
    assert not torch.equal(seen[:10], seen[10:])
    assert torch.equal(data.batch(1, 4).images, ArraySource(train, train[:0], 3).batch(1, 4).images)
    assert torch.equal(data.part(1, 4, 1, 3).images, data.batch(1, 4).images[1:3])


def test_a_batch_may_be_larger_than_the_data() -> None:
    train = np.arange(3, dtype=np.float16).reshape(3, 1, 1, 1)
    batch = ArraySource(train, train[:0], 0).batch(0, 8).images
    assert batch.dtype == torch.float32
    assert sorted(batch[:3].flatten().tolist()) == [0, 1, 2]


def test_validation_is_spread_and_limited() -> None:
    held_out = np.arange(2000, dtype=np.float32).reshape(2000, 1, 1, 1)
    seen = torch.cat([batch.images for batch in ArraySource(held_out[:1], held_out, 0).validation()]).flatten()
    assert len(seen) == 512
    assert seen[0] == 0
    assert seen[-1] == 1999
    assert float(seen.diff().max()) <= 5


def test_nothing_to_train_on() -> None:
    with pytest.raises(InputError, match="nothing to train on"):
        ArraySource(np.zeros((0, 1, 4, 4), np.float32), np.zeros((0, 1, 4, 4), np.float32), 0)


def test_cosine_and_one_cycle_are_torchs() -> None:
    params = TrainingParams(steps=50, learning_rate=0.3)
    for name, make in (
        ("cosine", lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)),
        ("one-cycle", lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=51, cycle_momentum=False)),
    ):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.3)
        theirs = make(optimizer)
        for step in range(50):
            ours = learning_rate(step, replace(params, schedule=name))
            assert ours == pytest.approx(theirs.get_last_lr()[0], rel=0.12 if name == "one-cycle" else 1e-6, abs=1e-3)
            optimizer.step()
            theirs.step()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_learning_rates_stay_in_range(schedule: str) -> None:
    for steps in (1, 2, 7):
        for warmup in (0, 3, 20):
            params = TrainingParams(steps=steps, schedule=schedule, warmup_steps=warmup, learning_rate=0.1)
            assert all(0 <= learning_rate(step, params) <= 0.1 + 1e-12 for step in range(steps))


def test_warm_up_rises_to_the_rate() -> None:
    params = TrainingParams(warmup_steps=4, learning_rate=0.1)
    assert [learning_rate(step, params) for step in range(6)] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adam-amsgrad", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_optimizers(name: str, kind: str) -> None:
    optimizer = make_optimizer(torch.nn.Linear(2, 2).parameters(), TrainingParams(optimizer=name, weight_decay=0.1))
    assert type(optimizer).__name__ == kind
    assert optimizer.defaults["weight_decay"] == 0.1
    assert optimizer.defaults.get("amsgrad", False) == (name == "adam-amsgrad")


def test_precision_is_what_was_asked_for_and_auto_is_one_of_them() -> None:
    assert {choose_precision(name, "cuda")[0] for name in PRECISIONS[1:]} == set(PRECISIONS[1:])
    assert {choose_precision(name, "cpu")[0] for name in ("32", "bf16")} == {"32", "bf16"}  # 16 is refused there
    # The same on every CPU, also on those that have bf16.
    assert choose_precision("auto", "cpu") == ("32", "float32: as on every cpu")
    assert choose_precision("auto", "mps")[0] == "32"


def test_channels_last_changes_no_value() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ConvTranspose3d(1, 2, 3), torch.nn.Linear(2, 2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    channels_last(network)
    assert network[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def update(step: int, validation: float | None = None) -> TrainingUpdate:
    return TrainingUpdate(step, 10, {"loss": step / 10, "kl": 0.5}, validation, 1e-4, step * 1.5, 42.0)


def test_log(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    log.add(update(1))
    log.add(update(2, 0.75))
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "step": "1",
        "loss": "0.1",
        "kl": "0.5",
        "validation": "",
        "learning_rate": "0.0001",
        "seconds": "1.5",
        "samples_per_second": "42",
    }
    assert rows[1]["validation"] == "0.75"
    assert read_log(tmp_path / "log.csv") == rows


def test_log_goes_on_after_the_checkpoints_step(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    for step in range(1, 6):
        log.add(update(step))
    with (tmp_path / "log.csv").open("a") as file:
        file.write("6,0.")
    again = TrainingLog(tmp_path, 3)
    again.add(update(4))
    assert [row["step"] for row in read_log(tmp_path / "log.csv")] == ["1", "2", "3", "4"]
    TrainingLog(tmp_path)
    assert read_log(tmp_path / "log.csv") == []


def test_log_on_a_full_or_missing_disk_is_said(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path)
    (tmp_path / "log.csv").unlink()
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(InputError, match=r"log\.csv cannot be written"):
        log.add(update(1))
    TrainingLog(None).add(update(1))
