"""A marker put into a file comes back to its place, in every orientation: fault 5, 1,000 affines. nibabel is the second opinion."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.io.nifti import read_volume, write_mask, write_volume

SHAPE = (7, 5, 6)
ORIENTATIONS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def make_affine(orientation: int, spacing: tuple[float, ...], angles: tuple[float, ...], origin: tuple[float, ...]) -> NDArray[np.float64]:
    order, signs = ORIENTATIONS[orientation]
    axes = np.zeros((3, 3))
    for voxel, (world, sign) in enumerate(zip(order, signs, strict=True)):
        axes[world, voxel] = sign
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ axes * np.array(spacing)
    affine[:3, 3] = origin
    return affine


affines = st.builds(
    make_affine,
    st.integers(0, 47),
    st.tuples(*[st.floats(0.3, 8.0)] * 3),
    st.tuples(*[st.floats(-30.0, 30.0)] * 3),
    st.tuples(*[st.floats(-200.0, 200.0)] * 3),
)
voxels = st.tuples(*[st.integers(0, n - 1) for n in SHAPE])
codes = st.sampled_from([(0, 1), (1, 0), (1, 1), (2, 4), (0, 2), (3, 0)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        # Thousands of flushes to a disk that others use too would take most of the time; nothing here depends on them.
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield tmp_path_factory.mktemp("geometry")


def write_with_nibabel(path: Path, data: NDArray[np.float32], affine: NDArray[np.float64], q_and_s: tuple[int, int]) -> nib.Nifti1Image:
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, q_and_s[0])
    image.set_sform(affine if q_and_s[1] else None, q_and_s[1])
    image.to_filename(path)
    return nib.load(path)


@settings(max_examples=1000)
@given(affines, voxels, codes)
def test_marker_returns(folder: Path, affine: NDArray[np.float64], marker: tuple[int, int, int], q_and_s: tuple[int, int]) -> None:
    data = np.zeros(SHAPE, np.float32)
    data[marker] = 1.0
    stored = write_with_nibabel(folder / "scan.nii", data, affine, q_and_s)
    volume = read_volume(folder / "scan.nii")

    inside = np.unravel_index(int(volume.data.argmax()), volume.data.shape)
    # In voxels. A float32 quaternion near a half turn is off by up to 0.001 rad, which a row of voxels of very unequal sides adds up.
    limit = 0.02 if q_and_s[1] else 0.5
    for truth in (affine, stored.affine):
        drift = np.linalg.solve(truth, [*volume.grid.to_world(inside), 1.0])[:3] - marker
        assert np.abs(drift).max() < limit, "the marker moved"
    assert nib.aff2axcodes(volume.grid.affine) == ("R", "A", "S")

    write_volume(folder / "again.nii", volume)
    again = nib.load(folder / "again.nii")
    assert np.array_equal(np.asarray(again.dataobj), data), "the stored axes changed"
    assert np.abs(again.affine - stored.affine).max() <= 1e-5
    assert (int(again.header["qform_code"]), int(again.header["sform_code"])) == q_and_s
    back = read_volume(folder / "again.nii")
    drift = volume.grid.to_index(back.grid.to_world(inside)) - inside
    assert np.abs(drift).max() < 0.5
    assert np.array_equal(back.data, volume.data)


@settings(max_examples=200)
@given(affines)
def test_left_and_right_never_swap(folder: Path, affine: NDArray[np.float64]) -> None:
    """A head with a mark on its right side only: the mark's half has the larger x in world and the larger i in memory."""
    world = nib.affines.apply_affine(affine, np.stack(np.indices(SHAPE), axis=-1))
    centre = world.reshape(-1, 3).mean(axis=0)
    right = (world[..., 0] > centre[0]).astype(np.float32)
    write_with_nibabel(folder / "sides.nii", right, affine, (1, 1))
    volume = read_volume(folder / "sides.nii")
    place = volume.grid.to_world(np.stack(np.indices(volume.data.shape), axis=-1))
    assert np.array_equal(volume.data > 0.5, place[..., 0] > centre[0]) or _only_on_the_border(volume, place, centre)

    write_mask(folder / "mask.nii.gz", volume.data > 0.5, volume)
    assert np.array_equal(np.asarray(nib.load(folder / "mask.nii.gz").dataobj), right.astype(np.uint8))


def _only_on_the_border(volume: Volume, place: NDArray[np.float64], centre: NDArray[np.float64]) -> bool:
    differs = (volume.data > 0.5) != (place[..., 0] > centre[0])
    return bool((np.abs(place[..., 0] - centre[0])[differs] < 1e-3).all())


@settings(max_examples=100)
@given(affines)
def test_cropped_volume_keeps_its_place(folder: Path, affine: NDArray[np.float64]) -> None:
    """A volume that left its source's grid is written on its own grid, at the same world coordinates."""
    rng = np.random.default_rng(3)
    write_with_nibabel(folder / "whole.nii", rng.random(SHAPE, np.float32), affine, (1, 1))
    volume = read_volume(folder / "whole.nii")
    shift = np.eye(4)
    shift[:3, 3] = 1.0
    grid = Grid(tuple(n - 1 for n in volume.grid.shape), volume.grid.affine @ shift)
    cropped = Volume(volume.data[1:, 1:, 1:], grid, source=volume.source)
    write_volume(folder / "cropped.nii", cropped)
    back = nib.load(folder / "cropped.nii")
    assert np.array_equal(np.asarray(back.dataobj), cropped.data)
    assert np.abs(back.affine - grid.affine).max() <= 1e-4
