"""CutPaste: where pieces come from and go to, the loss by hand, and the density against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

from napari_brain_uad.core.errors import ModelError
from napari_brain_uad.detectors.embedding.cut_paste import _brain_pixels, cut_paste, scar
from napari_brain_uad.detectors.embedding.cutpaste import CutPaste, CutPasteParams
from napari_brain_uad.detectors.embedding.cutpaste_task import CutPasteTask
from napari_brain_uad.detectors.embedding.density import fit_gaussian, mahalanobis_distance
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw

SIDE, COUNT = 128, 60


def _numbered() -> Batch:
    """Every pixel has another value, so that it is known where a piece came from; the brain is the middle."""
    images = 1.0 + torch.arange(SIDE * SIDE, dtype=torch.float32).reshape(1, 1, SIDE, SIDE).expand(COUNT, -1, -1, -1).clone()
    brain = torch.zeros(COUNT, SIDE, SIDE, dtype=torch.bool)
    brain[:, 40:90, 50:80] = True
    return Batch(images, brain, torch.arange(COUNT))


def _pieces(kind: object) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each image the changed pixels (N, 2) as row and column, and their new values: number of a pixel plus 1, times the brightness."""
    batch = _numbered()
    found = []
    for before, after in zip(batch.images[:, 0].numpy(), kind(batch, BatchDraw(3, 0, COUNT, COUNT))[:, 0].numpy(), strict=True):  # type: ignore[operator]
        changed = np.argwhere(after != before)
        found.append((changed, after[changed[:, 0], changed[:, 1]]))
    return found


def test_a_piece_is_a_rectangle_of_the_papers_size_from_another_place() -> None:
    shares, ratios, brightness = [], [], []
    for changed, values in _pieces(cut_paste):
        top, left = changed.min(axis=0)
        height, width = np.ptp(changed, axis=0) + 1
        assert len(changed) >= 0.99 * height * width  # a pixel that got its own value is not seen
        shares.append(height * width / SIDE**2)
        ratios.append(height / width)
        grid = values.reshape(height, width) if len(changed) == height * width else None
        if grid is None or top == 0 or left == 0:
            continue
        step = np.median(np.diff(grid, axis=1))  # neighbours in a row differ by the brightness alone
        brightness.append(step)
        middle = changed.mean(axis=0)
        assert 40 <= middle[0] <= 90
        assert 50 <= middle[1] <= 80
        source = np.median(grid) / step - 1  # the number of the pixel that the middle came from
        assert 39 <= source / SIDE <= 91
    assert min(shares) > 0.015
    assert 0.10 < max(shares) < 0.16
    assert min(ratios) > 0.25
    assert max(ratios) < 4
    assert sum(ratio > 1 for ratio in ratios) == pytest.approx(COUNT / 2, abs=COUNT / 5)
    assert 0.9 <= min(brightness) < 0.97
    assert 1.03 < max(brightness) <= 1.1


def test_a_scar_is_long_thin_and_turned() -> None:
    turns = []
    for changed, _ in _pieces(scar):
        assert 2 * 10 * 0.6 <= len(changed) <= 16 * 25 * 1.1
        away = changed - changed.mean(axis=0)
        sizes, axes = np.linalg.eigh(away.T @ away / len(away) + np.eye(2) / 12)
        longest = math.sqrt(12 * sizes[1])  # a uniform rod has a variance of a twelfth of its squared length
        if longest > 2 * math.sqrt(12 * sizes[0]):
            turns.append(math.degrees(math.atan2(axes[0, 1], axes[1, 1])) % 180)
        assert longest < 28
    turned = np.array([turn if turn < 90 else turn - 180 for turn in turns])
    assert np.abs(turned).max() < 50
    assert turned.min() < -20
    assert turned.max() > 20


def test_each_pixel_of_the_brain_is_as_likely_and_no_other() -> None:
    brain = torch.zeros(1, 3, 4, dtype=torch.bool)
    brain[0, 1, 2:] = brain[0, 2, 0] = True
    chances = torch.tensor([0.0, 0.32, 0.34, 0.65, 0.67, 0.999])
    found = _brain_pixels(brain.expand(6, -1, -1), chances).tolist()
    assert found == [[1, 2], [1, 2], [1, 3], [1, 3], [2, 0], [2, 0]]


def test_the_loss_tells_three_kinds_apart() -> None:
    batch = _numbered()[:4]
    task = CutPasteTask("resnet18", "", (2,))

    class Known(torch.nn.Module):
        """Certain that each is untouched."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.images = images
            return torch.tensor([2.0, 0.0, -1.0]).repeat(len(images), 1)

    network = Known()
    losses = task.loss(network, batch, BatchDraw(1, 0, 4, 4))
    total = math.log(math.exp(2) + 1 + math.exp(-1))
    assert float(losses["loss"]) == pytest.approx(((total - 2) + total + (total + 1)) / 3, abs=1e-5)
    assert float(losses["right"]) == pytest.approx(1 / 3)
    assert torch.equal(network.images[:4], batch.images)
    assert not torch.equal(network.images[4:8], batch.images)
    assert not torch.equal(network.images[8:], network.images[4:8])


def test_the_density_is_scipys_mahalanobis_distance() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6)) + 3
    density = fit_gaussian(features)
    covariance = np.cov(features.T)
    inverse = np.linalg.inv(covariance + 0.01 * np.trace(covariance) / 6 * np.eye(6))
    expected = [mahalanobis(one, features.mean(axis=0), inverse) / math.sqrt(6) for one in features[:20]]
    tensors = (torch.from_numpy(density[name]) for name in ("mean", "whitening"))
    np.testing.assert_allclose(mahalanobis_distance(torch.from_numpy(features[:20]).float(), *tensors), expected, rtol=1e-4)


def test_a_density_of_other_features_is_refused() -> None:
    detector = CutPaste(CutPasteParams.preset("tiny"))
    state = {"backbone": np.zeros(32, np.uint8), "density.mean": np.zeros(8, np.float32), "density.whitening": np.eye(8, dtype=np.float32)}
    with pytest.raises(ModelError, match="8 dimensions"):
        detector.load_state(state)
    with pytest.raises(ModelError, match="something else"):
        detector.load_state({**state, "other": np.zeros(1, np.float32)})
