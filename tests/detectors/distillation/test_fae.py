"""FAE: its score against scikit-image's SSIM, its loss, and the scale of the features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.backbones.load import Backbone, network_class
from napari_brain_uad.detectors.distillation.fae import FAE, FAEParams
from napari_brain_uad.detectors.distillation.fae_network import FAETask, FeatureAutoencoder
from napari_brain_uad.detectors.embedding.features import stacked
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw

IMAGES = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def task() -> FAETask:
    """Its backbone has weights by chance: no file is needed."""
    torch.manual_seed(0)
    found = FAETask("resnet18", "", (1, 2), (8, 12), standardise=True, window=1.0)
    found._teacher = Backbone(BACKBONES["resnet18"], network_class(BACKBONES["resnet18"])().eval().requires_grad_(False), "")
    return found


def _expected(seen: torch.Tensor, made: torch.Tensor) -> np.ndarray:
    """(1 - SSIM) / 2 of each feature by scikit-image, with a Gaussian of 1 cut as ours; the mean over the features, (B, h, w)."""
    maps = [
        [
            structural_similarity(one, two, data_range=1.0, gaussian_weights=True, sigma=1.0, use_sample_covariance=False, full=True)[1]
            for one, two in zip(before.numpy().astype(np.float64), after.numpy().astype(np.float64), strict=True)
        ]
        for before, after in zip(seen, made, strict=True)
    ]
    return (1 - np.array(maps)).mean(axis=1) / 2


def test_loss_and_score_are_the_structural_dissimilarity_of_the_features(task: FAETask) -> None:
    network, backbone = task.build().eval(), task._teacher
    assert backbone is not None
    with torch.no_grad():
        seen, made = network(stacked(backbone.features(IMAGES, (1, 2))))
    expected = _expected(seen, made)
    assert expected.shape == (2, 16, 16)
    batch = Batch(IMAGES, torch.ones(2, 64, 64, dtype=torch.bool), torch.arange(2))
    loss = task.loss(network, batch, BatchDraw(0, 0, 2, 2))["loss"]
    found = task.scores(network, backbone, IMAGES).numpy()
    # At the rim scikit-image mirrors the features; away from it both are the same. Pixels 30 and 33 lie at places 7.125 and 7.875.
    assert found[:, 30, 33] == pytest.approx(_between(expected, 7.125, 7.875), abs=1e-3)
    assert float(loss.detach()) == pytest.approx(expected.mean(), abs=0.02)


def _between(maps: np.ndarray, row: float, column: float) -> np.ndarray:
    top, left = int(row), int(column)
    down, across = row - top, column - left
    upper = (1 - across) * maps[:, top, left] + across * maps[:, top, left + 1]
    lower = (1 - across) * maps[:, top + 1, left] + across * maps[:, top + 1, left + 1]
    return (1 - down) * upper + down * lower


def test_three_deviations_on_either_side_of_the_mean_become_zero_and_one() -> None:
    network = FeatureAutoencoder(2, (4,), standardise=True).eval()
    assert network.norm is not None
    network.norm.running_mean, network.norm.running_var = torch.tensor([1.0, -2.0]), torch.tensor([4.0, 0.25])
    features = torch.tensor([[7.0, -5.0], [-2.0, -0.5]]).T.reshape(2, 2, 1, 1).expand(2, 2, 8, 8)
    seen = network(features)[0][:, :, 0, 0].detach()
    np.testing.assert_allclose(seen, [[1.0, 0.5], [0.0, 1.0]], atol=1e-4)


def test_odd_sizes_come_back_as_they_were() -> None:
    seen, made = FeatureAutoencoder(3, (4, 5, 6), standardise=False)(torch.rand(2, 3, 23, 18))
    assert seen.shape == made.shape == (2, 3, 23, 18)


def test_only_the_autoencoder_learns_and_levels_have_to_ascend(task: FAETask) -> None:
    network = task.build()
    task.loss(network, Batch(IMAGES, torch.ones(2, 64, 64, dtype=torch.bool), torch.arange(2)), BatchDraw(0, 0, 2, 2))["loss"].backward()
    assert all(weights.grad is not None for weights in network.parameters())
    with pytest.raises(InputError, match="ascend"):
        FAE(FAEParams(levels=(2, 1)))
