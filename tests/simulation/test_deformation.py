"""Bending without folding, and the template's pose."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.simulation.deformation import Deformation, jacobian
from napari_brain_uad.simulation.fields import smooth_field, spline_weights
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population

STILL = {"deformation_mm": 0.0, "rotation_deg": 0.0, "scaling": 0.0, "shear": 0.0}
AXES = (np.arange(-60.0, 61), np.arange(-50.0, 51), np.arange(-40.0, 41))


def test_nothing_asked_for_moves_nothing() -> None:
    deformation = Deformation.draw(SimulationParams(**STILL), np.random.default_rng(0))
    np.testing.assert_allclose(deformation.coordinates(AXES), np.stack(np.meshgrid(*AXES, indexing="ij")), atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_strongest_deformation_does_not_fold(seed: int) -> None:
    params = SimulationParams(deformation_mm=6.0, rotation_deg=45.0, scaling=0.3, shear=0.2)
    coordinates = Deformation.draw(params, np.random.default_rng(seed)).coordinates(AXES)
    volume = jacobian(coordinates)
    assert volume.min() > 0.05
    assert volume.std() > 0.1, "it bends, it is not an affine map"


def test_jacobian_of_a_known_map() -> None:
    i, j, k = np.indices((8, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(jacobian(np.stack([2 * i + j, 3 * j, -k])), -6.0, rtol=1e-5)


def test_splines_keep_straight_lines() -> None:
    at = np.linspace(2.0, 6.0, 41)
    weights = spline_weights(at, 10)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(weights @ np.arange(10), at, rtol=1e-5)


def test_random_fields_have_unit_variance_and_their_smoothness() -> None:
    rng = np.random.default_rng(0)
    fields = np.stack([smooth_field((40, 40, 40), (8.0, 8.0, 8.0), rng) for _ in range(20)])
    assert fields.std() == pytest.approx(1.0, abs=0.12)
    assert np.abs(np.diff(fields, axis=1)).mean() < 0.2


def _centres(tissue_source: Volume, **settings: float | str) -> np.ndarray:
    simulated = Population([tissue_source], SimulationParams(**STILL, **settings))[0]
    # Ventricles: the fluid deep inside.
    brain = ndimage.distance_transform_edt(simulated.volume.mask)
    return simulated.volume.grid.to_world(np.argwhere((simulated.tissue == 1) & (brain > 14)).mean(axis=0))


def test_a_tilted_head_is_set_upright(head: Volume) -> None:
    angle = np.radians(25.0)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    middle = (np.array(head.data.shape) - 1) / 2
    data = ndimage.affine_transform(head.data, turn, middle - turn @ middle, order=0)
    tilted = Volume(data, head.grid, "tilted")
    upright = _centres(head)
    np.testing.assert_allclose(_centres(tilted), upright, atol=1.5)
    assert np.linalg.norm(_centres(tilted, pose="scanner") - _centres(head, pose="scanner")) > 3.0


def test_the_scanner_pose_keeps_the_label_maps_place(head: Volume) -> None:
    affine = np.array([[0.0, 0, -2, 30], [-1, 0, 0, 12], [0, 1, 0, -7], [0, 0, 0, 1]])  # stored axes P S L, 2 mm to the left
    data = np.ascontiguousarray(head.data[:, :, ::2])
    simulated = Population([Volume(data, Grid(data.shape, affine), "moved")], SimulationParams(**STILL, pose="scanner"))[0]
    brain = np.isin(data, [2, 3, 41, 42, 16, 4, 43])
    expected = Grid(data.shape, affine).to_world(np.argwhere(brain).mean(axis=0))
    assert simulated.volume.grid.axcodes == "RAS"
    found = simulated.volume.grid.to_world(np.argwhere(simulated.tissue >= 2).mean(axis=0))
    np.testing.assert_allclose(found, expected, atol=1.0)


def test_maps_without_landmarks_are_refused_or_left_as_they_are(head: Volume) -> None:
    plain = head.with_data(np.where(np.isin(head.data, [2, 41]), 2, 0).astype(np.float32))
    with pytest.raises(InputError, match="pose"):
        Population([plain])[0]
    assert Population([plain], SimulationParams(pose="scanner"))[0].tissue.max() == 3


def test_a_map_without_a_brain_is_refused(head: Volume) -> None:
    with pytest.raises(InputError, match="less than 1 ml of brain"):
        Population([head.with_data(np.where(head.data > 500, head.data, 0))])[0]
