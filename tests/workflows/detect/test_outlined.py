"""The outline in a detection: where healthy brains set the threshold, are enough, and have no such region."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_brain_uad.calibration.build import HealthyMap, build_reference
from napari_brain_uad.calibration.reference import HealthyReference
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect.detect import judged

GRID = Grid((26, 24, 22), np.diag([2.0, 2.0, 2.0, 1.0]))
POST = PostParams(opening=0, min_voxels=4)
EDGE_OFF = replace(POST, edge_contrast=0.0)


def brain(seed: int, lesion: float = 0.0) -> AnomalyMap:
    """Smooth noise of spread 1; a lesion that fades towards its edge."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=GRID.shape), 1.2)
    far = np.sqrt(sum((axis - 11) ** 2 for axis in np.indices(GRID.shape)))
    score = noise / noise.std() + lesion * np.clip(1.5 - far / 6.0, 0.0, 1.0)
    record = {"method": {"params": {}, "weights_sha256": ""}, "input": {"sequence": "T1"}}
    rule = ThresholdRule("percentile", 95.0)
    return AnomalyMap(score.astype(np.float32), GRID, np.ones(GRID.shape, bool), "", "toy", f"brain-{seed}", rule, provenance=record)


@pytest.fixture(scope="module")
def healthy() -> HealthyReference:
    return build_reference([HealthyMap(brain(seed)) for seed in range(20)], POST, title="20 toy brains", sequence="T1")


def test_what_is_beyond_is_outlined_and_the_verdict_says_how_far(healthy: HealthyReference) -> None:
    amap = brain(50, 6.0)
    found, plain = (judged(amap, replace(POST, outline=level), healthy=healthy) for level in (0.7, 1.0))
    more = found.result.mask & ~plain.result.mask
    assert more.any()
    assert not (plain.result.mask & ~found.result.mask).any()
    level = float(np.median(amap.score)) * 0.3 + plain.result.threshold.value * 0.7
    assert amap.score[more].min() > level
    assert found.verdict.notes[-1] == f"what is beyond is outlined down to a score of {level:.4g}"
    assert (found.verdict.line, found.verdict.p, found.verdict.beyond) == (plain.verdict.line, plain.verdict.p, 1)
    assert len(found.result.regions) == len(found.verdict.region_p)
    assert found.result.regions[0].p_value == plain.result.regions[0].p_value == found.verdict.p
    # The seed of all that was added is the one region that is beyond.
    own = ndimage.label(found.result.mask, np.ones((3, 3, 3)))[0]
    assert set(np.unique(own[more])) == {int(own[11, 11, 11])}


def test_a_healthy_brain_and_thresholds_that_others_set_stay_as_they_are(healthy: HealthyReference) -> None:
    cases = [(brain(51), POST, healthy), (brain(50, 6.0), replace(POST, threshold="2.5"), healthy)]
    cases += [(brain(50, 6.0), replace(POST, threshold="percentile:95"), healthy)]
    cases += [(brain(50, 6.0), replace(POST, threshold="healthy-ml:3"), healthy.of([True] * 7 + [False] * 13))]
    for amap, post, reference in cases:
        found, plain = (judged(amap, replace(post, outline=level), healthy=reference) for level in (0.7, 1.0))
        np.testing.assert_array_equal(found.result.mask, plain.result.mask)
        assert found.verdict == plain.verdict


def test_what_is_beyond_ends_at_its_edge_in_the_scan_where_that_is_at_hand(healthy: HealthyReference) -> None:
    amap = brain(50, 6.0)
    lesion = np.sqrt(sum((axis - 11) ** 2 for axis in np.indices(GRID.shape))) <= 6
    scan = (100.0 + 40.0 * lesion + np.random.default_rng(0).normal(0.0, 3.0, GRID.shape)).astype(np.float32)
    seen = replace(amap, scan=scan)
    without, found, off = (judged(one, post, healthy=healthy) for one, post in ((amap, POST), (seen, POST), (seen, EDGE_OFF)))
    assert found.verdict.notes[-1] == "1 region ends at 30% of the scan's contrast to the tissue around"
    assert not (found.result.mask & ~without.result.mask).any()
    shares = [np.count_nonzero(one.result.mask & lesion) / np.count_nonzero(one.result.mask) for one in (without, found)]
    assert shares[1] > 1.5 * shares[0]
    assert found.result.mask[lesion].mean() > 0.9
    assert (found.verdict.line, found.verdict.p, found.verdict.beyond) == (without.verdict.line, without.verdict.p, 1)
    np.testing.assert_array_equal(off.result.mask, without.result.mask)
    given = judged(seen, replace(POST, threshold="2.5"), healthy=healthy)
    np.testing.assert_array_equal(given.result.mask, judged(amap, replace(POST, threshold="2.5"), healthy=healthy).result.mask)


def test_holes_are_filled_behind_the_outline(healthy: HealthyReference) -> None:
    amap = brain(50, 6.0)
    far = np.sqrt(sum((axis - 11) ** 2 for axis in np.indices(GRID.shape)))
    hollow = replace(amap, score=np.where(far < 3, np.float32(-3.0), amap.score))
    found = judged(hollow, replace(POST, fill_holes=True), healthy=healthy)
    assert any("outlined" in note for note in found.verdict.notes)
    assert found.result.mask[11, 11, 11]
    assert not judged(hollow, POST, healthy=healthy).result.mask[11, 11, 11]
