"""Oracles: SimpleITK's overlap measures, scikit-learn, and counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from sklearn import metrics as sk

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.evaluation.metrics import Metric, at_threshold, count

SHAPE = (12, 14, 10)
GRID = Grid(SHAPE, np.diag([1.0, 2.0, 3.0, 1.0]))


def values(metrics: tuple[Metric, ...]) -> dict[str, float | None]:
    for metric in metrics:
        assert metric.definition
        assert metric.title
        assert (metric.value is None) == metric.reason.startswith("undefined: ")
        assert metric.value is None or np.isfinite(metric.value)
    return {metric.name: metric.value for metric in metrics}


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(12)
    blob = ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.5)
    return blob + 0.05 * rng.normal(size=SHAPE) > 0.1, blob > 0.12, rng.random(SHAPE) < 0.8


def test_voxel_metrics_against_simpleitk(masks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    mask, truth, _ = masks
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(sitk.GetImageFromArray(mask.astype(np.uint8)), sitk.GetImageFromArray(truth.astype(np.uint8)))
    found = values(at_threshold(mask, truth, None, GRID))
    assert found["dice"] == pytest.approx(overlap.GetDiceCoefficient())
    assert found["f1"] == found["dice"]
    assert found["iou"] == pytest.approx(overlap.GetJaccardCoefficient())
    assert found["recall"] == pytest.approx(1 - overlap.GetFalseNegativeError())


@pytest.mark.parametrize("inside", [False, True])
def test_voxel_metrics_against_scikit_learn(masks: tuple[np.ndarray, np.ndarray, np.ndarray], inside: bool) -> None:
    mask, truth, brain = masks
    found = values(at_threshold(mask, truth, brain if inside else None, GRID))
    region = brain if inside else np.ones(SHAPE, bool)
    y, p = truth[region], mask[region]
    assert found["precision"] == pytest.approx(sk.precision_score(y, p))
    assert found["recall"] == pytest.approx(sk.recall_score(y, p))
    assert found["specificity"] == pytest.approx(sk.recall_score(y, p, pos_label=False))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, p))
    assert found["f1"] == pytest.approx(sk.f1_score(y, p))
    assert found["false_positive_ml"] == pytest.approx((p & ~y).sum() * 6 / 1000)
    assert found["false_negative_ml"] == pytest.approx((y & ~p).sum() * 6 / 1000)
    assert found["flagged_ml"] == pytest.approx(p.sum() * 6 / 1000)
    assert found["truth_ml"] == pytest.approx(y.sum() * 6 / 1000)


@pytest.mark.parametrize(("connectivity", "rank"), [(6, 1), (26, 3)])
def test_lesion_metrics_by_looping_over_lesions(masks: tuple[np.ndarray, np.ndarray, np.ndarray], connectivity: int, rank: int) -> None:
    mask, truth, _ = masks
    mask = np.roll(mask, 2, axis=0)
    structure = ndimage.generate_binary_structure(3, rank)
    lesions, regions = ndimage.label(truth, structure), ndimage.label(mask, structure)
    hit = [mask[lesions[0] == n].any() for n in range(1, lesions[1] + 1)]
    touching = [truth[regions[0] == n].any() for n in range(1, regions[1] + 1)]
    found = values(at_threshold(mask, truth, None, GRID, connectivity=connectivity))
    assert found["lesions"] == lesions[1]
    assert found["regions"] == regions[1]
    assert found["lesion_recall"] == pytest.approx(np.mean(hit))
    assert found["lesion_precision"] == pytest.approx(np.mean(touching))
    assert found["false_positive_regions"] == touching.count(False)


def test_box_iou_by_hand() -> None:
    mask, truth = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    truth[1:5, 1:5, 1:5] = True  # 64 voxels
    mask[3:7, 1:5, 1:5] = True  # overlap 2 of 4 in one axis: 32 / 96
    truth[9:11, 9:11, 8] = True  # nothing near: 0
    assert values(at_threshold(mask, truth, None, GRID))["box_iou"] == pytest.approx((1 / 3 + 0) / 2)


EMPTY, FULL = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)


@pytest.mark.parametrize(
    ("mask", "truth", "undefined"),
    [
        (EMPTY, EMPTY, {"dice", "f1", "iou", "precision", "recall", "lesion_recall", "lesion_precision", "box_iou"}),
        (FULL, EMPTY, {"recall", "lesion_recall", "box_iou"}),
        (EMPTY, FULL, {"precision", "specificity", "lesion_precision"}),
        (FULL, FULL, {"specificity"}),
    ],
    ids=["nothing", "no truth", "nothing flagged", "all truth"],
)
def test_what_is_undefined_says_so_and_is_not_nan(mask: np.ndarray, truth: np.ndarray, undefined: set[str]) -> None:
    found = at_threshold(mask, truth, None, GRID)
    assert {name for name, value in values(found).items() if value is None} == undefined
    for metric in found:
        assert metric.text.startswith("undefined: ") == (metric.name in undefined)
        assert ("reason" in metric.as_dict()) == (metric.name in undefined)


def test_an_empty_brain_leaves_everything_undefined() -> None:
    found = values(at_threshold(FULL, FULL, EMPTY, GRID))
    assert found["accuracy"] is None
    assert found["dice"] is None


def test_other_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="ground truth has 3x3x3"):
        count(EMPTY, np.zeros((3, 3, 3), bool))
    with pytest.raises(InputError, match="brain mask has 3x3x3"):
        at_threshold(EMPTY, EMPTY, np.zeros((3, 3, 3), bool), GRID)
