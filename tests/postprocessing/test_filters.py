"""Oracle: scipy.ndimage on the whole array (ours works on the part that can change) and SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.filters import bounding_box, erode, gaussian, median


def ellipsoid(shape: tuple[int, ...], fill: float = 0.8) -> np.ndarray:
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return sum(axis**2 for axis in axes) < fill**2


SHAPES = [(9, 10, 11), (1, 1, 1), (2, 7, 30), (16, 3, 5), (1, 12, 12), (5, 70, 4), (6, 131, 7)]


@pytest.mark.parametrize("size", [3, 5, 7])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["continuous", "ties", "island"])
def test_median_equals_scipy(size: int, shape: tuple[int, int, int], kind: str) -> None:
    rng = np.random.default_rng(size)
    score = rng.normal(size=shape).astype(np.float32)
    if kind == "ties":
        score = np.round(score)
    if kind == "island":
        score = np.where(ellipsoid(shape), score, np.float32(-3.0))
    before = score.copy()
    np.testing.assert_array_equal(median(score, size), ndimage.median_filter(score, size, mode="nearest"))
    np.testing.assert_array_equal(score, before)


def test_median_against_simpleitk() -> None:
    score = np.random.default_rng(3).random((20, 21, 22), dtype=np.float32)
    expected = sitk.GetArrayFromImage(sitk.Median(sitk.GetImageFromArray(score), [2, 2, 2]))
    inner = (slice(2, -2),) * 3
    np.testing.assert_array_equal(median(score, 5)[inner], expected[inner])


def test_median_of_a_constant_and_of_size_0() -> None:
    score = np.full((6, 7, 8), 0.25, np.float32)
    np.testing.assert_array_equal(median(score, 5), score)
    assert median(score, 0) is score


def test_median_refuses_other_sizes() -> None:
    with pytest.raises(InputError, match="0 \\(off\\), 3, 5 or 7"):
        median(np.zeros((3, 3, 3), np.float32), 4)


@pytest.mark.parametrize("sigma_mm", [0.4, 1.0, 3.0])
def test_gaussian_equals_scipy_on_an_anisotropic_grid(sigma_mm: float) -> None:
    shape = (24, 20, 12)
    score = np.where(ellipsoid(shape, 0.5), np.random.default_rng(1).random(shape, dtype=np.float32), np.float32(-0.5))
    grid = Grid(shape, np.diag([0.7, 1.0, 3.0, 1.0]))
    expected = ndimage.gaussian_filter(score.astype(np.float64), [sigma_mm / 0.7, sigma_mm / 1.0, sigma_mm / 3.0], mode="nearest")
    np.testing.assert_allclose(gaussian(score, sigma_mm, grid), expected, atol=2e-6)


def test_gaussian_of_0_changes_nothing() -> None:
    score = np.random.default_rng(1).random((4, 4, 4), dtype=np.float32)
    assert gaussian(score, 0.0, Grid((4, 4, 4), np.eye(4))) is score


@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_erosion_equals_scipy_and_simpleitk(iterations: int) -> None:
    mask = np.pad(ellipsoid((20, 22, 18), 0.95) & (np.random.default_rng(2).random((20, 22, 18)) < 0.995), 3)
    eroded = erode(mask, iterations)
    np.testing.assert_array_equal(eroded, ndimage.binary_erosion(mask, iterations=iterations) if iterations else mask)
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    for _ in range(iterations):
        image = sitk.BinaryErode(image, [1, 1, 1], sitk.sitkCross)
    np.testing.assert_array_equal(eroded, sitk.GetArrayFromImage(image) > 0)


def test_erosion_at_the_border_of_the_image_takes_a_layer_off() -> None:
    eroded = erode(np.ones((5, 5, 5), bool), 1)
    assert eroded.sum() == 27
    assert not erode(np.zeros((5, 5, 5), bool), 1).any()


def test_bounding_box() -> None:
    mask = np.zeros((5, 6, 7), bool)
    mask[1, 5, 2] = mask[3, 2, 6] = True
    assert bounding_box(mask) == (slice(1, 4), slice(2, 6), slice(2, 7))
