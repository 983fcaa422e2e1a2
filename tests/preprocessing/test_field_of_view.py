"""What a scan shows of a brain, and affine alignment that does not take the image's edge for the brain's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.preprocessing import correlation_fit
from napari_brain_uad.preprocessing.correlation_fit import _Problem, fit_correlation
from napari_brain_uad.preprocessing.field_of_view import field_of_view
from napari_brain_uad.preprocessing.geometry import resample_volume
from napari_brain_uad.preprocessing.registration import align
from napari_brain_uad.preprocessing.step import Context
from napari_brain_uad.preprocessing.steps.register_mni import RegisterMni
from napari_brain_uad.preprocessing.template import MNI_GRID, template


def farthest_mm(found: np.ndarray, truth: np.ndarray) -> float:
    points = MNI_GRID.to_world(np.argwhere(template().mask)[::500])
    ahead = [points @ m[:3, :3].T + m[:3, 3] for m in (found, truth)]
    return float(np.linalg.norm(ahead[0] - ahead[1], axis=1).max())


@pytest.fixture(scope="module")
def cut() -> tuple[Volume, np.ndarray]:
    """The template, turned and scaled, in 28 slices of 3 mm that leave out its top and its bottom."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (5, -4, 6), degrees=True).as_matrix() @ np.diag([0.95, 0.92, 0.9])
    matrix[:3, 3] = (8.0, -12.0, 20.0)
    affine = np.diag([1.5, 1.5, 3.0, 1.0])
    affine[:3, 3] = (-90, -140, -10)
    moved = resample_volume(template(), Grid((120, 160, 28), affine), np.linalg.inv(matrix))
    return replace(moved, name="cut"), matrix


def test_a_brain_that_ends_inside_the_image_is_known_everywhere():
    mask = np.zeros((20, 20, 20), bool)
    mask[3:17, 3:17, 3:17] = True
    view = field_of_view(mask, Grid((20, 20, 20), np.eye(4)))
    assert view.whole
    assert view.holds(np.array([[500.0, 0, 0]])).all()
    assert not view.cut_axes().any()


def test_nothing_is_known_beyond_the_face_that_cuts_the_brain():
    mask = np.zeros((20, 20, 20), bool)
    mask[3:17, 3:17, 3:] = True
    # k runs along the world's y: the cut is one of y.
    affine = np.array([[2.0, 0, 0, 0], [0, 0, 3.0, 0], [0, 2.0, 0, 0], [0, 0, 0, 1]])
    view = field_of_view(mask, Grid(mask.shape, affine))
    assert not view.whole
    np.testing.assert_array_equal(view.cut_axes(), [False, True, False])
    np.testing.assert_array_equal(
        view.holds(np.array([[0, 58.4, 0], [0, 58.6, 0], [0, -900.0, 0], [900.0, 0, 0]])), [True, False, True, True]
    )


@pytest.mark.slow
def test_a_brain_cut_off_by_the_image_is_not_stretched_to_fill_the_template(cut):
    volume, matrix = cut
    found = RegisterMni().apply(volume, Context())
    assert farthest_mm(found.matrix, matrix) < 1.0
    heights = (MNI_GRID.to_world(np.argwhere(template().mask)) @ matrix[:3, :3].T + matrix[:3, 3])[:, 2]
    truth = ((heights >= -11.5) & (heights <= -10 + 27 * 3 + 1.5)).mean()
    assert 0.5 < truth < 0.9
    assert found.outcome["shown"] == pytest.approx(truth, abs=0.01)
    assert found.outcome["ncc_shown"] > 0.9 > found.outcome["ncc"]
    assert found.outcome["dice_shown"] > 0.97
    assert "% of the brain" in found.said
    assert found.findings == ()


@pytest.mark.slow
def test_so_it_is_in_another_contrast(cut):
    volume, matrix = cut
    inverted = volume.with_data(np.where(volume.mask, 260 - volume.data, 0).astype(np.float32))
    assert farthest_mm(align(template(), inverted, "affine", Progress()).matrix, matrix) < 4.0


def test_the_gradient_of_the_correlation_is_its_slope():
    """Of a brain that is whole: a point that leaves what is known makes the measure jump by a hair, which no gradient tells."""
    problem = _Problem.of(template(), template(), np.eye(4), 2.0, 64)
    at = np.random.default_rng(0).normal(0, 1.0, 12)
    _, gradient = problem.loss(at)
    step = 1e-3
    slopes = [(problem.loss(at + step * e)[0] - problem.loss(at - step * e)[0]) / (2 * step) for e in np.eye(12)]
    np.testing.assert_allclose(gradient, slopes, atol=0.01 * np.abs(gradient).max())


def test_the_fit_finds_back_from_a_wrong_start(cut, monkeypatch):
    volume, matrix = cut
    monkeypatch.setattr(correlation_fit, "_LEVELS", ((3.0, 64), (1.0, 64)))
    off = np.eye(4)
    off[:3, :3] += np.random.default_rng(1).normal(0, 0.02, (3, 3))
    off[:3, 3] = (4.0, -5.0, 6.0)
    assert farthest_mm(matrix @ off, matrix) > 7.0
    assert farthest_mm(fit_correlation(template(), volume, matrix @ off, Progress()), matrix) < 0.5
