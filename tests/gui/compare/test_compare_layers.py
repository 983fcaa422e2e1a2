"""What the cells of a comparison compute for the slice that is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.threshold import Threshold, ThresholdRule
from napari_brain_uad.gui.compare.layers import (
    BOTH,
    CROSS,
    MASK,
    TRUTH,
    CellLabels,
    LiveAgreement,
    agreement_colours,
    difference_colours,
    label_colours,
)
from napari_brain_uad.gui.layers.crosshair import outline
from napari_brain_uad.gui.layers.mask_layer import LiveMask

SHAPE = (7, 8, 9)


def _threshold(value: float) -> Threshold:
    return Threshold(value, ThresholdRule("value", value), "")


def _cell(at: tuple[int, int, int] = (-9, -9, -9)) -> CellLabels:
    rng = np.random.default_rng(1)
    return CellLabels(LiveMask(rng.random(SHAPE, np.float32), _threshold(0.3)), rng.random(SHAPE) < 0.5, lambda: at)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slice_has_outlines_with_the_truth_over_the_mask(axis: int) -> None:
    cell = _cell()
    key = tuple(3 if other == axis else slice(None) for other in range(3))
    mask, truth = cell.live.flagged()[key], cell.truth[key]  # type: ignore[index]
    wanted = np.zeros(mask.shape, np.uint8)
    wanted[outline(mask)] = MASK
    wanted[outline(truth)] = TRUTH
    np.testing.assert_array_equal(cell[key], wanted)


def test_the_crosshair_lies_over_all_in_each_plane() -> None:
    cell = _cell((2, 5, 4))
    assert set(cell[2, 5, 7:]) <= {0, MASK, TRUTH, BOTH}  # a row of voxels is no slice
    assert (cell[2, :, :][5, :1] == CROSS).all()
    assert (cell[:, 5, :][2, 8:] == CROSS).all()
    assert cell[:, :, 4][2, 0] == CROSS
    assert CROSS not in _cell()[2, :, :]


def test_a_volume_is_filled() -> None:
    cell = _cell((2, 5, 4))
    mask, truth = cell.live.flagged(), cell.truth
    assert truth is not None
    np.testing.assert_array_equal(np.asarray(cell), MASK * mask + TRUTH * truth)
    assert np.asarray(cell).dtype == np.uint8
    cell.show_truth = False
    np.testing.assert_array_equal(np.asarray(cell), mask)
    cell.show_mask = False
    assert not np.asarray(cell).any()
    assert cell[1, 2, 3] == 0


def test_agreement_counts_the_masks_of_now() -> None:
    rng = np.random.default_rng(2)
    scores = [rng.random(SHAPE, np.float32) for _ in range(3)]
    masks = [LiveMask(score, _threshold(0.5)) for score in scores]
    agreement = LiveAgreement(masks)
    np.testing.assert_array_equal(np.asarray(agreement), sum((score > 0.5).astype(int) for score in scores))
    for mask in masks:
        mask.set_threshold(_threshold(0.8))
    np.testing.assert_array_equal(agreement[:, 3, :], sum((score[:, 3, :] > np.float32(0.8)).astype(int) for score in scores))
    assert agreement.shape == SHAPE


def test_colours_show_nothing_where_there_is_nothing() -> None:
    assert agreement_colours().map(0.0)[..., 3] == 0
    assert difference_colours().map(0.5)[..., 3] == 0
    assert label_colours().map(np.array([0]))[..., 3] == 0
    low, high = difference_colours().map(np.array([0.0, 1.0]))
    assert low[2] > low[1]  # purple: the second is higher
    assert high[0] > high[2]  # orange: the first is
