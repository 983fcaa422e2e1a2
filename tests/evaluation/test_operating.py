from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.evaluation.operating import (
    HealthyLevels,
    HealthyScores,
    ThresholdMode,
    fixed,
    flagged_on_average,
    shared_threshold,
)
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import filtered_score, postprocess

SHAPE = (12, 10, 8)


def healthy(seed: int, round_to: float = 0.0) -> HealthyScores:
    rng = np.random.default_rng(seed)
    scans = [rng.gamma(2, 1, size).astype(np.float32) for size in (500, 300, 800)]
    scans = [np.round(scan / round_to) * np.float32(round_to) if round_to else scan for scan in scans]
    return HealthyScores(tuple(scan.astype(np.float32) for scan in scans), (0.001, 0.008, 0.0027))


def toy() -> AnomalyMap:
    rng = np.random.default_rng(9)
    mask = np.zeros(SHAPE, bool)
    mask[1:-1, 1:-1, 1:-1] = True
    return AnomalyMap(rng.random(SHAPE, dtype=np.float32), Grid(SHAPE, np.eye(4)), mask, "score", "toy", "scan", ThresholdRule("otsu"))


@pytest.mark.parametrize("volume_ml", [0.0, 0.01, 0.3, 1.0, 100.0])
@pytest.mark.parametrize("round_to", [0.0, 0.5])
def test_same_volume_on_healthy_scans_by_trying_every_threshold(volume_ml: float, round_to: float) -> None:
    given = healthy(1, round_to)
    found = HealthyLevels(given).threshold(volume_ml)

    def flagged(threshold: float) -> float:
        return sum((scan > threshold).sum() * ml for scan, ml in zip(given.scores, given.voxel_ml, strict=True)) / 3

    tried = [level for level in np.unique(np.concatenate(given.scores)) if flagged(level) <= volume_ml + 1e-12]
    assert found.value == min(tried)
    assert flagged_on_average(found.value, given) == pytest.approx(flagged(found.value))
    assert f"{volume_ml:g} ml in each of 3 healthy scans" in found.origin


def test_two_methods_then_raise_the_same_false_alarm() -> None:
    raw = healthy(3)
    other = HealthyScores(tuple(np.exp(3 * scan).astype(np.float32) for scan in raw.scores), raw.voxel_ml)
    volumes = [flagged_on_average(HealthyLevels(given).threshold(0.2).value, given) for given in (raw, other)]
    assert volumes[0] == pytest.approx(volumes[1])
    assert volumes[0] == pytest.approx(0.2, abs=0.003)


@pytest.mark.parametrize("text", ["auto", "0.7", "percentile:98", "otsu", "otsu-slice", "healthy-fpr:0.01", "best-dice", "healthy-ml:2"])
def test_modes_are_said_in_words(text: str) -> None:
    mode = ThresholdMode(text)
    assert mode.words
    assert mode.needs_healthy == text.startswith("healthy")


@pytest.mark.parametrize("text", ["high", "healthy-ml", "healthy-ml:-1", "healthy-ml:nan", "percentile:101"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        ThresholdMode(text)


def test_shared_threshold_is_the_post_processings_own() -> None:
    amap, post = toy(), PostParams(opening=0)
    filtered = filtered_score(amap, post)
    assert shared_threshold(ThresholdMode(), amap, post, filtered).origin.startswith("default of the method 'toy'")
    percentile = shared_threshold(ThresholdMode("percentile:90"), amap, post, filtered)
    assert percentile.value == pytest.approx(np.percentile(amap.score[amap.mask], 90))
    again = postprocess(amap, fixed(post, percentile))
    assert again.threshold.value == percentile.value  # to the last bit
    with pytest.raises(InputError, match="healthy scans"):
        shared_threshold(ThresholdMode("healthy-ml:2"), amap, post, filtered)
    with pytest.raises(InputError, match="truth"):
        shared_threshold(ThresholdMode("best-dice"), amap, post, filtered)
