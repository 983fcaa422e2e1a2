from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_brain_uad.calibration.build import HealthyMap, build_reference
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect.age import age_of, age_words, with_age
from napari_brain_uad.workflows.detect.detect import judged


@pytest.fixture
def amap() -> AnomalyMap:
    score = np.zeros((3, 3, 3), np.float32)
    rule = ThresholdRule("percentile", 98.0)
    about = {"input": {"sequence": "T1"}, "seed": 0}
    return AnomalyMap(score, Grid((3, 3, 3), np.eye(4)), score == 0, "", "toy", "one", rule, provenance=about)


def test_an_age_is_kept_changed_and_taken_away(amap: AnomalyMap) -> None:
    old = with_age(amap, 44)
    assert old.provenance == {"input": {"sequence": "T1", "age": 44.0}, "seed": 0}
    assert age_of(amap) is None
    assert age_of(old) == 44.0
    assert with_age(old, 44.0) is old
    assert age_of(with_age(old, 0.0)) == 0.0
    assert str(age_of(with_age(old, -0.0))) == "0.0"
    assert [age_words(age) for age in (44, 44.123456789, 0.0)] == ["44", "44.123456789", "0"]
    assert with_age(old, None).provenance == amap.provenance


@pytest.mark.parametrize("age", [np.int64(44), np.float32(44), np.float64(44)])
def test_numbers_of_a_table_are_ages(amap: AnomalyMap, age: Any) -> None:
    known = age_of(with_age(amap, age))
    assert (known, type(known)) == (44.0, float)


def test_fdr_counts_the_brains_that_the_verdict_counts_at_the_threshold_of_all() -> None:
    """24 healthy brains, half of them of an age: for that age 12 count, which allow no rate of 0.05; without one all do.

    The threshold is the default one, which does not depend on the age.
    """

    def brain(seed: int, lesion: float = 0.0) -> AnomalyMap:
        grid = Grid((26, 24, 22), np.diag([2.0, 2.0, 2.0, 1.0]))
        noise = gaussian_filter(np.random.default_rng(seed).normal(size=grid.shape), 2.5)
        score = (noise / noise.std()).astype(np.float32)
        score[6:14, 6:14, 6:14] += lesion
        record = {"method": {"params": {}, "weights_sha256": ""}, "input": {"sequence": "T1"}}
        rule = ThresholdRule("percentile", 95.0)
        return AnomalyMap(score, grid, np.ones(grid.shape, bool), "", "toy", f"brain-{seed}", rule, provenance=record)

    post = PostParams(opening=0, min_voxels=4)
    maps = [HealthyMap(brain(seed), age=30.0 if seed % 2 else 70.0) for seed in range(24)]
    healthy = build_reference(maps, post, title="24 toy brains", sequence="T1")
    ill = brain(99, 9.0)
    judged(ill, replace(post, threshold="fdr:0.05"), healthy=healthy)
    with pytest.raises(InputError, match=r"needs 19.*has 12"):
        judged(with_age(ill, 30.0), replace(post, threshold="fdr:0.05"), healthy=healthy)
    # Of many regions one alone passes at a high rate only.
    for amap, count in ((ill, 24), (with_age(ill, 30.0), 12)):
        found = judged(amap, replace(post, threshold="fdr:0.9"), healthy=healthy)
        assert found.result.regions[0].p_value == found.verdict.p == pytest.approx(1 / (count + 1))
        assert "of 24 healthy brains" in found.result.threshold.origin
        assert found.result.threshold.value == judged(amap, post, healthy=healthy).result.threshold.value
    # Refused without a region as well.
    with pytest.raises(InputError, match=r"needs 19.*has 12"):
        judged(with_age(ill, 30.0), replace(post, threshold="fdr:0.05", min_voxels=100_000), healthy=healthy)


@pytest.mark.parametrize("age", [-1.0, 131.0, float("nan"), float("inf"), "44", True])
def test_what_is_no_age_is_refused(amap: AnomalyMap, age: Any) -> None:
    with pytest.raises(InputError, match="no number of years up to 130"):
        with_age(amap, age)


@pytest.mark.parametrize("said", ["44", True, None, [44], 200.0, float("nan")])
def test_what_a_file_says_in_its_place_is_no_age(amap: AnomalyMap, said: object) -> None:
    assert age_of(replace(amap, provenance={"input": {"age": said}})) is None
