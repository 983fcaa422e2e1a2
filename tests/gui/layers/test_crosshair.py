"""The crosshair: one place in every view."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from scipy.ndimage import binary_erosion

from napari_brain_uad.gui.layers.crosshair import crosshair_lines, marked_voxel, outline, point_at


@pytest.mark.parametrize("at", [(4, 6), (0, 0), (9, 11), (2, 11), (-3, 5), (5, 40), (-1, -1)])
@pytest.mark.parametrize("gap", [0, 2, 30])
def test_lines_cross_at_the_place_and_leave_it_free(at: tuple[int, int], gap: int) -> None:
    shape = (10, 12)
    drawn = np.zeros(shape, bool)
    for line in crosshair_lines(shape, at, gap):
        drawn[line] = True
    rows, columns = np.indices(shape)
    on_row, on_column = rows == at[0], columns == at[1]
    near = (abs(rows - at[0]) <= gap) & (abs(columns - at[1]) <= gap)
    np.testing.assert_array_equal(drawn, (on_row | on_column) & ~near)


def test_the_point_of_a_viewer_is_the_marked_voxel() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((2, 8, 9, 10)), scale=(1, 2.0, 1.5, 0.5), translate=(0, 3, -4, 5))
    viewer.dims.point = (1, 3, -4, 5)
    viewer.layers[0].data  # noqa: B018  # 4-D: the first axis is none of ours
    point_at(viewer, layer.data_to_world((1, 4, 3, 7))[-3:])
    assert viewer.dims.point[0] == 1
    flat = viewer.add_image(np.zeros((8, 9, 10)), scale=(2.0, 1.5, 0.5), translate=(3, -4, 5))
    assert marked_voxel(viewer, flat) == (4, 3, 7)


def test_outlines_are_what_erosion_takes_away() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((13, 17)) < 0.7
        np.testing.assert_array_equal(outline(mask), mask & ~binary_erosion(mask))
