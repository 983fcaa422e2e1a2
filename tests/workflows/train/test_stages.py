"""Trainings of several stages: each has a folder and updates of its own, and the whole is resumed and discarded as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_brain_uad.core.errors import Cancelled, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.tissue.tissue_ensemble import TissueEnsemble
from napari_brain_uad.io.checkpoint import load_checkpoint
from napari_brain_uad.training.session import TrainingUpdate
from napari_brain_uad.workflows.models import models
from napari_brain_uad.workflows.train import unfinished
from napari_brain_uad.workflows.train.train import train
from napari_brain_uad.workflows.train.training_record import checkpoints_in

PARAMS = dict(TissueEnsemble.Params.PRESETS["tiny"]) | {"pixel_mm": 4.0, "step_mm": 5.0, "sequence": "FLAIR"}
SHORT = {"steps": 6, "batch_size": 4, "checkpoint_every": 2, "warmup_steps": 0, "precision": "32"}


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(models, "user_dir", lambda: tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)


def test_cancelled_in_its_second_stage_it_goes_on_there_and_ends_as_without_the_break(healthy_folder: Path, tmp_path: Path) -> None:
    updates: list[TrainingUpdate] = []
    train("tissue-ensemble", healthy_folder, params=PARAMS, training=SHORT, out=tmp_path / "straight", report=updates.append)
    assert {update.stage for update in updates} == {"restoration", "segmentation"}
    assert load_checkpoint(tmp_path / "straight").meta["steps"] == 12

    progress = Progress()

    def stop(update: TrainingUpdate) -> None:
        if update.stage == "segmentation":
            progress.cancel()

    quick = SHORT | {"validate_every": 2}
    with pytest.raises(Cancelled):
        train("tissue-ensemble", healthy_folder, params=PARAMS, training=quick, out=tmp_path / "broken", report=stop, progress=progress)
    folder = tmp_path / "broken"
    assert [path.parent.name for path in checkpoints_in(folder)] == ["restoration", "segmentation"]
    assert not (tmp_path / "broken.json").exists()
    with pytest.raises(InputError, match="holds a training already"):
        train("tissue-ensemble", healthy_folder, params=PARAMS, training=quick, out=folder)
    again: list[TrainingUpdate] = []
    train("tissue-ensemble", healthy_folder, params=PARAMS, training=quick, out=folder, resume=True, report=again.append)
    assert {update.stage for update in again} == {"segmentation"}
    one, other = load_checkpoint(tmp_path / "straight").state, load_checkpoint(folder).state
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_one_of_several_stages_is_found_among_the_unfinished_and_discarded_whole(
    healthy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Progress()
    out = tmp_path / "broken"
    with pytest.raises(Cancelled):
        train(
            "tissue-ensemble", healthy_folder, params=PARAMS, training=SHORT, out=out, report=lambda _: progress.cancel(), progress=progress
        )
    job = {"method": "tissue-ensemble", "out": str(out), "data": {}, "params": {}, "training": {}, "seed": 0, "device": "cpu"}
    monkeypatch.setattr(unfinished, "training_folders", lambda: [out])
    unfinished.remember_job(out, job | {"anomalies": 3})
    assert unfinished.unfinished_trainings() == ()
    unfinished.remember_job(out, job | {"anomalies": "ill"})
    (found,) = unfinished.unfinished_trainings()
    assert found.step > 0
    unfinished.discard(found)
    assert not out.exists()
