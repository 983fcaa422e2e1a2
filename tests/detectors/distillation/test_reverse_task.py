"""RD++'s losses by other means, and who learns from them how fast."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.backbones.load import Backbone, network_class
from napari_brain_uad.detectors.distillation.rd_plus_plus import RDPlusPlus, RDPlusPlusParams, RDPlusPlusTraining
from napari_brain_uad.detectors.distillation.reverse_task import ReverseTask, compactness, contrast, reconstruction
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw


@pytest.fixture(scope="module")
def task() -> ReverseTask:
    """Its teacher has weights by chance: no file is needed."""
    torch.manual_seed(0)
    found = ReverseTask("mobilenet-v2", "", 0.2)
    found._teacher = Backbone(BACKBONES["mobilenet-v2"], network_class(BACKBONES["mobilenet-v2"])().eval().requires_grad_(False), "")
    return found


def batch() -> Batch:
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    return Batch(images, torch.ones(2, 64, 64, dtype=torch.bool), torch.arange(2))


def draw() -> BatchDraw:
    return BatchDraw(0, 0, 2, 2)


def pyramid(seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 5, size, size, generator=generator) for size in (8, 4)]


def cosines(one: np.ndarray, two: np.ndarray, axis: int) -> np.ndarray:
    return np.asarray((one * two).sum(axis) / np.linalg.norm(one, axis=axis) / np.linalg.norm(two, axis=axis))


def test_the_loss_is_distillation_and_the_weighted_mean_of_three(task: ReverseTask) -> None:
    torch.manual_seed(0)
    network = task.build().eval()
    found = {name: float(value.detach()) for name, value in task.loss(network, batch(), draw()).items()}
    apart = (found["ssot"] + 0.01 * found["reconstruction"] + 0.1 * found["contrast"]) / 1.11
    assert found["loss"] == pytest.approx(found["distillation"] + 0.2 * apart, rel=1e-5)
    with torch.no_grad():
        taught = task.taught(batch().images)
        decoded = task.student(network, batch().images, taught)
    expected = sum(
        1 - cosines(one.numpy().reshape(2, -1), two.numpy().reshape(2, -1), 1).mean() for one, two in zip(taught, decoded, strict=True)
    )
    assert found["distillation"] == pytest.approx(expected, abs=1e-4)


def test_cleaned_features_are_to_be_the_healthy_ones() -> None:
    one, two = pyramid(0), pyramid(1)
    expected = sum((1 - cosines(a.numpy(), b.numpy(), 1)).mean() for a, b in zip(one, two, strict=True))
    assert float(reconstruction(one, two)) == pytest.approx(expected, abs=1e-5)
    assert float(reconstruction(one, [3 * level for level in one])) == pytest.approx(0.0, abs=1e-5)


def test_healthy_features_are_pushed_away_from_abnormal_ones_to_the_margin() -> None:
    one, two = pyramid(0), pyramid(1)
    expected = 0.0
    for a, b in zip(one, two, strict=True):
        expected += np.maximum(0, cosines(a.numpy().reshape(2, -1), b.numpy().reshape(2, -1), 1) - 0.5).mean()
    assert float(contrast(one, two)) == pytest.approx(expected, abs=1e-5)
    assert float(contrast(one, one)) == pytest.approx(1.0, abs=1e-5)  # 1 - 0.5 at each of two levels
    assert float(contrast(one, [-level for level in one])) == 0.0


def test_compactness_is_between_different_images_and_does_not_know_lengths() -> None:
    alike = [level[:1].expand(2, -1, -1, -1) for level in pyramid(0)]
    assert float(compactness(alike, draw())) == pytest.approx(0.0, abs=1e-4)
    apart = float(compactness(pyramid(0), draw()))
    assert apart > 0.05
    assert float(compactness([5 * level for level in pyramid(0)], draw())) == pytest.approx(apart, rel=1e-4)


def test_all_of_the_student_learns_and_its_projections_at_a_fifth_of_the_rate(task: ReverseTask) -> None:
    network = task.build().train()
    task.loss(network, batch(), draw())["loss"].backward()
    assert all(weights.grad is not None and weights.grad.isfinite().all() for weights in network.parameters())
    groups = task.optimizers(network, RDPlusPlusTraining())[""].param_groups
    assert [group.get("lr_factor", 1.0) for group in groups] == [0.2, 1.0]
    assert groups[0]["betas"] == (0.5, 0.999)
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def test_defaults_are_the_papers_and_what_differs_is_on_the_card() -> None:
    training, params = RDPlusPlusTraining(), RDPlusPlusParams()
    assert (training.learning_rate, training.batch_size, params.projection_weight, params.combination) == (0.005, 16, 0.2, "mean")
    assert RDPlusPlusParams.preset("paper").backbone == "wide-resnet50"
    assert RDPlusPlus(RDPlusPlusParams.preset("paper")).parameter_count() > 50_000_000
    assert "another order" in RDPlusPlus.INFO.presets
