"""Grids and orientation, against nibabel's own reading of affines."""

from __future__ import annotations

import pickle

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import aff2axcodes, apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from napari_brain_uad.core.checks import Finding
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Grid, Source, Volume, canonical, closest_axes

SHAPE = (4, 6, 5)


def random_affine(seed: int, degrees: float) -> NDArray[np.float64]:
    """A signed permutation, voxel sizes, a rotation of at most `degrees` about a random axis, an origin."""
    rng = np.random.default_rng(seed)
    axes = np.eye(3)[rng.permutation(3)] * rng.choice([-1.0, 1.0], 3)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    angle = np.radians(rng.uniform(-degrees, degrees))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross  # Rodrigues
    affine = np.eye(4)
    affine[:3, :3] = rotation @ axes * rng.uniform(0.3, 8.0, 3)
    affine[:3, 3] = rng.uniform(-200, 200, 3)
    return affine


affines = st.builds(random_affine, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 5.0, 40.0]))


@settings(max_examples=300)
@given(affines)
def test_canonical_is_nibabels(affine: NDArray[np.float64]) -> None:
    data = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    turned, grid = canonical(data, Grid(SHAPE, affine))
    orientation = io_orientation(affine)
    np.testing.assert_array_equal(turned, apply_orientation(data, orientation))
    np.testing.assert_allclose(grid.affine, affine @ inv_ornt_aff(orientation, SHAPE), atol=1e-9)
    assert grid.shape == turned.shape
    assert Grid(SHAPE, affine).axcodes == "".join(aff2axcodes(affine))
    assert grid.axcodes == "RAS"


@settings(max_examples=300)
@given(affines)
def test_to_native_undoes_canonical(affine: NDArray[np.float64]) -> None:
    data = np.random.default_rng(0).random(SHAPE)
    turned, _ = canonical(data, Grid(SHAPE, affine))
    np.testing.assert_array_equal(Source(Grid(SHAPE, affine)).to_native(turned), data)


@settings(max_examples=100)
@given(affines)
def test_world_and_index_are_inverse(affine: NDArray[np.float64]) -> None:
    grid = Grid(SHAPE, affine)
    index = np.random.default_rng(1).uniform(-3, 9, (2, 7, 3))
    world = grid.to_world(index)
    np.testing.assert_allclose(world, nib.affines.apply_affine(affine, index), atol=1e-9)
    np.testing.assert_allclose(grid.to_index(world), index, atol=1e-8)
    np.testing.assert_allclose(grid.to_world([0, 0, 0]), affine[:3, 3])
    np.testing.assert_allclose(grid.to_index(grid.to_world([1.5, 2, 3])), [1.5, 2, 3], atol=1e-8)


@settings(max_examples=100)
@given(affines)
def test_sizes(affine: NDArray[np.float64]) -> None:
    grid = Grid(SHAPE, affine)
    np.testing.assert_allclose(grid.spacing, nib.affines.voxel_sizes(affine))
    assert grid.voxel_volume_mm3 == pytest.approx(np.prod(nib.affines.voxel_sizes(affine)))
    assert grid.oblique_degrees == pytest.approx(np.degrees(nib.affines.obliquity(affine)).max(), abs=1e-4)


