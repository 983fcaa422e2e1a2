"""Features of neighbouring slices averaged into one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.embedding.aggregation import pooled_places
from napari_brain_uad.detectors.embedding.simplenet import SimpleNet, SimpleNetParams, SimpleNetTraining


def test_so_many_slices_become_one_and_show_what_any_of_them_shows() -> None:
    places = np.random.default_rng(0).random((5, 2, 2, 3)).astype(np.float32)
    mask = np.zeros((5, 4, 4), bool)
    mask[1, 0, 0] = mask[4, 3, 3] = True
    pooled, shown = pooled_places(places, mask, 2, (2, 2))
    assert pooled.shape == (3, 2, 2, 3)
    np.testing.assert_allclose(pooled[0], places[:2].mean(axis=0), rtol=1e-6)
    assert shown[0].tolist() == [[True, False], [False, False]]
    assert shown[2].tolist() == [[False, False], [False, True]]
    alone, each = pooled_places(places, mask, 1, (2, 2))
    np.testing.assert_array_equal(alone, places)
    assert each.any(axis=(1, 2)).tolist() == [False, True, False, False, True]


def head(seed: int) -> Volume:
    shape = (32, 32, 6)
    far = np.sqrt(sum(((axis - (count - 1) / 2) / (0.45 * count)) ** 2 for axis, count in zip(np.indices(shape), shape, strict=True)))
    mask = far < 1
    data = np.where(mask, 100 + 10 * np.random.default_rng(seed).normal(size=shape), 0).astype(np.float32)
    return Volume(data, Grid(shape, np.diag([4.0, 4.0, 4.0, 1.0])), name=f"head-{seed}", mask=mask)


@pytest.mark.parametrize("aggregation", [1, 2])
def test_simplenet_learns_and_scores_what_was_averaged(aggregation: int) -> None:
    made = SimpleNet(SimpleNetParams.from_dict({**SimpleNetParams.PRESETS["tiny"], "aggregation": aggregation}))
    training = SimpleNetTraining.from_dict({**SimpleNetTraining.PRESETS["tiny"], "steps": 3})
    made.fit([head(0), head(1)], seed=0, training=training)
    cut = made.cut(head(2))
    scores = made._place_scores(cut, 0, Progress())
    assert len(scores) == -(-len(cut) // aggregation)
    assert np.isfinite(scores).all()
    assert scores.any()
    found = made.score(head(2)).score
    assert found.shape == head(2).data.shape
    again = made.score(head(2)).score
    np.testing.assert_array_equal(found, again)
