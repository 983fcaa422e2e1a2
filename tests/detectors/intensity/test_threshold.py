from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.intensity.thresh_raw import RawThresholdParams
from napari_brain_uad.detectors.intensity.threshold import ThresholdParams
from napari_brain_uad.detectors.registry import create


def scan(data: np.ndarray, mask: np.ndarray | None = None) -> Volume:
    return Volume(data.astype(np.float32), Grid(data.shape, np.eye(4)), mask=mask)


def test_score_is_the_rank_of_the_intensity() -> None:
    """Independent count: the equalised value is the fraction of brain voxels up to this histogram bin."""
    rng = np.random.default_rng(1)
    data = rng.gamma(2.0, 30.0, (20, 20, 20))
    mask = rng.random((20, 20, 20)) < 0.6
    scores = create("threshold").score(scan(data, mask)).score  # type: ignore[call-arg]
    rank = np.searchsorted(np.sort(data[mask]), data[mask], side="right") / mask.sum()
    # Within a bin of 256 (plus interpolation between bin centres) the two may differ by what the bin holds.
    counts, _ = np.histogram(data[mask], 256)
    assert np.abs(scores[mask] - rank).max() <= 1.5 * counts.max() / mask.sum()


def test_monotone_rescaling_does_not_change_the_order() -> None:
    rng = np.random.default_rng(2)
    data = rng.random((12, 12, 12)) * 100
    bright = create("threshold").score(scan(data)).score  # type: ignore[call-arg]
    scaled = create("threshold").score(scan(data * 3 + 50)).score  # type: ignore[call-arg]
    assert np.allclose(bright, scaled, atol=1e-3)


def test_more_bins_resolve_more_levels() -> None:
    data = np.linspace(0, 1, 4096).reshape(16, 16, 16)
    few = create("threshold", ThresholdParams(bins=4)).score(scan(data)).score  # type: ignore[call-arg]
    many = create("threshold", ThresholdParams(bins=1024)).score(scan(data)).score  # type: ignore[call-arg]
    error = [float(np.abs(scores.ravel() - np.linspace(0, 1, 4096)).max()) for scores in (few, many)]
    assert error[1] < error[0]


@pytest.mark.parametrize(("polarity", "sign"), [("bright", 1.0), ("dark", -1.0)])
def test_raw_score_is_the_intensity(polarity: str, sign: float) -> None:
    data = np.random.default_rng(3).normal(50, 10, (8, 8, 8))
    amap = create("thresh-raw", RawThresholdParams(polarity=polarity)).score(scan(data))  # type: ignore[call-arg]
    assert np.array_equal(amap.score, np.float32(sign) * data.astype(np.float32))


def test_negative_raw_scores_still_rank_above_the_outside() -> None:
    data = np.random.default_rng(4).normal(-50, 10, (8, 8, 8))
    mask = np.zeros((8, 8, 8), bool)
    mask[2:6, 2:6, 2:6] = True
    amap = create("thresh-raw").score(scan(data, mask))  # type: ignore[call-arg]
    assert amap.background == amap.score[mask].min() < 0
    assert (amap.score[~mask] == amap.background).all()
