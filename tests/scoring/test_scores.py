from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import mahalanobis
from skimage.metrics import structural_similarity

from napari_brain_uad.scoring import distance, gradient, residual, structure, tissue
from napari_brain_uad.scoring.registry import SCORES, Evidence, score_names
from napari_brain_uad.scoring.smooth import gaussian

SHAPE = (2, 1, 40, 36)


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(SHAPE, generator=generator), torch.rand(SHAPE, generator=generator)


def evidence(seed: int = 0) -> Evidence:
    images, reconstruction = pair(seed)
    energies = {"kl": lambda x: x.square().flatten(1).sum(1), "elbo": lambda x: x.abs().flatten(1).sum(1)}
    probabilities = torch.rand((2, 4, 40, 36), generator=torch.Generator().manual_seed(seed)).softmax(dim=1)
    samples = reconstruction + 0.1 * torch.randn((4, *SHAPE), generator=torch.Generator().manual_seed(seed))
    return Evidence(images, reconstruction, energies, probabilities, samples)


def test_the_two_signs_add_up_to_the_absolute_residual() -> None:
    images, reconstruction = pair()
    total = residual.brighter(images, reconstruction) + residual.darker(images, reconstruction)
    assert torch.allclose(total, residual.absolute(images, reconstruction))
    assert torch.allclose(residual.squared(images, reconstruction), residual.absolute(images, reconstruction) ** 2)


def test_a_lesion_brighter_than_expected_scores_in_one_direction_only() -> None:
    images, reconstruction = torch.full(SHAPE, 0.9), torch.full(SHAPE, 0.3)
    assert torch.allclose(residual.brighter(images, reconstruction), torch.tensor(0.6))
    assert residual.darker(images, reconstruction).max() == 0


def test_channels_are_averaged() -> None:
    images = torch.zeros(1, 2, 8, 8)
    images[:, 1] = 1.0
    assert torch.allclose(residual.absolute(images, torch.zeros_like(images)), torch.tensor(0.5))


def test_ssim_is_that_of_scikit_image() -> None:
    images, reconstruction = pair(1)
    ours = structure.dissimilarity(images, reconstruction, 1.5)[0].numpy()
    _, theirs = structural_similarity(
        images[0, 0].numpy(),
        reconstruction[0, 0].numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
        data_range=1.0,
    )
    inner = (slice(6, -6), slice(6, -6))  # the two differ in how an image goes on beyond its edge
    assert np.allclose(ours[inner], (1 - theirs[inner]) / 2, atol=1e-3)


def test_ssim_of_equal_images_is_zero() -> None:
    images, _ = pair()
    assert structure.ensemble(images, images).abs().max() < 1e-6


def test_smoothing_is_scipys() -> None:
    images, _ = pair(2)
    theirs = gaussian_filter(images[1, 0].numpy(), 2.0, mode="nearest", truncate=3.5)
    assert np.allclose(gaussian(images, 2.0)[1, 0].numpy(), theirs, atol=1e-5)
    assert gaussian(images, 0.0) is images


def test_gradient_of_a_known_energy() -> None:
    images, _ = pair(3)
    slope = gradient.input_gradient(lambda x: (x**3).flatten(1).sum(1), images)
    assert torch.allclose(slope, 3 * images[:, 0] ** 2, atol=1e-6)
    assert not images.requires_grad


def test_gradient_is_taken_where_gradients_are_off() -> None:
    images, _ = pair(4)
    with torch.no_grad():
        assert gradient.input_gradient(lambda x: x.flatten(1).sum(1), images).min() == 1


def test_combi_is_the_product_of_its_parts() -> None:
    found = evidence(5)
    smooth = gaussian(2 * found.images, 2.0)[:, 0]
    assert torch.allclose(SCORES["combi"].compute(found), smooth * (found.images - found.reconstruction).abs()[:, 0], atol=1e-5)


