"""A viewer put back as it was: whatever was done to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_brain_uad.gui.layers.viewer_state import ViewerState


def _viewer() -> ViewerModel:
    viewer = ViewerModel()
    for number in range(4):
        viewer.add_image(np.zeros((5, 6, 7)), name=f"layer {number}")
    return viewer


def _told(viewer: ViewerModel) -> dict[str, Any]:
    dims = viewer.dims
    return {
        "order": [layer.name for layer in viewer.layers],
        "visible": [layer.visible for layer in viewer.layers],
        "selected": {layer.name for layer in viewer.layers.selection},
        "active": viewer.layers.selection.active,
        "camera": {name: repr(value) for name, value in viewer.scene.camera.model_dump().items()},
        "grid": viewer.canvas.grid.model_dump(),
        "dims": (dims.ndisplay, dims.order, dims.point),
    }


def _disturb(viewer: ViewerModel, rng: np.random.Generator) -> None:
    camera = viewer.scene.camera
    acts = [
        lambda: viewer.layers.move(int(rng.integers(len(viewer.layers))), int(rng.integers(len(viewer.layers)))),
        lambda: setattr(viewer.layers[int(rng.integers(len(viewer.layers)))], "visible", bool(rng.integers(2))),
        lambda: setattr(viewer.layers.selection, "active", viewer.layers[int(rng.integers(len(viewer.layers)))]),
        viewer.layers.selection.clear,
        lambda: setattr(camera, "zoom", float(rng.uniform(0.5, 5))),
        lambda: setattr(camera, "center", tuple(rng.uniform(-5, 5, 3))),
        lambda: setattr(camera, "orientation", ("away", "up", "left")),
        lambda: setattr(viewer.canvas.grid, "enabled", bool(rng.integers(2))),
        lambda: setattr(viewer.canvas.grid, "stride", int(rng.integers(1, 4))),
        lambda: setattr(viewer.dims, "ndisplay", int(rng.integers(2, 4))),
        lambda: setattr(viewer.dims, "order", tuple(int(axis) for axis in rng.permutation(3))),
        lambda: setattr(viewer.dims, "point", tuple(rng.integers(0, 5, 3).astype(float))),
        viewer.reset_view,
    ]
    acts[int(rng.integers(len(acts)))]()


@pytest.mark.parametrize("seed", range(20))
def test_back_to_where_it_was(seed: int) -> None:
    rng, viewer = np.random.default_rng(seed), _viewer()
    for _ in range(10):
        _disturb(viewer, rng)
    before, state = _told(viewer), ViewerState(viewer)
    own = [viewer.add_image(np.ones((5, 6, 7)), name=f"own {number}") for number in range(3)]
    for _ in range(30):
        _disturb(viewer, rng)
    state.restore(viewer, remove=own)
    assert _told(viewer) == before


def test_what_went_stays_away_and_what_came_stays_on_top() -> None:
    viewer = _viewer()
    state = ViewerState(viewer)
    gone = viewer.layers[3]
    viewer.layers.remove(gone)
    viewer.layers.move(0, 3)
    new = viewer.add_image(np.zeros((5, 6, 7)), name="new")
    viewer.layers.move(viewer.layers.index(new), 0)
    state.restore(viewer)
    assert [layer.name for layer in viewer.layers] == ["layer 0", "layer 1", "layer 2", "new"]
    assert viewer.layers.selection.active is None  # the layer that was active is gone
