"""What the dock shows at rest is what the command line gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.gui.layers.tuning import Tuning, neighbour, settle
from napari_brain_uad.gui.tune.histogram import curve_points
from napari_brain_uad.postprocessing.edits import Mark, RegionEdits
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect.detect import Detection, detect

SETTINGS = [
    PostParams(),
    PostParams(threshold="140.5", min_voxels=3),
    PostParams(threshold="otsu", median=3),
    PostParams(threshold="otsu-slice", opening=1),
    PostParams(threshold="percentile:97", gaussian_mm=1.0, erode=1, fill_holes=True),
    PostParams(threshold="best-dice", min_ml=0.1, connectivity="6"),
]


@pytest.mark.parametrize("post", SETTINGS, ids=lambda post: post.threshold)
def test_rest_equals_the_workflow(detection: Detection, post: PostParams) -> None:
    tuning = Tuning(detection.map, detection.truth, post)
    settled = settle(tuning.amap, tuning.truth, post, tuning.key(), None, Progress())
    again = detect(detection.volume, detection.map.method, truth=detection.truth, post=post)
    np.testing.assert_array_equal(settled.result.mask, again.result.mask)
    np.testing.assert_array_equal(settled.mask, again.result.mask.T)
    assert settled.result.regions == again.result.regions
    assert settled.result.threshold.value == again.result.threshold.value
    assert again.evaluation is not None
    metrics = {metric.name: metric.value for metric in again.evaluation.metrics}
    shown = settled.figures
    assert (shown.dice, shown.precision, shown.recall) == (metrics["dice"], metrics["precision"], metrics["recall"])
    assert shown.volume_ml == pytest.approx(metrics["flagged_ml"], rel=1e-12)
    assert shown.false_positive_ml == pytest.approx(metrics["false_positive_ml"], rel=1e-12)
    assert shown.regions == metrics["regions"]


def test_moving_figures_are_those_of_the_bare_threshold(detection: Detection) -> None:
    truth = detection.truth
    assert truth is not None
    tuning = Tuning(detection.map, truth)
    live = settle(tuning.amap, truth, tuning.post, tuning.key(), None, Progress()).prepared.live
    for value in (90.0, 120.25, 151.0):
        flagged = (detection.map.score > np.float32(value)) & detection.map.mask
        figures = tuning.live_figures(live.at(value))
        assert figures.regions is None
        assert figures.dice == pytest.approx(2 * (flagged & truth).sum() / (flagged.sum() + truth.sum()))
        assert figures.volume_ml == pytest.approx(flagged.sum() * 3.0 / 1000)  # voxels of 3 mm3
        assert figures.false_positive_ml == pytest.approx((flagged & ~truth).sum() * 3.0 / 1000)


def test_filters_are_kept_until_they_change(detection: Detection) -> None:
    tuning = Tuning(detection.map, detection.truth)

    def prepared(post: PostParams, before: object = None) -> object:
        tuning.post = post
        return settle(tuning.amap, tuning.truth, post, tuning.key(), before, Progress()).prepared  # type: ignore[arg-type]

    first = prepared(PostParams(median=3))
    assert prepared(PostParams(median=3, threshold="otsu", opening=1), first) is first
    assert prepared(PostParams(median=0), first) is not first
    tuning.truth = None
    assert prepared(PostParams(median=3), first) is not first


def test_another_truth_at_the_same_place_in_memory_is_another(detection: Detection) -> None:
    tuning = Tuning(detection.map, np.zeros(detection.map.score.shape, bool))
    key = tuning.key()
    for _ in range(20):  # freed and made anew: Python gives the same place again
        tuning.truth = None
        tuning.truth = np.zeros(detection.map.score.shape, bool)
        assert tuning.key() != key
    assert tuning.key() == tuning.key()


def test_a_rule_that_needs_a_truth_says_so(detection: Detection) -> None:
    tuning = Tuning(detection.map, None, PostParams(threshold="best-dice"))
    with pytest.raises(InputError, match="truth"):
        settle(tuning.amap, None, tuning.post, tuning.key(), None, Progress())


def test_undo_and_redo(detection: Detection) -> None:
    tuning = Tuning(detection.map)
    first = tuning.post
    second = replace(first, opening=3)
    third = replace(second, threshold="otsu")
    tuning.change(second)
    tuning.change(second)
    tuning.change(third)
    tuning.undo()
    assert (tuning.post, tuning.can_undo, tuning.can_redo) == (second, True, True)
    tuning.undo()
    tuning.undo()
    assert (tuning.post, tuning.can_undo) == (first, False)
    tuning.redo()
    tuning.redo()
    assert (tuning.post, tuning.can_redo) == (third, False)
    tuning.undo()
    tuning.change(replace(first, erode=1))
    assert not tuning.can_redo


def test_the_curve_runs_through_true_points(detection: Detection) -> None:
    truth = detection.truth
    assert truth is not None
    tuning = Tuning(detection.map, truth)
    live = settle(tuning.amap, truth, tuning.post, tuning.key(), None, Progress()).prepared.live
    recall, precision = curve_points(live, 50)
    scores, inside = detection.map.score[detection.map.mask], truth[detection.map.mask]
    for r, p in zip(recall, precision, strict=True):
        # The threshold that leaves this many voxels of truth, tried by brute force.
        kept = round(r * truth.sum())
        ranked = np.sort(scores[inside])[::-1]
        candidates = [(scores >= ranked[kept - 1]).sum()] if kept else [0]
        assert p <= kept / min(candidates) + 1e-9
    assert (np.diff(recall) <= 0).all()
    assert recall.max() > 0.95
    assert curve_points(settle(tuning.amap, None, tuning.post, (), None, Progress()).prepared.live)[0].size == 0


def test_stepping_through_regions_goes_round() -> None:
    assert neighbour([1, 2, 3], None, 1) == 1
    assert neighbour([1, 2, 3], 3, 1) == 1
    assert neighbour([1, 2, 3], 1, -1) == 3
    assert neighbour([], None, 1) is None


def test_edits_have_one_history_with_the_settings(detection: Detection) -> None:
    tuning = Tuning(detection.map, post=PostParams(threshold="150"))
    first = RegionEdits(marks=(Mark(np.arange(3), "accepted", ""),))
    tuning.change(edits=first)
    tuning.change(PostParams(threshold="140"))
    tuning.change(edits=tuning.edits)  # the same again is no change
    tuning.undo()
    assert (tuning.post.threshold, tuning.edits) == ("150", first)
    tuning.undo()
    assert not tuning.edits
    assert not tuning.can_undo
    tuning.redo()
    assert tuning.edits is first
    tuning.change(edits=RegionEdits())
    assert not tuning.can_redo
