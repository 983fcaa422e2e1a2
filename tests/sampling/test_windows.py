"""What a network sees of a scan, and how scores come home."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.sampling.pool import Pool
from napari_brain_uad.sampling.slices import SliceGrid, Slices, to_slices
from napari_brain_uad.sampling.windows import Cut, Windows

ALL = [
    Windows(),
    Windows(neighbours=2),
    Windows(size=(8, 12)),
    Windows(size=(8, 12), step=(4, 5), neighbours=1),
    Windows(dimensions=3),
    Windows(dimensions=3, size=(4, 8, 8), step=(3, 5, 8)),
    Windows(dimensions=3, size=(40, 64, 64)),
]


def slices(seed: int = 0, depth: int | None = None) -> Slices:
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in (28, 30, 18)), indexing="ij")
    mask = i**2 + j**2 + k**2 < 0.9
    data = np.where(mask, 1 + np.random.default_rng(seed).random(mask.shape), 0).astype(np.float32)
    return to_slices(Volume(data, Grid(mask.shape, np.eye(4)), mask=mask), SliceGrid(32, 28, 1.0, 1.0, depth))


@pytest.mark.parametrize("windows", ALL)
def test_what_is_cut_and_put_together_again_is_the_scan(windows: Windows) -> None:
    cut = Cut([slices()], windows)
    images = cut.images(range(len(cut)))
    assert images.shape == (len(cut), *cut.shape)
    own = images[:, 0] if windows.dimensions == 3 else images[:, windows.neighbours]
    np.testing.assert_allclose(cut.stitched(own), slices().data, rtol=1e-6)
    np.testing.assert_array_equal(cut.stitched(cut.brain(range(len(cut))).astype(np.float32)) > 0.5, slices().mask)


@pytest.mark.parametrize("windows", ALL)
def test_index_says_where_a_sample_lies(windows: Windows) -> None:
    cut = Cut([slices()], windows)
    row = len(cut) // 2
    depth, down, across = cut.index[row]
    image = cut.images([row])[0]
    own = image[0, 0] if windows.dimensions == 3 else image[windows.neighbours]
    inside = slices().data[depth, down : down + own.shape[0], across : across + own.shape[1]]
    np.testing.assert_array_equal(own[: inside.shape[0], : inside.shape[1]], inside)


def test_neighbours_are_those_of_the_scan_and_nothing_beyond_its_ends() -> None:
    cut = Cut([slices()], Windows(neighbours=2))
    first, middle, last = cut.images([0, 7, len(cut) - 1])
    assert not first[:2].any()
    assert not last[3:].any()
    np.testing.assert_array_equal(middle, slices().data[5:10])


def test_sequences_of_one_subject_are_channels_in_turn() -> None:
    cut = Cut([slices(0), slices(1)], Windows(neighbours=1))
    assert cut.shape == (6, 32, 28)
    image = cut.images([6])[0]
    np.testing.assert_array_equal(image[1], slices(0).data[6])
    np.testing.assert_array_equal(image[4], slices(1).data[6])


def test_overlaps_are_averaged() -> None:
    cut = Cut([slices()], Windows(size=(32, 20), step=(32, 8)))
    assert sorted(set(cut.index[:, 2].tolist())) == [0, 8]
    scores = np.zeros((len(cut), 32, 20), np.float32)
    scores[cut.index[:, 2] == 8] = 1.0
    columns = cut.stitched(scores)[0, 0]
    np.testing.assert_array_equal(columns, [0.0] * 8 + [0.5] * 12 + [1.0] * 8)


def test_the_last_patch_ends_with_the_slice() -> None:
    cut = Cut([slices()], Windows(size=(20, 28)))
    assert sorted(set(cut.index[:, 1].tolist())) == [0, 12]


def test_a_fixed_depth_holds_the_brain_in_its_middle() -> None:
    block = slices(depth=24)
    assert block.data.shape == (24, 32, 28)
    filled = np.flatnonzero(block.mask.any(axis=(1, 2)))
    assert filled[0] == 23 - filled[-1]


@pytest.mark.parametrize(
    "wrong", [{"size": (8, 8, 8)}, {"dimensions": 3, "size": (8, 8)}, {"dimensions": 4}, {"dimensions": 3, "neighbours": 1}]
)
def test_windows_that_are_none_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="dimensions"):
        Windows(**wrong)  # type: ignore[arg-type]


def test_a_pool_gives_samples_of_the_right_scan_in_the_order_asked_for() -> None:
    cuts = [Cut([slices(seed, depth=24)], Windows(neighbours=1)) for seed in (0, 1)]
    pool = Pool(cuts, (3, 32, 28))
    each = len(pool) // 2
    assert 0 < each < len(cuts[0])  # the ends show no brain
    first = int(np.flatnonzero([cuts[0].brain([row]).mean() >= 0.02 for row in range(len(cuts[0]))])[0])
    images = pool.images([each, 0, each + 1])
    assert images.dtype == np.float16
    for image, (scan, row) in zip(images, ((1, first), (0, first), (1, first + 1)), strict=True):
        np.testing.assert_allclose(image, cuts[scan].images([row])[0], atol=2e-3)
    np.testing.assert_array_equal(pool.brain([0])[0], slices(0, depth=24).mask[first])


def test_an_empty_pool_has_the_shape_of_its_samples() -> None:
    pool = Pool([], (3, 32, 28))
    assert len(pool) == 0
    assert pool.images([]).shape == (0, 3, 32, 28)
