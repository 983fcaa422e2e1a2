"""Regions that no healthy brain has take in what is connected with them at a lower level; others do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.outline import outline_level, outlined
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import PostResult, postprocess

GRID = Grid((40, 20, 20), np.diag([1.5, 1.5, 1.5, 1.0]))
POST = PostParams(threshold="1.0", opening=0, min_voxels=4, outline=0.6)


def two_cones(*, between: float = 0.0, offset: float = 0.0) -> AnomalyMap:
    """Two peaks of 2 and 1.8 that fall by a fifth a voxel, on a bulk around 0; a third, faint one."""
    at = np.indices(GRID.shape)
    peaks = (((8, 10, 10), 2.0), ((26, 10, 10), 1.8), ((36, 10, 10), 0.9))
    cones = [top - 0.2 * np.sqrt(sum((axis - place) ** 2 for axis, place in zip(at, where, strict=True))) for where, top in peaks]
    noise = np.random.default_rng(0).normal(0.0, 0.01, GRID.shape)
    score = np.maximum.reduce([np.where(cone > 0.45, cone, 0.0) for cone in cones]) + noise
    score[8:26, 10, 10] = np.maximum(score[8:26, 10, 10], between)
    return AnomalyMap(
        (score + offset).astype(np.float32), GRID, np.ones(GRID.shape, bool), "", "toy", "toy", ThresholdRule("percentile", 95.0)
    )


def at_one(amap: AnomalyMap, post: PostParams = POST) -> PostResult:
    found = postprocess(amap, post)
    assert len(found.regions) == 2
    return found


def grow(
    found: PostResult, chosen: tuple[bool, ...], post: PostParams, *, truth: NDArray[np.bool_] | None = None
) -> tuple[PostResult, tuple[tuple[int, ...], ...]]:
    made = outlined(found, chosen, outline_level(found, post), post, GRID, truth=truth)
    return made.result, made.parts


def test_a_chosen_region_grows_to_its_level_and_the_other_stays() -> None:
    amap = two_cones()
    found = at_one(amap)
    grown, parts = grow(found, (True, False), POST)
    level = float(np.median(amap.score)) * 0.4 + 0.6
    components, _ = ndimage.label(amap.score > level, np.ones((3, 3, 3)))
    expected = (components == components[8, 10, 10]) | (found.labels == 2)
    np.testing.assert_array_equal(grown.mask, expected)
    assert parts == ((1,), (2,))
    assert grown.regions[0].voxels == int((components == components[8, 10, 10]).sum()) > 2 * found.regions[0].voxels
    assert grown.regions[1] == found.regions[1]
    # Strength counts from the threshold, so the p-value of what has grown is still its own.
    assert grown.regions[0].strength == pytest.approx(found.regions[0].strength)
    assert grown.threshold == found.threshold


def test_the_level_is_the_same_whatever_a_score_counts_from() -> None:
    plain, _ = grow(at_one(two_cones()), (True, True), POST)
    moved = postprocess(two_cones(offset=80.0), replace(POST, threshold="81.0"))
    far, _ = grow(moved, (True, True), POST)
    assert np.count_nonzero(plain.mask != far.mask) <= 2  # rounding


def test_regions_that_meet_are_one_and_say_what_they_hold() -> None:
    amap = two_cones(between=0.8)
    found = at_one(amap)
    grown, parts = grow(found, (True, False), POST)
    assert parts == ((1, 2),)
    assert grown.regions[0].number == 1
    assert grown.mask[17, 10, 10]
    # The opening of the clean-up cuts a bridge of one voxel.
    apart, parts = grow(found, (True, False), replace(POST, opening=1))
    assert parts == ((1,), (2,))
    assert not apart.mask[17, 10, 10]


@pytest.mark.parametrize(("millimetres", "grows"), [(1.0, True), (2.0, False)])
def test_a_region_that_runs_into_other_tissue_stays_as_it_is(millimetres: float, grows: bool) -> None:
    """A slab of 0.8 touches one of the peaks: more than 2.5 times as much. Of small voxels it is too little to be a leak."""
    amap = two_cones()
    amap.score[:20, :, 12:] = np.maximum(amap.score[:20, :, 12:], np.float32(0.8))
    amap = replace(amap, grid=Grid(GRID.shape, np.diag([millimetres] * 3 + [1.0])))
    found = at_one(amap)
    level = outline_level(found, POST)
    made = outlined(found, (True, True), level, POST, amap.grid)
    more = made.result.mask & ~found.mask
    assert more[5, 5, 15] == grows
    assert more[np.indices(GRID.shape)[0] > 20].any(), "the other peak grows whatever this one does"
    assert made.parts == ((1,), (2,))
    assert (made.grown, made.leaking) == ((2, 0) if grows else (1, 1))
    left = f"1 region beyond is left as found: at {float(level):.4g} the outline runs into other tissue"
    assert made.words(level)[1:] == (() if grows else (left,))


def test_where_all_leak_nothing_is_said_to_be_outlined() -> None:
    amap = two_cones()
    amap.score[:20, :, 12:] = np.maximum(amap.score[:20, :, 12:], np.float32(0.8))
    amap = replace(amap, grid=Grid(GRID.shape, np.diag([2.0, 2.0, 2.0, 1.0])))
    found = at_one(amap)
    made = outlined(found, (True, False), outline_level(found, POST), POST, amap.grid)
    assert made.result is found
    assert [words.split(":")[0] for words in made.words(np.float32(0.6))] == ["1 region beyond is left as found"]


@pytest.mark.parametrize("filled", [False, True])
def test_what_is_filled_counts_as_leaking_too(filled: bool) -> None:
    """A hollow cube beside the region: its wall is not too much, wall and cavity are."""
    score = np.zeros(GRID.shape, np.float32)
    score[2:10, 2:10, 2:10] = 2.0
    score[10:20, 2:12, 2:12] = 0.8
    score[11:19, 3:11, 3:11] = 0.0
    amap = replace(two_cones(), score=score, grid=Grid(GRID.shape, np.diag([3.0, 3.0, 3.0, 1.0])))
    post = replace(POST, fill_holes=filled)
    found = postprocess(amap, post)
    made = outlined(found, (True,), outline_level(found, post), post, amap.grid)
    assert (made.grown, made.leaking) == ((0, 1) if filled else (1, 0))
    assert np.count_nonzero(made.result.mask) == 8**3 + (0 if filled else 10**3 - 8**3)


@pytest.mark.parametrize(("chosen", "level"), [((False, False), 0.6), ((), 0.6), ((True, True), 1.0)])
def test_without_a_region_or_a_lower_level_nothing_changes(chosen: tuple[bool, ...], level: float) -> None:
    found = at_one(two_cones())
    same, parts = grow(found, chosen, replace(POST, outline=level))
    assert same is found
    assert parts == ((1,), (2,))


def test_hits_are_those_of_the_larger_region() -> None:
    truth = np.zeros(GRID.shape, bool)
    truth[8, 10, 1] = truth[8, 10, 0] = True
    amap = two_cones()
    amap.score[8, 10, :10] = np.maximum(amap.score[8, 10, :10], 0.9)
    found = postprocess(amap, POST, truth=truth)
    assert [region.hit for region in found.regions] == [False, False]
    grown, _ = grow(found, (True, False), POST, truth=truth)
    assert [region.hit for region in grown.regions] == [True, False]
