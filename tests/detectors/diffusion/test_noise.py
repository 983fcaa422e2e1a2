"""Noise against the package opensimplex and calculations by other means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from opensimplex import OpenSimplex
from scipy.interpolate import RegularGridInterpolator

from napari_brain_uad.detectors.diffusion.names import KINDS
from napari_brain_uad.detectors.diffusion.noise import coarse_noise, noise_fields
from napari_brain_uad.detectors.diffusion.simplex import simplex_fields


def octaves(seed: int, height: int, width: int) -> np.ndarray:
    source, field = OpenSimplex(seed), np.zeros((height, width))
    for octave in range(6):
        scale = 64.0 / 2**octave
        field += 0.8**octave * source.noise2array(np.arange(width) / scale, np.arange(height) / scale)
    return field


@pytest.mark.parametrize("seed", [0, 3, 2**31 - 1, -5])
def test_simplex_fields_are_those_of_opensimplex(seed: int) -> None:
    found = simplex_fields([seed, 1], 40, 72)
    np.testing.assert_allclose(found[0], octaves(seed, 40, 72), atol=1e-12)
    np.testing.assert_allclose(found[1], octaves(1, 40, 72), atol=1e-12)


def test_the_reference_field() -> None:
    field = simplex_fields([3], 96, 96)[0]
    assert field.sum() == pytest.approx(-1988.57675, abs=1e-5)
    np.testing.assert_allclose(field[0, :4], [0, 0.19484, 0.11829, 0.07105], atol=5e-6)
    assert field.std() == pytest.approx(0.55, abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_belongs_to_its_seed_alone(kind: str) -> None:
    together = noise_fields(kind, [5, 9, 5], 24, 40)
    assert together.shape == (3, 1, 24, 40)
    assert torch.equal(together[0], together[2])
    assert not torch.equal(together[0], together[1])
    assert torch.equal(noise_fields(kind, [9], 24, 40)[0], together[1])


def test_coarse_noise_is_a_bilinear_field_that_is_rolled() -> None:
    drawn = torch.randn((1, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    whole = coarse_noise(drawn, torch.zeros((1, 2)), 128, 96)[0, 0].numpy()
    rows, columns = np.linspace(0, 15, 128), np.linspace(0, 15, 96)
    points = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
    expected = RegularGridInterpolator((np.arange(16), np.arange(16)), drawn[0, 0].numpy())(points)
    np.testing.assert_allclose(whole, expected, atol=1e-5)
    rolled = coarse_noise(drawn, torch.tensor([[0.25, 0.5]]), 128, 96)[0, 0].numpy()
    np.testing.assert_allclose(rolled, np.roll(whole, (32, 48), axis=(0, 1)), atol=1e-6)


def test_gaussian_noise_is_standard_normal() -> None:
    field = noise_fields("gaussian", range(4), 96, 96)
    assert float(field.mean()) == pytest.approx(0, abs=0.02)
    assert float(field.std()) == pytest.approx(1, abs=0.02)
