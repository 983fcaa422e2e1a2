from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from napari_brain_uad.evaluation.pooled import BrainScores, pool


@pytest.mark.parametrize("levels", [None, 7])
def test_pooled_figures_against_scikit_learn(levels: int | None) -> None:
    rng = np.random.default_rng(2)
    scans, scores, truths = [], [], []
    for number, shape in enumerate([(9, 8, 7), (6, 10, 5), (4, 4, 4)]):
        truth, brain = rng.random(shape) < 0.15, rng.random(shape) < 0.7
        score = (rng.normal(size=shape) + truth * number).astype(np.float32)
        score = score if levels is None else np.round(score * 2).astype(np.float32)
        scans.append(BrainScores.of(score, truth, brain))
        # The same in plain words: what is outside the brain ranks last, and counts only where it is truth.
        counted = brain | truth
        scores.append(np.where(brain, score, -100.0)[counted])
        truths.append(truth[counted])
    y, s = np.concatenate(truths), np.concatenate(scores)
    found = pool(scans)
    assert found.auprc == pytest.approx(average_precision_score(y, s), abs=1e-12)
    assert found.auroc == pytest.approx(roc_auc_score(y, s), abs=1e-12)
    precision, recall, _ = precision_recall_curve(y, s)
    dice = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert found.best_dice_voxels == pytest.approx(dice.max(), abs=1e-12)
    assert np.trapezoid(found.roc_curve[1], found.roc_curve[0]) == pytest.approx(found.auroc, abs=2e-3)


def test_without_truth_nothing_is_defined() -> None:
    found = pool([BrainScores(np.arange(5, dtype=np.float32), np.zeros(5, bool), np.zeros(5, np.uint16), 0)])
    assert (found.auprc, found.auroc, found.best_dice_voxels) == (None, None, None)
    assert found.pr_curve.shape == (3, 0)
