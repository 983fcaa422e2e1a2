"""CRADL: the contrastive loss by hand, views, the mixture against scikit-learn, and the gradient by differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from napari_brain_uad.core.errors import ModelError
from napari_brain_uad.detectors.embedding.cradl import CRADL, CRADLParams
from napari_brain_uad.detectors.embedding.cradl_task import ContrastiveEncoder, ContrastiveTask, nt_xent, view
from napari_brain_uad.detectors.embedding.density import fit_mixture, mixture_log_density
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw


def test_the_contrastive_loss_is_the_papers() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    both = np.concatenate([one, two])
    unit = both / np.linalg.norm(both, axis=1, keepdims=True)
    alike = np.exp(unit @ unit.T / 0.3)
    losses = [-math.log(alike[i, (i + 3) % 6] / sum(alike[i, k] for k in range(6) if k != i)) for i in range(6)]
    found = nt_xent(torch.from_numpy(one).float(), torch.from_numpy(two).float(), 0.3)
    assert float(found) == pytest.approx(np.mean(losses), abs=1e-5)


def test_the_task_compares_two_views_of_the_same_slices() -> None:
    torch.manual_seed(0)
    task = ContrastiveTask(lambda: ContrastiveEncoder(1, (32, 32), 8, 4), 0.5)
    network, images = task.build().eval(), torch.rand(5, 1, 32, 32)
    batch = Batch(images, torch.ones(5, 32, 32, dtype=torch.bool), torch.arange(5))
    draw = BatchDraw(1, 0, 5, 5)
    views = [view(images, draw), view(images, draw)]
    assert (views[0] - views[1]).abs().mean() > 0.05
    expected = nt_xent(*(network(seen, head=True) for seen in views), 0.5)
    assert float(task.loss(network, batch, BatchDraw(1, 0, 5, 5))["loss"].detach()) == pytest.approx(float(expected.detach()), abs=1e-5)


def test_views_move_by_a_tenth_at_most_and_half_of_them_are_mirrored() -> None:
    """A bright spot on the right, a quarter of the slice from the middle."""
    images = torch.zeros(200, 1, 64, 64)
    images[:, :, 30:34, 46:50] = 1.0
    seen = view(images, BatchDraw(2, 0, 200, 200))[:, 0].numpy()
    peaks = np.array([np.unravel_index(np.argmax(np.where(one > 0.5, one, 0)), one.shape) for one in seen]) - 31.5
    sides = peaks[:, 1]
    assert np.mean(sides < 0) == pytest.approx(0.5, abs=0.12)
    # 16 pixels from the middle, 20 % nearer or farther, 6.4 pixels aside, and the spot's own width.
    assert np.abs(sides).min() > 16 / 1.2 * math.cos(math.radians(15)) - 6.4 / 0.8 - 4
    assert np.abs(sides).max() < 16 / 0.8 + 6.4 / 0.8 + 4
    assert np.abs(peaks[:, 0]).max() < 16 / 0.8 * math.sin(math.radians(15)) + 6.4 / 0.8 + 4
    assert seen.max() > 1.15


def test_the_mixture_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(80, 5)), 4 + 2 * rng.normal(size=(60, 5))]).astype(np.float32)
    oracle = GaussianMixture(2, reg_covar=0.01 * features.var(axis=0).mean(), random_state=3).fit(features)
    found = {name: torch.from_numpy(array) for name, array in fit_mixture(features, 2, 3).items()}
    density = mixture_log_density(torch.from_numpy(features), found["weights"], found["means"], found["factors"])
    np.testing.assert_allclose(density, oracle.score_samples(features), rtol=1e-4, atol=1e-4)
    assert len(fit_mixture(features[:3], 8, 0)["weights"]) == 3


def _with_state(score: str) -> CRADL:
    torch.manual_seed(1)
    detector = CRADL(CRADLParams(height=32, width=32, latent=6, components=2, score=score))
    network = detector._task().build().eval()
    mixture = fit_mixture(np.random.default_rng(0).normal(size=(50, 6)), 2, 0)
    arrays = {f"encoder.{name}": tensor.numpy() for name, tensor in network.state_dict().items()}
    detector.load_state(arrays | {f"mixture.{name}": array for name, array in mixture.items()})
    return detector


def test_the_score_is_the_gradient_of_the_density() -> None:
    """By differences, at a few pixels."""
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    slopes, density = _with_state("gradient")._mapping()(images), _with_state("density")._mapping()
    assert slopes.shape == (2, 32, 32)
    assert density(images).shape == (2, 32, 32)
    for row, column in ((5, 9), (16, 20), (30, 2)):
        step = torch.zeros_like(images)
        step[1, 0, row, column] = 0.05
        difference = (density(images + step) - density(images - step))[:, 0, 0] / 0.1
        assert float(slopes[1, row, column]) == pytest.approx(abs(float(difference[1])), rel=0.05, abs=1e-5)
        assert float(difference[0]) == 0.0


def test_a_mixture_of_other_representations_is_refused() -> None:
    state = _with_state("gradient").state()
    with pytest.raises(ModelError, match="6 numbers"):
        CRADL(CRADLParams(height=32, width=32, latent=6)).load_state({**state, "mixture.means": np.zeros((2, 5), np.float32)})