def test_sheared_voxels_have_the_volume_of_the_determinant() -> None:
    affine = np.array([[1.0, 1.0, 0, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    assert Grid(SHAPE, affine).voxel_volume_mm3 == pytest.approx(2.0)


def test_every_axis_gets_a_world_axis_of_its_own() -> None:
    """Both first axes are closest to x; one must take y. Near 45 degrees a plain argmax would give x twice."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0.9, 0.8, 0], [0.4, 0.6, 0], [0.1, 0, 1]])
    axes, signs = closest_axes(affine)
    assert sorted(axes) == [0, 1, 2]
    assert axes == (0, 1, 2)
    assert signs == (1, 1, 1)


@pytest.mark.parametrize(
    "affine",
    [np.eye(3), np.zeros((4, 4)), np.diag([1, 1, 0, 1]), np.full((4, 4), np.nan), np.diag([1, np.inf, 1, 1])],
    ids=["3x3", "zero", "flat", "NaN", "infinite"],
)
def test_grid_refuses_affines_without_an_inverse(affine: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="affine"):
        Grid(SHAPE, affine)


def test_grid_owns_its_affine() -> None:
    affine = np.eye(4)
    grid = Grid(SHAPE, affine)
    affine[0, 0] = 9.0
    assert grid.affine[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 2.0


def test_grids_that_differ_say_how() -> None:
    grid = Grid(SHAPE, np.eye(4))
    assert grid.compare(Grid(SHAPE, np.eye(4)), "mask") == ()
    (shape,) = grid.compare(Grid((4, 6, 6), np.eye(4)), "mask")
    assert (shape.code, shape.level) == ("other-shape", "error")
    moved = np.eye(4)
    moved[2, 3] = 2.5
    (place,) = grid.compare(Grid(SHAPE, moved), "mask")
    assert place.code == "other-affine"
    assert "2.5 mm" in place.message
    nudged = np.eye(4)
    nudged[2, 3] = 0.05
    assert grid.compare(Grid(SHAPE, nudged), "mask") == ()


def test_grids_far_out_at_the_corner_only() -> None:
    """Equal origins and a slightly larger voxel: the far corner tells."""
    (finding,) = Grid((200, 200, 200), np.eye(4)).compare(Grid((200, 200, 200), np.diag([1.01, 1, 1, 1])), "mask")
    assert "1.99 mm" in finding.message


def test_volume_refuses_what_does_not_fit() -> None:
    grid = Grid(SHAPE, np.eye(4))
    data = np.ones(SHAPE, np.float32)
    with pytest.raises(InputError, match="voxels"):
        Volume(data[1:], grid)
    with pytest.raises(InputError, match="dimensions"):
        Volume(np.ones((4, 6), np.float32), grid)
    with pytest.raises(InputError, match="brain mask"):
        Volume(data, grid, mask=np.ones((1, 1, 1), bool))
    with pytest.raises(InputError, match="1 of 120"):
        Volume(np.where(np.arange(120).reshape(SHAPE) == 3, np.nan, data), grid)


def test_volume_copies() -> None:
    grid = Grid(SHAPE, np.eye(4))
    volume = Volume(np.ones(SHAPE, np.float32), grid, name="a", sequence="T1", findings=(Finding("x", "info", "y"),))
    mask = np.zeros(SHAPE, bool)
    assert volume.with_mask(mask).mask is mask
    assert volume.mask is None
    other = volume.with_data(np.zeros(SHAPE, np.float32))
    assert other.data.max() == 0
    assert (other.name, other.sequence, other.findings) == ("a", "T1", volume.findings)
    data, native = volume.to_native(mask)
    assert data is mask
    assert native is grid


def test_volume_in_native_axes() -> None:
    affine = np.array([[0, 0, -3.0, 50], [-1, 0, 0, 60], [0, 1, 0, -70], [0, 0, 0, 1]])
    stored = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    source = Source(Grid(SHAPE, affine))
    turned, grid = canonical(stored, source.grid)
    volume = Volume(np.ascontiguousarray(turned), grid, source=source)
    data, native = volume.to_native(volume.data)
    np.testing.assert_array_equal(data, stored)
    np.testing.assert_array_equal(native.affine, affine)


def test_orientation_known() -> None:
    grid = Grid(SHAPE, np.eye(4))
    assert Source(grid).orientation_known
    assert Source(grid, qform_code=1, sform_code=0).orientation_known
    assert not Source(grid, qform_code=0, sform_code=0).orientation_known


def test_volumes_cross_processes() -> None:
    volume = Volume(np.ones(SHAPE, np.float32), Grid(SHAPE, np.diag([1, 2, 3, 1.0])), name="a")
    back = pickle.loads(pickle.dumps(volume))
    np.testing.assert_array_equal(back.grid.affine, volume.grid.affine)
    assert back.name == "a"


def test_grid_as_json_data() -> None:
    record = Grid(SHAPE, np.diag([-1.0, 1, 1, 1])).as_dict()
    assert record == {"shape": [4, 6, 5], "affine": np.diag([-1.0, 1, 1, 1]).tolist(), "orientation": "LAS"}
