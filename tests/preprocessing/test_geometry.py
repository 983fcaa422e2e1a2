"""Interpolation against scipy, exact copies where grids agree, and markers that come back to where they were."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from napari_brain_uad.core.volume import Grid, Volume, canonical
from napari_brain_uad.preprocessing.geometry import (
    grid_with_spacing,
    resample_array,
    resample_inside,
    resample_mask,
    resample_volume,
    shifted_grid,
)

RNG = np.random.default_rng(3)


def oblique_grid(shape, spacing=(1.0, 2.0, 3.0), angles=(10, -20, 30), origin=(5.0, -7.0, 11.0)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(spacing)
    affine[:3, 3] = origin
    return Grid(shape, affine)


def test_linear_interpolation_agrees_with_scipy_inside_the_image():
    grid, target = oblique_grid((12, 14, 16)), oblique_grid((20, 10, 9), (0.7, 2.2, 3.5), (-5, 12, 40), (7.0, -4.0, 14.0))
    data = RNG.normal(size=grid.shape).astype(np.float32)
    ours = resample_array(data, grid, target, fill=-99.0)
    index = grid.to_index(target.to_world(np.moveaxis(np.indices(target.shape), 0, -1)))
    inside = ((index >= 0) & (index <= np.array(grid.shape) - 1)).all(axis=-1)
    theirs = map_coordinates(data.astype(float), np.moveaxis(index, -1, 0), order=1, mode="nearest")
    assert inside.sum() > 100
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-4)
    beyond = ((index < -0.51) | (index > np.array(grid.shape) - 0.49)).any(axis=-1)
    assert (ours[beyond] == -99.0).all()


def test_a_world_matrix_moves_the_sampling_points():
    grid = oblique_grid((10, 11, 12))
    data = RNG.normal(size=grid.shape).astype(np.float32)
    move = np.eye(4)
    move[:3, 3] = grid.affine[:3, 0] * 2  # two voxels along i
    moved = resample_array(data, grid, grid, move)
    np.testing.assert_array_equal(moved[:-2], data[2:])
    assert (moved[-2:] == 0).all()


def test_sheared_grids_are_as_exact_as_others():
    affine = np.array([[2.0, 0.5, 0, 1], [0, 2, 0.7, 2], [0.3, 0, 2, 3], [0, 0, 0, 1]])
    grid = Grid((9, 9, 9), affine)
    data = grid.to_world(np.moveaxis(np.indices(grid.shape), 0, -1))[..., 0].astype(np.float32)
    target = Grid((3, 3, 3), np.array([[1.0, 0, 0, 9], [0, 1, 0, 12], [0, 0, 1, 12], [0, 0, 0, 1]]))
    expected = target.to_world(np.moveaxis(np.indices(target.shape), 0, -1))[..., 0]
    np.testing.assert_allclose(resample_array(data, grid, target), expected, atol=1e-4)


def test_cubic_never_leaves_the_range_of_its_input():
    grid = Grid((16, 16, 16), np.eye(4))
    data = np.zeros(grid.shape, np.float32)
    data[8:, :, :] = 100.0
    smooth = resample_array(data, grid, grid_with_spacing(grid, (0.7, 0.7, 0.7)), interpolation="cubic")
    assert smooth.min() >= 0.0
    assert smooth.max() <= 100.0


def test_background_does_not_bleed_into_the_brain():
    grid = Grid((20, 20, 20), np.diag([1.0, 1.0, 4.0, 1.0]))
    mask = np.zeros(grid.shape, bool)
    mask[5:15, 5:15, 5:15] = True
    data = np.where(mask, 100.0, 0.0).astype(np.float32)
    target = grid_with_spacing(grid, (1.0, 1.0, 1.0))
    moved, inside = resample_inside(data, mask, grid, target)
    np.testing.assert_allclose(moved[inside], 100.0, rtol=1e-5)
    assert (moved[~inside] == 0).all()
    assert inside.sum() == 10 * 10 * 40
    plain = resample_array(data, grid, target)
    assert plain[inside].min() < 70.0  # what is avoided


def test_masks_keep_their_volume_on_finer_and_coarser_grids():
    grid = Grid((60, 60, 60), np.eye(4))
    mask = ((np.indices(grid.shape) - 29.5) ** 2).sum(axis=0) < 22**2
    for spacing in (0.6, 1.7, 2.5):
        target = grid_with_spacing(grid, (spacing,) * 3)
        moved = resample_mask(mask, grid, target)
        assert abs(moved.sum() * spacing**3 / mask.sum() - 1) < 0.03


def test_whole_voxel_shifts_copy():
    grid = oblique_grid((10, 11, 12))
    data = RNG.normal(size=grid.shape).astype(np.float32)
    target = shifted_grid(grid, (2, -1, 3), (6, 13, 5))
    moved = resample_array(data, grid, target)
    np.testing.assert_array_equal(moved[:, 1:12, :], data[2:8, :, 3:8])
    assert (moved[:, 0] == 0).all()
    np.testing.assert_array_equal(resample_array(moved, target, grid)[2:8, :, 3:8], data[2:8, :, 3:8])


def test_a_volume_without_mask_is_resampled_plainly():
    volume = Volume(RNG.normal(size=(8, 8, 8)).astype(np.float32), Grid((8, 8, 8), np.eye(4)))
    moved = resample_volume(volume, grid_with_spacing(volume.grid, (2.0, 2.0, 2.0)))
    assert moved.mask is None
    assert moved.data.shape == (4, 4, 4)
    np.testing.assert_allclose(moved.data[1, 1, 1], volume.data[2:4, 2:4, 2:4].mean(), atol=1e-5)


orientations = st.tuples(st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([1, -1])] * 3))
spacings = st.tuples(*[st.floats(0.3, 8.0)] * 3)
tilts = st.tuples(*[st.floats(-40, 40)] * 3)


@settings(max_examples=1000)
@given(orientations, spacings, tilts, st.tuples(*[st.floats(-200, 200)] * 3), st.floats(0.8, 1.3))
def test_a_marker_comes_back_within_half_a_voxel_and_on_its_side(orientation, spacing, tilt, origin, scale):
    """Scan with any affine -> RAS -> a rotated, scaled model grid -> back: 48 orientations, 0.3 to 8 mm, oblique."""
    order, signs = orientation
    turn = Rotation.from_euler("xyz", tilt, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.eye(3)[:, list(order)] @ np.diag(np.array(signs) * spacing)
    affine[:3, 3] = origin
    stored = np.zeros((13, 12, 11), np.float32)
    marker = (9, 4, 3)
    stored[marker] = 1.0
    grid = Grid(stored.shape, affine)
    where = grid.to_world(marker)
    data, ras = canonical(stored, grid)

    matrix = np.eye(4)
    matrix[:3, :3] = scale * Rotation.from_euler("zyx", (8, -5, 3), degrees=True).as_matrix()
    matrix[:3, 3] = (4.0, -9.0, 2.0)
    fine = min(spacing) / 1.6 / scale
    middle = np.linalg.inv(matrix) @ np.append(where, 1.0)
    model = np.diag([fine, fine, fine, 1.0])
    half = np.ceil(2.5 * np.array([max(spacing)] * 3) / fine / scale).clip(6, 40).astype(int)
    model[:3, 3] = middle[:3] - half * fine
    target = Grid(tuple(2 * half + 1), model)
    moved = resample_array(np.asarray(data), ras, target, matrix)
    back = resample_array(moved, target, ras, np.linalg.inv(matrix))

    peak = np.unravel_index(int(np.argmax(back)), back.shape)
    index = np.array(ras.to_index(where))
    assert np.abs(np.array(peak) - index).max() <= 0.5
    assert back[peak] > 0.2
    mirrored = index.copy()
    mirrored[0] = back.shape[0] - 1 - mirrored[0]
    if abs(mirrored[0] - index[0]) >= 1:
        assert back[tuple(np.round(mirrored).astype(int))] < 0.5 * back[peak]
