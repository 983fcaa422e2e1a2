"""Faults 10, 11 and 13: a training that is killed, breaks down or runs out of memory. Fault 9 is in tests/io/test_checkpoint.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import killed_trainings
import numpy as np
import pytest
import torch
from tiny_training import PARAMS, TinyTask, source

from napari_brain_uad.core.errors import DeviceError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.io.checkpoint import load_checkpoint
from napari_brain_uad.training.draws import Draw
from napari_brain_uad.training.loop import run_training
from napari_brain_uad.training.session import TrainingSession


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(task: Any = None, params: Any = PARAMS, progress: Progress | None = None, **session: Any) -> dict[str, np.ndarray]:
    return run_training(
        task or TinyTask(), source(), training=params, seed=0, session=TrainingSession(**session), progress=progress or Progress()
    )


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the killed trainings are forks of one process")
def test_killed_at_100_moments(tmp_path: Path) -> None:
    """After every kill there is a whole checkpoint, never an older one; and after all of them the weights are those of one long run."""
    script = Path(killed_trainings.__file__)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join((str(script.parent), os.environ["PYTHONPATH"]))}
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "100", "0"], env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == 100
    assert found["step"] > 20
    assert found["in_a_write"] > 5, "too few kills hit a write for this to mean anything"
    straight = replace(killed_trainings.KILLED, steps=found["step"] + 3)
    resumed = run(params=straight, folder=tmp_path, resume=True)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    expected = run(params=straight)
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)


class Breaking(TinyTask):
    """The loss is no number from a step on."""

    def __init__(self, step: int, value: float) -> None:
        super().__init__()
        self.left, self.value = step, value

    def loss(self, network: torch.nn.Module, batch: torch.Tensor, draw: Draw) -> dict[str, torch.Tensor]:
        losses = super().loss(network, batch, draw)
        self.left -= network.training
        return losses if self.left >= 0 else {**losses, "loss": losses["loss"] * self.value}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_checkpoint(tmp_path: Path, value: float) -> None:
    with pytest.raises(ModelError, match="broke down at step 11") as caught:
        run(Breaking(10, value), folder=tmp_path)
    assert caught.value.fix == "Start a new training with a lower learning rate or with limited gradients (clip_norm)"
    assert load_checkpoint(tmp_path / "checkpoint").meta["step"] == 8
    resumed = run(folder=tmp_path, resume=True)
    for name, expected in run().items():
        np.testing.assert_array_equal(resumed[name], expected)


def test_after_breaking_down_in_bf16_it_can_be_resumed_in_float32(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        run(Breaking(10, float("nan")), replace(PARAMS, precision="bf16"), folder=tmp_path)
    assert caught.value.fix.startswith("Resume it from its checkpoint with precision=32, or start a new training")
    run(params=replace(PARAMS, precision="32"), folder=tmp_path, resume=True)
    assert load_checkpoint(tmp_path / "checkpoint").meta["counts"]["precision"] == "32"


class Hungry(TinyTask):
    """Asks for more memory than there is when it is given more than `most` samples."""

    def __init__(self, most: int) -> None:
        super().__init__(norm=False, dropout=0.0)
        self.most = most

    def loss(self, network: torch.nn.Module, batch: torch.Tensor, draw: Draw) -> dict[str, torch.Tensor]:
        losses = super().loss(network, batch, draw)
        if len(batch) > self.most and network.training:
            torch.empty(1 << 60, dtype=torch.uint8)
        return losses


@pytest.mark.parametrize(("most", "parts"), [(3, 2), (2, 4), (1, 6)])
def test_out_of_memory_means_smaller_batches(tmp_path: Path, most: int, parts: int) -> None:
    """Fault 13. The gradient is the whole batch's all the same."""
    said: list[str] = []
    params = replace(PARAMS, optimizer="sgd")
    small = run(Hungry(most), params, Progress(lambda _, message: said.append(message)), folder=tmp_path)
    assert sum("Out of memory" in message for message in said) >= 1
    assert f"{parts} parts" in next(message for message in reversed(said) if "Out of memory" in message)
    assert load_checkpoint(tmp_path / "checkpoint").meta["counts"]["parts"] == parts
    for name, expected in run(TinyTask(norm=False, dropout=0.0), params).items():
        np.testing.assert_allclose(small[name], expected, rtol=1e-4, atol=1e-6)


def test_too_little_memory_for_one_sample_is_said_and_the_next_job_works() -> None:
    with pytest.raises(DeviceError, match="too little memory") as caught:
        run(Hungry(0))
    assert "smaller" in caught.value.fix
    assert run()


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    class Wrong(TinyTask):
        def loss(self, network: torch.nn.Module, batch: torch.Tensor, draw: Draw) -> dict[str, torch.Tensor]:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(Wrong())
