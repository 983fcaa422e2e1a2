"""STFPM: its loss by numpy, what the student is, and what is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_brain_uad.core.errors import InputError, ModelError
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.backbones.load import Backbone, backbone_weights, network_class
from napari_brain_uad.detectors.distillation.stfpm import STFPM, STFPMParams, STFPMTraining
from napari_brain_uad.detectors.distillation.stfpm_task import STFPMTask
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw


@pytest.fixture
def task() -> STFPMTask:
    """Its teacher has weights by chance: no file is needed."""
    torch.manual_seed(0)
    found = STFPMTask("resnet18", "")
    found._teacher = Backbone(BACKBONES["resnet18"], network_class(BACKBONES["resnet18"])().eval().requires_grad_(False), "")
    return found


def batch() -> Batch:
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    return Batch(images, torch.ones(2, 64, 64, dtype=torch.bool), torch.arange(2))


def halves(task: STFPMTask, student: torch.nn.Module) -> list[np.ndarray]:
    """Half the squared distance between features of length 1, by level."""
    images, found = batch().images, []
    with torch.no_grad():
        for one, two in zip(task.taught(images), task.student(student, images, ()), strict=True):
            a, b = (part.numpy() / np.linalg.norm(part.numpy(), axis=1, keepdims=True) for part in (one, two))
            found.append(0.5 * ((a - b) ** 2).sum(axis=1))
    return found


def test_the_loss_is_the_papers(task: STFPMTask) -> None:
    """The mean over the places of a level, the sum over the levels; only the student learns."""
    student = task.build().eval()
    loss = task.loss(student, batch(), BatchDraw(0, 0, 2, 2))["loss"]
    assert float(loss.detach()) == pytest.approx(sum(level.mean() for level in halves(task, student)), abs=1e-4)
    loss.backward()
    assert all(weights.grad is not None for weights in student.parameters())
    assert task._teacher is not None
    assert all(weights.grad is None for weights in task._teacher.network.parameters())


def test_the_score_is_the_product_of_the_levels(task: STFPMTask) -> None:
    student, teacher = task.build().eval(), task._teacher
    assert teacher is not None
    found = task.scores(student, teacher, "product", batch().images)
    expected = np.ones((2, 64, 64))
    for level in halves(task, student):
        size, places = level.shape[-1], (np.arange(64) + 0.5) / 64 * level.shape[-1] - 0.5
        across = np.stack([np.interp(places, np.arange(size), row) for row in level.reshape(-1, size)]).reshape(2, size, 64)
        expected *= np.stack([[np.interp(places, np.arange(size), one[:, x]) for x in range(64)] for one in across]).swapaxes(1, 2)
    assert found.numpy() == pytest.approx(expected, abs=1e-5)
    assert float(task.scores(teacher.network, teacher, "mean", batch().images).abs().max()) < 1e-5  # it gives the features itself


def test_the_student_is_the_backbone_up_to_level_3_with_weights_of_its_own() -> None:
    student = STFPMTask("efficientnet-lite0", "").build()
    known = backbone_weights("efficientnet-lite0").state
    name = "_blocks.0._depthwise_conv.weight"
    assert student.state_dict()[name].shape == known[name].shape
    assert not np.allclose(student.state_dict()[name].numpy(), known[name])
    assert {part.momentum for part in student.modules() if isinstance(part, torch.nn.BatchNorm2d)} == {0.1}
    assert STFPM(STFPMParams(backbone="resnet18")).parameter_count() == 11_689_512 - 8_393_728 - 513_000  # without layer4 and classes


def test_the_teacher_is_not_part_of_the_model() -> None:
    detector = STFPM(STFPMParams.preset("tiny"))
    data = np.random.default_rng(0).random((16, 16, 3)).astype(np.float32)
    volume = Volume(data, Grid((16, 16, 3), np.diag([2.0, 2.0, 4.0, 1.0])))
    detector.fit([volume], training=STFPMTraining.from_dict({"steps": 1, "batch_size": 1}))
    state = detector.state()
    assert bytes(state["backbone"].tolist()).hex() == backbone_weights("efficientnet-lite0").sha256
    assert {name.partition(".")[0] for name in state} == {"backbone", "student"}
    with pytest.raises(ModelError, match="SHA-256"):
        STFPM(detector.params).load_state({**state, "backbone": state["backbone"][::-1].copy()})
    with pytest.raises(ModelError, match="something else"):
        STFPM(detector.params).load_state({**state, "bank": np.zeros(3)})


def test_a_teacher_without_weights_is_refused_before_any_training() -> None:
    with pytest.raises(InputError, match="backbone_file"):
        STFPM(STFPMParams(backbone="resnet18")).fit([])
