from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.workflows.detect.age import age_of, age_words, with_age


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


@pytest.mark.parametrize("age", [-1.0, 131.0, float("nan"), float("inf"), "44", True])
def test_what_is_no_age_is_refused(amap: AnomalyMap, age: Any) -> None:
    with pytest.raises(InputError, match="no number of years up to 130"):
        with_age(amap, age)


@pytest.mark.parametrize("said", ["44", True, None, [44], 200.0, float("nan")])
def test_what_a_file_says_in_its_place_is_no_age(amap: AnomalyMap, said: object) -> None:
    assert age_of(replace(amap, provenance={"input": {"age": said}})) is None
