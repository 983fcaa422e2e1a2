"""The lazy mask gives, slice by slice, what the whole comparison gives."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_brain_uad.core.threshold import Threshold, ThresholdRule
from napari_brain_uad.gui.layers.boxes import box_segments
from napari_brain_uad.gui.layers.mask_layer import FLAGGED, LiveMask, scored
from napari_brain_uad.gui.layers.region_colours import FIRST_REGION, region_labels
from napari_brain_uad.postprocessing.region_colours import REGION_COLOURS

RNG = np.random.default_rng(3)
SCORE = RNG.random((6, 7, 8)).astype(np.float32)
TRUTH = RNG.random((6, 7, 8)) > 0.7
KEYS = [..., 2, (slice(None), 3), (slice(None), slice(None), 4), (slice(1, 4), slice(None), slice(2, 3)), (1, 2, 3)]


def _threshold(value: float, per_slice: np.ndarray | None = None) -> Threshold:  # type: ignore[type-arg]
    return Threshold(value, ThresholdRule("value", value), "set by hand", per_slice)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("truth", [None, TRUTH])
def test_every_slice_equals_the_whole(key: object, truth: np.ndarray | None) -> None:  # type: ignore[type-arg]
    live = LiveMask(SCORE, _threshold(0.5), truth)
    whole = (np.float32(0.5) < SCORE).astype(int) + (0 if truth is None else 2 * truth.astype(int))
    np.testing.assert_array_equal(live[key], whole[key])
    np.testing.assert_array_equal(np.asarray(live), whole)
    assert np.asarray(live).dtype == np.uint8


@pytest.mark.parametrize("key", KEYS)
def test_one_threshold_an_axial_slice(key: object) -> None:
    limits = np.linspace(0.2, 0.8, 6)
    live = LiveMask(SCORE, _threshold(0.5, limits))
    np.testing.assert_array_equal(live[key], (limits.astype(np.float32)[:, None, None] < SCORE)[key])


def test_a_finished_mask_is_shown_until_the_threshold_moves() -> None:
    live = LiveMask(SCORE, _threshold(0.5), TRUTH)
    finished = np.zeros_like(TRUTH)
    finished[2] = True
    live.settle(finished)
    np.testing.assert_array_equal(np.asarray(live), finished + 2 * TRUTH)
    np.testing.assert_array_equal(live.flagged(), finished)
    live.set_threshold(_threshold(0.9))
    assert not live.settled
    np.testing.assert_array_equal(live.flagged(), np.float32(0.9) < SCORE)


def test_regions_keep_their_colours_under_a_moving_threshold() -> None:
    numbers = np.zeros(SCORE.shape, np.uint32)
    numbers[2, 3:5], numbers[4, 1] = 1, 7
    live = LiveMask(SCORE, _threshold(0.5))
    live.settle(numbers > 0, region_labels(numbers.T))
    first, seventh = np.asarray(live)[2, 3, 0], np.asarray(live)[4, 1, 0]
    assert (first, seventh) == (FIRST_REGION, FIRST_REGION + 6 % len(REGION_COLOURS))
    np.testing.assert_array_equal(np.asarray(live) > 0, numbers > 0)
    live.set_threshold(_threshold(0.2))
    flagged, labels = live.flagged(), np.asarray(live)
    np.testing.assert_array_equal(labels > 0, flagged)
    np.testing.assert_array_equal(labels[flagged & (numbers == 1)], first)
    np.testing.assert_array_equal(labels[flagged & (numbers == 7)], seventh)
    np.testing.assert_array_equal(labels[flagged & (numbers == 0)], FLAGGED)
    live.set_truth(TRUTH)
    np.testing.assert_array_equal(np.asarray(live), flagged + 2 * TRUTH)


def test_nothing_outside_the_brain_is_flagged_at_any_threshold() -> None:
    live = LiveMask(scored(SCORE, TRUTH), _threshold(-1e30))
    np.testing.assert_array_equal(live.flagged(), TRUTH)


@pytest.mark.parametrize("key", [k for k in KEYS if k != (1, 2, 3)])
def test_labels_are_computed_again_where_they_were_given(key: object) -> None:
    live = LiveMask(SCORE, _threshold(0.5), TRUTH)
    given = live[key]
    live.set_threshold(_threshold(0.9))
    assert live.refill(given.T)
    np.testing.assert_array_equal(given, LiveMask(SCORE, _threshold(0.9), TRUTH)[key])
    assert not np.array_equal(given, LiveMask(SCORE, _threshold(0.5), TRUTH)[key])


def test_no_other_array_is_filled() -> None:
    live = LiveMask(SCORE, _threshold(0.5))
    assert not live.refill(np.zeros((7, 8), np.uint8))
    first = live[2]
    second = live[3]
    before = first.copy()
    live.set_threshold(_threshold(0.9))
    assert not live.refill(first)
    assert not live.refill(second.copy())
    np.testing.assert_array_equal(first, before)
    assert live.refill(second)


def test_napari_takes_it_as_labels() -> None:
    live = LiveMask(SCORE, _threshold(0.5))
    layer = Labels(live)
    layer.contour = 1
    assert layer.data is live
    live.set_threshold(_threshold(2.0))
    layer.refresh(thumbnail=False, extent=False)
    assert not layer._slice.image.raw.any()


@pytest.mark.parametrize("across", [0, 1, 2])
def test_a_box_is_drawn_on_each_slice_it_covers_and_on_no_other(across: int) -> None:
    segments = box_segments([(1, 4, 2, 3, 5, 7)], across)
    spans = ((5, 7), (2, 3), (1, 4))  # k, j, i
    slices = range(*spans[across])
    assert sorted(set(segments[:, 0, across])) == list(slices)
    assert len(segments) == 4 * len(slices)
    assert not segments[:, 1, across].any()
    ends = np.concatenate([segments[:, 0], segments[:, 0] + segments[:, 1]])
    for axis in {0, 1, 2} - {across}:
        assert set(ends[:, axis]) == {spans[axis][0] - 0.5, spans[axis][1] - 0.5}


def test_a_box_in_3d_has_twelve_edges_between_its_eight_corners() -> None:
    segments = box_segments([(1, 4, 2, 3, 5, 7)], None)
    ends = {tuple(p) for p in np.concatenate([segments[:, 0], segments.sum(axis=1)])}
    assert len(segments) == 12
    assert ends == {(k, j, i) for k in (4.5, 6.5) for j in (1.5, 2.5) for i in (0.5, 3.5)}
    assert box_segments([], 0).shape == (0, 2, 3)
