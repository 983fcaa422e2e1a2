from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from napari_brain_uad.core.errors import Cancelled, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.threshold import Threshold, ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.evaluation.report import evaluate_map
from napari_brain_uad.evaluation.search import best_dice_with_components, recall_thresholds

SHAPE = (20, 18, 16)
GRID = Grid(SHAPE, np.eye(4))
HAND = Threshold(0.6, ThresholdRule("value", 0.6), "set by hand")


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(13)
    score = ndimage.gaussian_filter(rng.random(SHAPE), 0.7).astype(np.float32)
    score[5:10, 5:10, 5:10] += 0.2
    truth = np.zeros(SHAPE, bool)
    truth[5:11, 5:10, 5:10] = True
    mask = np.zeros(SHAPE, bool)
    mask[2:-2, 2:-2, 2:-2] = True
    return np.where(mask, score, np.float32(0)), truth, mask


@pytest.mark.parametrize("connectivity", [6, 26])
def test_search_by_its_definition(scene: tuple[np.ndarray, np.ndarray, np.ndarray], connectivity: int) -> None:
    score, truth, mask = scene
    best = 0.0
    for threshold in np.linspace(0, 1, 100):
        labels, _ = ndimage.label((score > threshold) & mask, np.ones((3, 3, 3)) if connectivity == 26 else None)
        sizes = np.bincount(labels.ravel())
        flagged = (sizes[labels] >= 20) & (labels > 0)
        best = max(best, 2 * (flagged & truth).sum() / (flagged.sum() + truth.sum()))
    found = best_dice_with_components(score, truth, mask, connectivity=connectivity)
    assert found is not None
    assert found.dice == pytest.approx(best, abs=1e-12)


def test_search_undefined_and_hopeless() -> None:
    score = np.zeros(SHAPE, np.float32)
    assert best_dice_with_components(score, np.zeros(SHAPE, bool)) is None
    hopeless = best_dice_with_components(score, np.ones(SHAPE, bool))
    assert hopeless is not None
    assert hopeless.dice == 0.0


def test_everything_has_a_definition_and_is_json(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    score, truth, mask = scene
    report = evaluate_map(score, truth, GRID, mask=mask, threshold=HAND)
    record = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert {"auprc", "auroc", "pro", "best_dice", "best_dice_voxels", "dice", "precision", "recall", "box_iou"} <= set(record["metrics"])
    assert record["threshold"]["origin"] == "set by hand"
    text = report.as_text()
    for metric in report.metrics:
        assert report.definitions[metric.name]
        assert metric.definition in text
    assert "Research use only" in text
    assert report["dice"].value == record["metrics"]["dice"]["value"]
    with pytest.raises(KeyError):
        report["dise"]


def test_without_a_mask_every_voxel_counts(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    score, truth, mask = scene
    whole, inside = evaluate_map(score, truth, GRID), evaluate_map(score, truth, GRID, mask=mask)
    assert whole["auroc"].value > inside["auroc"].value  # the easy voxels outside the brain
    assert whole["auprc"].value == pytest.approx(inside["auprc"].value)  # which score lowest: no precision is lost to them
    assert "every voxel" in whole.region
    assert "mask" in inside.region


@pytest.mark.parametrize(("filled", "defined"), [(False, set()), (True, {"auprc", "auprc_trapezoid", "best_dice", "best_dice_voxels"})])
def test_undefined_says_so(filled: bool, defined: set[str]) -> None:
    score = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    report = evaluate_map(score, np.full(SHAPE, filled), GRID)
    for metric in report.metrics:
        assert (metric.value is not None) == (metric.name in defined), metric.name
        assert metric.value is not None or metric.reason.startswith("undefined: ")
    json.dumps(report.as_dict(), allow_nan=False)
    assert "undefined: " in report.as_text()


def test_search_does_not_depend_on_the_unit_of_the_score(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    score, truth, _ = scene
    plain = evaluate_map(score, truth, GRID)["best_dice"].value
    stretched = np.exp(np.float32(12) * score).astype(np.float32)  # a long tail, as squared residuals have
    shrunk = score / np.float32(64)
    for other in (stretched, shrunk, score * np.float32(256) - np.float32(64)):
        assert evaluate_map(other, truth, GRID)["best_dice"].value == pytest.approx(plain, abs=1e-9)
    every_score = best_dice_with_components(score, truth, None, np.unique(score[truth]) - 1e-6)
    assert every_score is not None
    assert plain == pytest.approx(every_score.dice, abs=0.02)


def test_equalised_scores_are_searched_as_in_the_reference(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    score, truth, _ = scene
    equalised = (score / score.max()).astype(np.float32)
    reference = best_dice_with_components(equalised, truth)
    assert reference is not None
    report = evaluate_map(equalised, truth, GRID)
    assert report["best_dice"].value == reference.dice
    assert "from 0 to 1" in report["best_dice"].definition


def test_recall_thresholds_flag_hundredths_of_the_truth() -> None:
    rng = np.random.default_rng(4)
    score, truth = rng.random((30, 20, 10), dtype=np.float32), rng.random((30, 20, 10)) < 0.2
    thresholds = recall_thresholds(score, truth, count=10)
    share = [np.count_nonzero(score[truth] > np.float32(threshold)) / truth.sum() for threshold in thresholds]
    np.testing.assert_allclose(share, np.arange(10, 0, -1) / 10, atol=1.01 / truth.sum())
    assert recall_thresholds(score, np.zeros_like(truth)).size == 0


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    rng = np.random.default_rng(1)
    score, truth = rng.random((30, 30, 30), dtype=np.float32), rng.random((30, 30, 30)) < 0.3
    report = evaluate_map(score, truth, Grid((30, 30, 30), np.eye(4)))
    for curve in (report.pr_curve, report.roc_curve):
        assert curve.shape[0] == 3
        assert 500 < curve.shape[1] <= 1002
    assert report.roc_curve[:2, 0].tolist() == [0.0, 0.0]
    assert report.roc_curve[:2, -1].tolist() == [1.0, 1.0]
    assert np.trapezoid(report.roc_curve[1], report.roc_curve[0]) == pytest.approx(report["auroc"].value, abs=2e-3)


def test_bad_input_and_cancelling(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    score, truth, mask = scene
    with pytest.raises(InputError, match="ground truth has 2x2x2"):
        evaluate_map(score, np.zeros((2, 2, 2), bool), GRID)
    with pytest.raises(InputError, match="brain mask is empty"):
        evaluate_map(score, truth, GRID, mask=~np.ones(SHAPE, bool))
    with pytest.raises(InputError, match="NaN"):
        evaluate_map(np.where(mask, score, np.float32(np.nan)), truth, GRID)
    progress = Progress(lambda fraction, _: progress.cancel() if fraction > 0.5 else None)
    with pytest.raises(Cancelled):
        evaluate_map(score, truth, GRID, progress=progress)
