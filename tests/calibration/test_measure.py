"""Oracle: counting with scipy, level by level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import ndimage

from napari_brain_uad.calibration.measure import PROBABILITIES, levels_of, measured
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.postprocessing.params import PostParams


def test_what_is_flagged_is_counted_after_the_clean_up(make_map: Callable[..., AnomalyMap]) -> None:
    amap, post = make_map(3), PostParams(opening=1, min_voxels=3, connectivity="6")
    levels = np.array([0.5, 1.0, 1.5, 9.0], np.float32)
    found = measured(amap, post, levels)
    for number, level in enumerate(levels):
        labels, _ = ndimage.label(ndimage.binary_opening((amap.score > level) & amap.mask))
        sizes = np.bincount(labels.ravel())[1:]
        kept = [place + 1 for place in np.flatnonzero(sizes >= 3)]
        strengths = [float((amap.score[labels == one].astype(float) - level).clip(0).sum()) * 0.008 for one in kept]
        peaks = [float(amap.score[labels == one].max()) for one in kept]
        wanted = [
            sum(sizes[one - 1] for one in kept) * 0.008,
            len(kept),
            max((sizes[one - 1] for one in kept), default=0) * 0.008,
            max(strengths, default=0.0),
            max(peaks, default=0.0),
        ]
        got = [found.values[name][number] for name in ("flagged_ml", "regions", "largest_ml", "strength", "peak")]
        np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert found.values["flagged_ml"][0] > 0
    assert found.brain_ml == pytest.approx(amap.mask.sum() * 0.008)
    np.testing.assert_allclose(found.quantiles, np.quantile(amap.score[amap.mask], PROBABILITIES), rtol=1e-5)


def test_what_is_no_healthy_tissue_is_not_counted(make_map: Callable[..., AnomalyMap]) -> None:
    amap, levels = make_map(4, 9.0), np.array([5.0], np.float32)
    counted = np.ones(amap.mask.shape, bool)
    counted[6:15, 6:15, 6:15] = False
    post = PostParams(opening=0, min_voxels=0)
    assert measured(amap, post, levels).values["flagged_ml"][0] > 0.5
    apart = measured(amap, post, levels, counted)
    assert apart.values["flagged_ml"][0] == 0
    assert apart.brain_ml == pytest.approx((amap.mask & counted).sum() * 0.008)


def test_levels_end_where_nothing_is_left_and_begin_in_the_tail() -> None:
    rng = np.random.default_rng(2)
    scans = [rng.gamma(2, 1, size).astype(np.float32) for size in (5000, 9000)]
    levels, pooled = levels_of(scans), np.concatenate(scans)
    assert (np.diff(levels) > 0).all()
    assert not (pooled > levels[-1]).any()
    assert (pooled > levels[0]).mean() == pytest.approx(0.05, abs=0.002)
    with pytest.raises(InputError, match="the same everywhere"):
        levels_of([np.ones(50, np.float32)])
