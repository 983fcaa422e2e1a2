"""Images told apart by one number each."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.evaluation.image_level import image_level, image_score


def test_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    labels = rng.random(60) < 0.4
    scores = np.round(rng.normal(labels * 0.8, 1.0), 1).astype(np.float32)  # with ties
    found = image_level([(None, True), *zip(scores.tolist(), labels.tolist(), strict=True), (9.0, None)])
    assert found is not None
    assert found.auroc.area == pytest.approx(roc_auc_score(labels, scores))
    assert found.auprc == pytest.approx(average_precision_score(labels, scores))
    assert (found.auroc.healthy, found.auroc.ill) == (int((~labels).sum()), int(labels.sum()))
    assert found.as_dict()["auroc"]["area"] == found.auroc.area


@pytest.mark.parametrize("ill", [True, False])
def test_one_kind_alone_gives_no_figure(ill: bool) -> None:
    assert image_level([(1.0, ill), (2.0, ill)]) is None
    assert image_level([]) is None


def test_the_score_is_the_highest_of_the_brain() -> None:
    score = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    mask = score < 20
    amap = AnomalyMap(score, Grid((3, 3, 3), np.eye(4)), mask, "x", "m", "n", ThresholdRule("otsu"))
    assert image_score(amap) == 19.0
