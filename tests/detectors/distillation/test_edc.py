"""EDC: what its loss is, where gradients go, and what is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.backbones.load import backbone_weights, network_class
from napari_brain_uad.detectors.distillation.edc import EDC, EDCParams, EDCTraining
from napari_brain_uad.detectors.distillation.edc_task import EDCTask, EncoderDecoder, distances
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw


def network() -> EncoderDecoder:
    torch.manual_seed(0)
    return EncoderDecoder(network_class(BACKBONES["resnet18"])(), BACKBONES["resnet18"].channels)


def batch() -> Batch:
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    return Batch(images, torch.ones(2, 64, 64, dtype=torch.bool), torch.arange(2))


def test_the_loss_is_the_sum_over_levels_of_one_minus_the_global_cosine() -> None:
    made = network().eval()
    found = float(EDCTask("resnet18", "").loss(made, batch(), BatchDraw(0, 0, 2, 2))["loss"].detach())
    encoded, decoded = made(batch().images)
    expected = 0.0
    for one, two in zip(encoded, decoded, strict=True):
        a, b = one.numpy().reshape(2, -1), two.detach().numpy().reshape(2, -1)
        expected += 1 - ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean()
    assert found == pytest.approx(expected, abs=1e-4)
    assert [tuple(level.shape[1:]) for level in decoded] == [(64, 16, 16), (128, 8, 8), (256, 4, 4)]


def test_the_encoder_learns_through_the_decoder_alone() -> None:
    """Without a decoder's gradient there is none: what it is compared with is held still."""
    made = network()
    EDCTask("resnet18", "").loss(made, batch(), BatchDraw(0, 0, 2, 2))["loss"].backward()
    assert made.encoder.layer4[1].conv2.weight.grad.abs().sum() > 0  # type: ignore[union-attr, operator, index]
    made.zero_grad()
    encoded, decoded = made(batch().images)
    assert not any(level.requires_grad for level in encoded)
    assert all(level.requires_grad for level in decoded)


def test_the_encoders_statistics_stay_and_its_rate_is_a_tenth() -> None:
    made = network().train()
    before = made.encoder.bn1.running_mean.clone()  # type: ignore[union-attr, operator]
    made(batch().images)
    assert torch.equal(made.encoder.bn1.running_mean, before)  # type: ignore[union-attr]
    assert made.decoder[0][1].training  # type: ignore[index]
    groups = EDCTask("resnet18", "").optimizers(made, EDCTraining())[""].param_groups
    assert [group.get("lr_factor", 1.0) for group in groups] == [0.1, 1.0]
    assert all(group["weight_decay"] == 1e-4 for group in groups)
    assert sum(len(group["params"]) for group in groups) == len(list(made.parameters()))


def test_the_score_is_the_mean_of_the_cosine_distances() -> None:
    made = network().eval()
    found = distances(made, batch().images)
    assert found.shape == (2, 64, 64)
    with torch.no_grad():
        encoded, decoded = made(batch().images)
    flat = [float((1 - torch.nn.functional.cosine_similarity(one, two)).mean()) for one, two in zip(encoded, decoded, strict=True)]
    assert float(found.mean()) == pytest.approx(np.mean(flat), abs=0.02)


def test_it_begins_with_the_backbones_weights_or_not_at_all() -> None:
    made = EDCTask("efficientnet-lite0", "").build()
    known = backbone_weights("efficientnet-lite0").state
    assert all(np.array_equal(known[name], array.numpy()) for name, array in made.encoder.state_dict().items())  # type: ignore[union-attr]
    with pytest.raises(InputError, match="backbone_file"):
        EDCTask("resnet50", "").build()
    assert EDC(EDCParams(backbone="resnet50")).parameter_count() > 25_557_032  # counted without weights
