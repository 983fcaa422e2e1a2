"""What is said at the end of a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_brain_uad.core import shell
from napari_brain_uad.training.session import TrainingUpdate
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from napari_brain_uad.workflows.models.models import user_dir
from napari_brain_uad.workflows.train.outcome import LastLosses, use_of


def update(step: int, loss: float, validation: float | None = None, stage: str = "") -> TrainingUpdate:
    return TrainingUpdate(step, 2000, {"loss": loss, "kl": 9.0}, validation, 1e-3, 1.0, 1.0, stage=stage)


def test_the_losses_at_the_end_are_the_last_ones_and_the_lowest_where_it_was_before() -> None:
    losses = LastLosses()
    assert losses.lines() == []
    for one in (update(1000, 0.5, 0.25), update(1500, 0.4), update(2000, 0.125, 0.5)):
        losses(one)
    (line,) = losses.lines()
    assert line == "Step 2,000: loss 0.125 in training, 0.5 on healthy scans kept apart (lowest 0.25, at step 1,000)"


def test_each_stage_has_its_losses_and_a_further_training_of_one_begins_anew() -> None:
    losses = LastLosses()
    for one in (update(9, 1.0, 0.1, "first"), update(5, 0.5, 0.2, "first"), update(7, 0.25, stage="second")):
        losses(one)
    assert losses.lines() == [
        "first, step 5: loss 0.5 in training, 0.2 on healthy scans kept apart",
        "second, step 7: loss 0.25 in training; no scans were kept apart to check it on",
    ]


@pytest.mark.parametrize("out", ["vae", "a folder/m, 100%", "m.safetensors"])
def test_the_command_names_the_very_file(out: str) -> None:
    """Also where a model of the package has the id that the file's name would be."""
    file, command = use_of("vae", out)
    words = shell.split(command)
    assert words[:4] == ["brain-uad", "detect", "SCAN", "--method"]
    spec = MethodSpec.parse(words[4])
    assert (spec.method, Path(spec.model)) == ("vae", file)
    assert file.name.endswith(".safetensors")


def test_a_model_in_the_list_is_named_by_its_id() -> None:
    assert use_of("vae", user_dir() / "mine")[1] == "brain-uad detect SCAN --method vae:mine --out DIR"
