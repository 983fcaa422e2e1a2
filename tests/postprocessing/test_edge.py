"""Regions end where the scan looks like the tissue around them, if core and surroundings can be told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.components import label
from napari_brain_uad.postprocessing.edge import trimmed, words
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import PostResult, postprocess

GRID = Grid((44, 40, 36), np.diag([1.0, 1.0, 1.0, 1.0]))
POST = PostParams(threshold="0.3", opening=0, min_voxels=4, edge_contrast=0.4)
CENTRE, OTHER = (16, 20, 18), (34, 20, 18)
BALL = 6.5
BALL_REACH = 5
"""From the first ball's centre to where nothing of it is left, beyond voxel 20."""


def far(centre: tuple[int, int, int] = CENTRE) -> NDArray[np.float64]:
    return np.sqrt(sum((axis - place) ** 2 for axis, place in zip(np.indices(GRID.shape), centre, strict=True)))


def halo() -> PostResult:
    """Two regions of 9 voxels' radius at the threshold, whose score falls from 1."""
    score = np.maximum(*(np.clip(1.0 - 0.7 * far(centre) / 9.0, 0.0, None) for centre in (CENTRE, OTHER))).astype(np.float32)
    score[far(CENTRE) > 9.0] = np.where(far(OTHER) <= 9.0, score, 0.0)[far(CENTRE) > 9.0]
    score[25] = 0.0
    amap = AnomalyMap(score, GRID, np.ones(GRID.shape, bool), "", "toy", "toy", ThresholdRule("percentile", 95.0))
    found = postprocess(amap, POST)
    assert len(found.regions) == 2
    return found


def scan(contrast: float = 60.0, *, noise: float = 5.0, radius: float = BALL) -> NDArray[np.float32]:
    """Tissue of 100, with a ball in the middle of each region that differs from it."""
    data = 100.0 + np.random.default_rng(0).normal(0.0, noise, GRID.shape)
    for centre in (CENTRE, OTHER):
        data[far(centre) <= radius] += contrast
    return data.astype(np.float32)


def dice(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float(2 * np.count_nonzero(mask & truth) / (np.count_nonzero(mask) + np.count_nonzero(truth)))


@pytest.mark.parametrize("contrast", [60.0, -60.0])
def test_a_region_ends_at_its_edge_in_the_scan_and_one_that_has_none_stays(contrast: float) -> None:
    found, shown = halo(), scan(contrast)
    shown[20 + BALL_REACH :] = scan(0.0)[20 + BALL_REACH :]
    first = found.labels[CENTRE]
    made = trimmed(found, shown, POST, GRID)
    assert made.trimmed == 1
    own, before = made.result.labels == made.result.labels[CENTRE], found.labels == first
    assert dice(before, far() <= BALL) < 0.6
    assert dice(own, far() <= BALL) > 0.9
    np.testing.assert_array_equal(made.result.mask & ~own, found.mask & ~before)
    assert made.parts == tuple((int(found.labels[made.result.labels == region.number][0]),) for region in made.result.regions)
    assert words(made, POST) == ("1 region ends at 40% of the scan's contrast to the tissue around",)


def test_of_a_region_that_falls_into_pieces_the_one_with_most_of_the_core_is_left() -> None:
    found, split = halo(), scan()
    split[18:21] = scan(0.0)[18:21]
    made = trimmed(found, split, POST, GRID).result
    first = made.labels == made.labels[14, 20, 18]
    assert first[14, 20, 18]
    assert not first[19:].any()
    assert len(made.regions) == 2
    assert label(made.mask, 26).max() == 2


def test_a_region_that_would_be_smaller_than_asked_for_stays_as_it_is() -> None:
    ball = int(np.count_nonzero(far() <= BALL))
    assert trimmed(halo(), scan(), replace(POST, min_voxels=ball // 2), GRID).trimmed == 2
    assert trimmed(halo(), scan(), replace(POST, min_voxels=2 * ball), GRID).trimmed == 0


def test_a_thin_vessel_at_the_lesion_is_taken_off_where_the_mask_is_opened() -> None:
    found, shown = halo(), scan()
    shown[16, 20, 26:28] = 160.0  # within the region, beyond the ball
    shown[16:18, 20, 24:28] = 160.0
    loose, opened = (trimmed(found, shown, replace(POST, opening=layers), GRID).result for layers in (0, 1))
    assert loose.mask[16, 20, 26]
    assert not opened.mask[16, 20, 26]


def test_beyond_the_brain_is_nothing_that_a_lesion_at_its_edge_could_look_like() -> None:
    """Stripped or not, the same region: zeros or a bright skull beyond the brain do not count."""
    found = halo()
    brain = np.ones(GRID.shape, bool)
    brain[:, :, :13] = False
    cut = replace(found, brain=brain, mask=found.mask & brain, labels=np.where(brain, found.labels, 0).astype(np.uint32))
    regions = tuple(replace(one, voxels=int(np.count_nonzero(cut.labels == one.number))) for one in found.regions)
    cut = replace(cut, regions=regions)
    stripped, whole = scan(30.0), scan(30.0)
    stripped[~brain], whole[~brain] = 0.0, 900.0
    left, right = (trimmed(cut, shown, POST, GRID).result.mask for shown in (stripped, whole))
    np.testing.assert_array_equal(left, right)
    assert left[16, 20, 13:15].all()


def test_a_larger_share_takes_off_more() -> None:
    sizes = [np.count_nonzero(trimmed(halo(), scan(), replace(POST, edge_contrast=share), GRID).result.mask) for share in (0.2, 0.4, 0.6)]
    assert sizes[0] > sizes[1] > sizes[2] > 0


@pytest.mark.parametrize(("contrast", "noise"), [(3.0, 5.0), (0.0, 5.0), (0.0, 0.0)])
def test_what_the_scan_does_not_show_clearly_stays_as_it_is(contrast: float, noise: float) -> None:
    found = halo()
    made = trimmed(found, scan(contrast, noise=noise), POST, GRID)
    assert made.result is found
    assert made.trimmed == 0
    assert made.parts == ((1,), (2,))
    assert words(made, POST) == ()


def test_what_lies_inside_is_kept_whatever_it_looks_like() -> None:
    """The dead middle of a tumour; its rim makes the core, as its score is highest there."""
    found = halo()
    score = found.score.copy()
    score[(far() < 2.0)] = 0.31
    hollow = scan()
    hollow[far() < 2.0] = 100.0
    made = trimmed(replace(found, score=score), hollow, POST, GRID).result
    assert made.mask[CENTRE]
    assert dice(made.mask & (far() < 12), far() <= BALL) > 0.9


def test_a_region_without_surroundings_stays_as_it_is() -> None:
    found = halo()
    whole = replace(found, brain=found.mask)
    assert trimmed(whole, scan(), POST, GRID).result is whole
