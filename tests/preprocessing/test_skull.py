from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.io.nifti import read_volume
from napari_brain_uad.preprocessing.brain_mask import estimate_brain_mask

SHAPE = (64, 76, 64)
SKIN, BONE, FLUID, CORTEX, WHITE = 160.0, 12.0, 20.0, 80.0, 100.0


def anatomy(millimetres: float, head: bool, skin: float = SKIN, bone: float = BONE) -> Volume:
    """A head or its brain in air of exactly 0; `millimetres` a voxel."""
    i, j, k = np.meshgrid(*(np.arange(n) - n / 2 for n in SHAPE), indexing="ij")
    radius = np.sqrt(i**2 + (j * 0.85) ** 2 + k**2) * millimetres
    outer = 29 * millimetres
    layers = [(outer, skin), (outer - 6, bone), (outer - 13, FLUID), (outer - 15, CORTEX), (outer - 20, WHITE)]
    data = np.zeros(SHAPE)
    for limit, value in layers if head else layers[3:]:
        data[radius < limit] = value
    data += np.where(data > 0, np.random.default_rng(0).uniform(1, 8, SHAPE), 0)
    return Volume(data.astype(np.float32), Grid(SHAPE, np.diag([millimetres] * 3 + [1.0])))


@pytest.mark.parametrize("millimetres", [2.0, 2.4, 2.8])
@pytest.mark.parametrize("skin", [160.0, 60.0])
def test_heads_of_any_size_are_told_by_their_bone(millimetres: float, skin: float) -> None:
    """With bright fat, and with fat made dark; the smallest is smaller than most brains."""
    found = estimate_brain_mask(anatomy(millimetres, True, skin=skin))
    assert not found.stripped
    assert [finding.code for finding in found.findings] == ["skull"]
    assert "dark as bone" in found.why or "too much" in found.why


@pytest.mark.parametrize("millimetres", [2.0, 2.4, 2.8])
def test_brains_of_any_size_stay_stripped(millimetres: float) -> None:
    volume = anatomy(millimetres, False)
    found = estimate_brain_mask(volume)
    assert found.stripped
    assert "no bone" in found.why
    np.testing.assert_array_equal(found.mask, volume.data > 0)


@pytest.mark.parametrize("part", [np.s_[:, :, 30:50], np.s_[:32], np.s_[:, :50, :], np.s_[:, :, 20:]])
def test_parts_of_a_head_are_heads(part: tuple[slice, ...]) -> None:
    whole = anatomy(2.4, True)
    data = np.zeros(SHAPE, np.float32)
    data[part] = whole.data[part]
    assert not estimate_brain_mask(whole.with_data(data)).stripped


def test_what_is_not_clear_is_prepared_and_said() -> None:
    """Bone in every eighth place under the surface: more than in brains, less than in heads."""
    volume = anatomy(2.4, False)
    dotted = np.random.default_rng(1).random(SHAPE) < 0.13
    found = estimate_brain_mask(volume.with_data(np.where(dotted & (volume.data > 0), np.float32(15), volume.data)))
    assert not found.stripped
    assert "may show the whole head" in found.findings[0].message


@pytest.mark.parametrize("file", ["raw/TCGA-FG-6692/T1c.nii.gz", "healthy/chris_T1.nii.gz"])
def test_a_real_small_head_in_empty_air(shared_data: Path, file: str) -> None:
    """A child's size, with the air set to 0."""
    volume = read_volume(shared_data / file)
    data = np.where(volume.data > 0.15 * np.percentile(volume.data, 99), volume.data, np.float32(0))
    data[[0, -1]] = data[:, [0, -1]] = data[:, :, [0, -1]] = 0
    shrunk = volume.grid.affine.copy()
    shrunk[:3, :3] *= 0.7
    small = replace(volume, data=data, grid=Grid(volume.grid.shape, shrunk))
    assert not estimate_brain_mask(small).stripped
