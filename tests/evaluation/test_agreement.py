from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import percentileofscore

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.evaluation.agreement import agreement, difference, mutual_dice, percentiles

SHAPE = (6, 5, 4)
GRID = Grid(SHAPE, np.eye(4))


def amap(seed: int, unit: str = "score", grid: Grid = GRID) -> AnomalyMap:
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(size=SHAPE) * 3).astype(np.float32)
    return AnomalyMap(score, grid, rng.random(SHAPE) < 0.8, unit, "toy", "scan", ThresholdRule("otsu"))


def test_agreement_counts_methods() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random(SHAPE) < 0.4 for _ in range(3)]
    counted = agreement(masks)
    for place in np.ndindex(SHAPE):
        assert counted[place] == sum(bool(mask[place]) for mask in masks)
    with pytest.raises(InputError, match="no mask"):
        agreement([])
    with pytest.raises(InputError, match="2x2x2"):
        agreement([masks[0], np.zeros((2, 2, 2), bool)])


def test_mutual_dice_by_hand() -> None:
    a, b, c = (np.zeros(SHAPE, bool) for _ in range(3))
    a[0, 0, :2] = b[0, 0, :4] = True  # Dice 2 * 2 / 6; with the empty one 0
    assert mutual_dice([a, b, c]) == pytest.approx([(4 / 6 + 0) / 2, (4 / 6 + 0) / 2, 0.0])
    assert mutual_dice([a]) == [None]
    assert mutual_dice([c, c]) == [None, None]


def test_percentiles_against_scipy() -> None:
    given = amap(1)
    found = percentiles(given.score, given.mask)
    inside = given.score[given.mask]
    np.testing.assert_allclose(found[given.mask], [percentileofscore(inside, value, kind="mean") for value in inside], atol=1e-4)
    assert not found[~given.mask].any()
    np.testing.assert_array_equal(percentiles(np.exp(given.score), given.mask), found)


def test_difference_by_score_and_by_percentile() -> None:
    a, b = amap(1), amap(2)
    both = a.mask & b.mask
    np.testing.assert_array_equal(difference(a, b, "score"), np.where(both, a.score - b.score, 0))
    ranked = difference(a, b)
    np.testing.assert_allclose(ranked[both], percentiles(a.score, both)[both] - percentiles(b.score, both)[both])
    np.testing.assert_array_equal(difference(b, a), -ranked)
    with pytest.raises(InputError, match="percentiles instead"):
        difference(a, amap(2, unit="standard deviations"), "score")
    with pytest.raises(InputError, match="Scales"):
        difference(a, b, "rank")
    with pytest.raises(InputError, match="away from the scan"):
        difference(a, amap(2, grid=Grid(SHAPE, np.diag([2.0, 1, 1, 1]))))
