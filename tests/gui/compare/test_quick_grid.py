"""The quick grid puts every layer where napari's does."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.components.grid import GridCanvas

from napari_brain_uad.gui.compare.quick_grid import QuickGrid, make_plain, make_quick


@pytest.fixture
def viewer() -> ViewerModel:
    made = ViewerModel()
    for _ in range(9):
        made.add_image(np.zeros((4, 4)))
    return made


def test_every_layer_has_the_place_that_napari_gives_it(viewer: ViewerModel) -> None:
    rng = np.random.default_rng(0)
    grid = viewer.canvas.grid
    found = {}
    settings = list(product((True, False), (1, 2, 4, -2), ((-1, -1), (2, 2), (-1, 3))))
    seen = [rng.random(9) < share for share in (1.0, 0.7, 0.4, 0.0)]
    for turn in (make_quick, make_plain):
        turn(viewer)
        for (enabled, stride, shape), visible in product(settings, seen):
            grid.enabled, grid.stride, grid.shape = enabled, stride, shape
            for layer, on in zip(viewer.layers, visible, strict=True):
                layer.visible = bool(on)
            told = [grid.position(index, viewer.layers) for index in range(9)], list(grid.iter_viewboxes(viewer.layers))
            assert found.setdefault((enabled, stride, shape, visible.tobytes()), told) == told


def test_a_grid_stays_itself_and_keeps_its_listeners(viewer: ViewerModel) -> None:
    grid, heard = viewer.canvas.grid, []
    grid.events.stride.connect(lambda event: heard.append(event.value))
    make_quick(viewer)
    assert isinstance(viewer.canvas.grid, QuickGrid)
    assert viewer.canvas.grid is grid
    grid.stride = 3
    make_plain(viewer)
    assert type(viewer.canvas.grid) is GridCanvas
    grid.stride = 4
    assert heard == [3, 4]
    grid.enabled = True
    make_quick(viewer)
    with pytest.raises(ValueError, match="out of bounds"):
        grid.position(9, viewer.layers)


def test_few_tables_are_kept(viewer: ViewerModel) -> None:
    make_quick(viewer)
    viewer.canvas.grid.enabled = True
    for number in range(200):
        for bit, layer in enumerate(viewer.layers):
            layer.visible = bool(number >> bit & 1)
        viewer.canvas.grid.position(0, viewer.layers)
    assert len(QuickGrid._places) <= 64