def test_the_distance_from_reconstructions_is_mahalanobis() -> None:
    """Of the 3 x 3 pixels around one, in standard deviations, against SciPy's."""
    rng = np.random.default_rng(0)
    samples = (0.5 + 0.2 * rng.standard_normal((30, 2, 1, 8, 9))).astype(np.float32)
    image = rng.random((2, 1, 8, 9)).astype(np.float32)
    found = distance.mahalanobis(torch.from_numpy(image), torch.from_numpy(samples))
    for row, column in ((3, 4), (1, 7), (6, 1)):
        window = (0, slice(row - 1, row + 2), slice(column - 1, column + 2))
        made = samples[:, 1][:, *window].reshape(30, 9)
        inverse = np.linalg.inv(np.cov(made, rowvar=False) + 0.03**2 * np.eye(9))
        expected = mahalanobis(image[1][window].ravel(), made.mean(axis=0), inverse) / 3
        assert float(found[1, row, column]) == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ValueError, match="two"):
        distance.mahalanobis(torch.from_numpy(image), torch.from_numpy(samples[:1]))


@pytest.mark.parametrize("name", SCORES)
def test_every_score_works_with_any_reconstruction(name: str) -> None:
    found = SCORES[name].compute(evidence(6))
    assert found.shape == (2, 40, 36)
    assert torch.isfinite(found).all()
    assert found.min() >= 0
    assert SCORES[name].words


@pytest.mark.parametrize("name", score_names())
def test_a_perfect_reconstruction_scores_nothing_and_a_worse_one_more(name: str) -> None:
    images = torch.rand(SHAPE, generator=torch.Generator().manual_seed(7)) * 0.5 + 0.25
    sign = 1 if name == "darker" else -1
    totals = [float(SCORES[name].compute(Evidence(images, images + sign * off)).sum()) for off in (0.0, 0.05, 0.1, 0.2)]
    assert totals[0] < 1e-3
    assert all(worse > better for better, worse in pairwise(totals))


def test_scores_that_need_a_model_are_offered_to_models_only() -> None:
    assert "kl-gradient" not in score_names()
    assert "lost-white-matter" not in score_names(energies=("kl", "elbo"))
    assert set(score_names(energies=("kl", "elbo"), tissues=True)) == set(SCORES) - {"mahalanobis", "harmonic", "harmonic-brighter"}


def test_white_matter_is_missed_only_where_it_was_expected() -> None:
    expected = torch.zeros(1, 4, 1, 4)
    expected[0, 3, 0, :2] = 1.0  # white matter on the left, grey on the right
    expected[0, 2, 0, 2:] = 1.0
    seen = torch.tensor([3.0, 2.0, 2.0, 1.0])[None, None, None]
    assert tissue.lost_white_matter(seen, expected).flatten().tolist() == [0.0, 1.0, 0.0, 0.0]
    beyond = torch.full((1, 1, 1, 4), 3.4)
    assert torch.allclose(tissue.lost_white_matter(beyond, expected), torch.tensor(0.4))


def test_the_deficit_of_white_matter_grows_towards_fluid_and_asks_for_certainty() -> None:
    expected = torch.zeros(1, 4, 1, 4)
    expected[0, 3, 0] = torch.tensor([1.0, 1.0, 0.5, 0.0])
    expected[0, 2, 0] = torch.tensor([0.0, 0.0, 0.5, 1.0])
    seen = torch.tensor([2.0, 1.0, 1.0, 1.0])[None, None, None]
    assert tissue.white_matter_deficit(seen, expected).flatten().tolist() == [0.5, 1.0, 0.25, 0.0]
    beyond = torch.full((1, 1, 1, 4), 3.4)
    assert torch.allclose(tissue.white_matter_deficit(beyond, expected), torch.tensor(0.4))


def test_names_are_known_without_torch() -> None:
    code = "import sys; from napari_brain_uad.scoring.registry import score_names; score_names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
