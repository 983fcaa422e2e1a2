from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import filtered_score, postprocess

SHAPE = (24, 26, 20)


@pytest.fixture
def amap() -> AnomalyMap:
    rng = np.random.default_rng(11)
    mask = np.zeros(SHAPE, bool)
    mask[3:-3, 3:-3, 3:-3] = True
    score = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.2).astype(np.float32)
    score[8:14, 8:14, 8:13] += 2.0
    score[10:12, 10:12, 10] = 0.0
    score[16, 16, 16] = 5.0
    score[~mask] = -9.0
    return AnomalyMap(score, Grid(SHAPE, np.diag([1, 1, 2, 1])), mask, "sd", "toy", "scan", ThresholdRule("value", 1.0), background=-9.0)


def test_the_steps_in_their_order(amap: AnomalyMap) -> None:
    post = PostParams(median=3, gaussian_mm=0.8, erode=1, threshold="0.6", opening=1, fill_holes=True, min_voxels=5, connectivity="6")
    result = postprocess(amap, post)
    score = ndimage.gaussian_filter(ndimage.median_filter(amap.score, 3, mode="nearest"), [0.8, 0.8, 0.4], mode="nearest")
    brain = ndimage.binary_erosion(amap.mask)
    mask = ndimage.binary_fill_holes(ndimage.binary_opening((score > 0.6) & brain))
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    mask &= sizes[labels] >= 5
    assert mask.any()
    np.testing.assert_array_equal(result.mask, mask)
    np.testing.assert_array_equal(result.labels > 0, mask)
    np.testing.assert_allclose(result.score[brain], score[brain], atol=1e-5)
    assert (result.score[~brain] == -9.0).all()
    assert sum(region.voxels for region in result.regions) == mask.sum()


def test_nothing_asked_for_nothing_done(amap: AnomalyMap) -> None:
    score, brain = filtered_score(amap, PostParams())
    assert score is amap.score
    assert brain is amap.mask
    result = postprocess(amap, PostParams(threshold="0.6", opening=0, min_voxels=0))
    np.testing.assert_array_equal(result.mask, (amap.score > 0.6) & amap.mask)


def test_auto_is_the_methods_rule_and_says_so(amap: AnomalyMap) -> None:
    threshold = postprocess(amap, PostParams()).threshold
    assert threshold.value == 1.0
    assert "default" in threshold.origin
    assert "toy" in threshold.origin


def test_the_smallest_region_in_ml_is_of_the_scans_own_voxels(amap: AnomalyMap) -> None:
    assert PostParams(min_voxels=0, min_ml=0.02).smallest(amap.grid.voxel_volume_mm3) == 10
    assert PostParams(min_voxels=20, min_ml=0.02).smallest(amap.grid.voxel_volume_mm3) == 20
    speck = postprocess(amap, PostParams(threshold="4", opening=0, min_voxels=0, min_ml=0.002))
    assert speck.mask.sum() == 1
    assert not postprocess(amap, PostParams(threshold="4", opening=0, min_voxels=0, min_ml=0.0021)).mask.any()


def test_kept_filters_give_the_same(amap: AnomalyMap) -> None:
    post = PostParams(median=5, erode=2, threshold="otsu")
    kept = postprocess(amap, post, filtered=filtered_score(amap, post))
    np.testing.assert_array_equal(kept.mask, postprocess(amap, post).mask)


def test_truth_gives_hits_and_the_best_dice(amap: AnomalyMap) -> None:
    truth = np.zeros(SHAPE, bool)
    truth[8:14, 8:14, 8:13] = True
    result = postprocess(amap, PostParams(threshold="best-dice", opening=0, min_voxels=0), truth=truth)
    assert result.regions[0].hit
    assert any(region.hit is False for region in result.regions)  # the lone speck of score 5
    assert "uses the truth" in result.threshold.origin


def test_the_map_is_left_as_it_is(amap: AnomalyMap) -> None:
    before = amap.score.copy(), amap.mask.copy()
    postprocess(amap, PostParams(median=5, gaussian_mm=1.0, erode=1, opening=1, fill_holes=True))
    np.testing.assert_array_equal(amap.score, before[0])
    np.testing.assert_array_equal(amap.mask, before[1])


@pytest.mark.parametrize(("settings", "words"), [({"median": 4}, "0, 3, 5, 7"), ({"threshold": "otso"}, "not understood")])
def test_settings_are_checked_at_once(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        PostParams.from_dict(settings)


def test_what_cannot_work_is_said(amap: AnomalyMap) -> None:
    with pytest.raises(InputError, match="eroded brain mask is empty"):
        postprocess(amap, PostParams(erode=15))
    with pytest.raises(InputError, match="ground truth has 2x2x2 voxels"):
        postprocess(amap, PostParams(), truth=np.zeros((2, 2, 2), bool))
    with pytest.raises(InputError, match="needs a ground truth"):
        postprocess(amap, PostParams(threshold="best-dice"))


def test_no_region_has_its_reason(amap: AnomalyMap) -> None:
    assert postprocess(amap, PostParams(threshold="0.6")).findings == ()
    above = postprocess(amap, PostParams(threshold="7.5"))
    assert [finding.code for finding in above.findings] == ["nothing-above"]
    assert "7.5" in above.findings[0].message
    assert f"{amap.score[amap.mask].max():.4g}" in above.findings[0].message
    removed = postprocess(amap, PostParams(threshold="4.5", opening=0, min_voxels=2))
    assert [finding.code for finding in removed.findings] == ["all-removed"]
    assert "all of the 1 voxel above" in removed.findings[0].message
