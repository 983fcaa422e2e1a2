"""Pyramids compared, on examples by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_brain_uad.detectors.distillation.names import COMBINATIONS
from napari_brain_uad.detectors.distillation.pyramids import COMBINATIONS as FUNCTIONS
from napari_brain_uad.detectors.distillation.pyramids import PyramidDecoder, at_images, cosine_maps, cosine_of_images


def level(size: int, seed: int) -> torch.Tensor:
    return torch.randn(2, 5, size, size, generator=torch.Generator().manual_seed(seed))


def test_one_minus_the_cosine_is_half_the_squared_distance_of_unit_vectors() -> None:
    one, two = level(4, 0), level(4, 1)
    found = cosine_maps([one], [two])[0].numpy()
    a, b = (part.numpy() / np.linalg.norm(part.numpy(), axis=1, keepdims=True) for part in (one, two))
    assert found == pytest.approx(0.5 * ((a - b) ** 2).sum(axis=1), abs=1e-5)


def test_the_cosine_of_an_image_is_over_all_its_features() -> None:
    one, two = level(4, 0), level(4, 1)
    found = cosine_of_images([one, one], [two, 3 * one])
    a, b = one.numpy().reshape(2, -1), two.numpy().reshape(2, -1)
    expected = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert found.shape == (2, 2)
    assert found[0].numpy() == pytest.approx(expected, abs=1e-5)
    assert found[1].tolist() == pytest.approx([1.0, 1.0])


def test_levels_are_multiplied_or_averaged_at_the_pixels() -> None:
    fine, coarse = torch.zeros(1, 4, 4), torch.full((1, 2, 2), 0.5)
    fine[0, 1, 2] = 0.8
    product, mean = at_images([fine, coarse], (4, 4), "product"), at_images([fine, coarse], (4, 4), "mean")
    assert float(product[0, 1, 2]) == pytest.approx(0.4)
    assert float(product.sum()) == pytest.approx(0.4)  # what one level alone finds counts nothing
    assert float(mean[0, 1, 2]) == pytest.approx(0.65)
    assert float(mean[0, 0, 0]) == pytest.approx(0.25)
    assert set(COMBINATIONS) == set(FUNCTIONS)


def test_a_decoder_gives_levels_of_the_sizes_asked_for() -> None:
    sizes = [torch.Size((25, 17)), torch.Size((13, 9)), torch.Size((7, 5))]
    found = PyramidDecoder((3, 4, 5, 6))(torch.zeros(2, 6, 4, 3), sizes)
    assert [tuple(features.shape) for features in found] == [(2, 3, 25, 17), (2, 4, 13, 9), (2, 5, 7, 5)]
