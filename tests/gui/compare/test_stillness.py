"""Layers come quietly: nothing is laid out or painted in between, and what they need is drawn before it is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtWidgets import QApplication

from napari_brain_uad.gui.compare.stillness import cells_made, drawn_ahead, insert_quietly, still_canvas, unpainted


@pytest.fixture
def viewer(make_napari_viewer: Callable[..., Any]) -> Any:
    made = make_napari_viewer(show=True)
    made.add_image(np.random.default_rng(0).random((5, 8, 8)))
    return made


def _canvas(viewer: Any) -> Any:
    return viewer.window._qt_viewer.canvas


def _unbuilt(viewer: Any) -> list[Any]:
    """Seen images whose program for the GPU was not compiled yet."""
    visuals = [_canvas(viewer).layer_to_visual[layer].node for layer in viewer.layers if layer.visible]
    return [visual for visual in visuals if visual._program._need_build]


def _image(**meta: Any) -> Image:
    return Image(np.random.default_rng(1).random((5, 8, 8)), **meta)


def test_the_canvas_is_laid_out_once_however_many_layers_come(viewer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas, laid = _canvas(viewer), []
    lay_out = canvas._reorder_layers
    monkeypatch.setattr(canvas, "_reorder_layers", lambda: (laid.append(len(viewer.layers)), lay_out()))
    with still_canvas(viewer):
        for _ in range(3):
            viewer.layers.insert(0, _image())
        assert laid == []
    assert laid == [4]
    with pytest.raises(ZeroDivisionError), still_canvas(viewer):
        raise ZeroDivisionError
    viewer.add_image(np.zeros((5, 8, 8)))
    assert laid[-1] == 5, "after an error the canvas follows again"


def test_a_quiet_layer_changes_neither_selection_nor_slice(viewer: Any) -> None:
    viewer.dims.set_point(0, 3.0)
    chosen = set(viewer.layers.selection)
    insert_quietly(viewer, 0, _image(name="quiet"))
    assert viewer.layers[0].name == "quiet"
    assert set(viewer.layers.selection) == chosen
    assert viewer.dims.point[0] == 3.0
    loud = viewer.add_image(np.zeros((5, 8, 8)))
    assert viewer.layers.selection == {loud}, "napari's own way is untouched"


def test_the_canvas_is_painted_at_the_end(viewer: Any) -> None:
    native = _canvas(viewer).native
    with unpainted(viewer):
        assert not native.updatesEnabled()
    assert native.updatesEnabled()
    with pytest.raises(ZeroDivisionError), unpainted(viewer):
        raise ZeroDivisionError
    assert native.updatesEnabled()


def test_what_is_drawn_ahead_is_compiled(viewer: Any) -> None:
    with unpainted(viewer):
        for _ in range(3):
            viewer.layers.insert(0, _image())
        assert len(_unbuilt(viewer)) >= 3
        for _ in drawn_ahead(viewer):
            QApplication.processEvents()
        assert _unbuilt(viewer) == []


@pytest.mark.parametrize(("every", "drawn"), [(False, 0), (True, 1)])
def test_what_was_drawn_is_drawn_again_when_asked(viewer: Any, monkeypatch: pytest.MonkeyPatch, every: bool, drawn: int) -> None:
    list(drawn_ahead(viewer))
    node, seen = _canvas(viewer).layer_to_visual[viewer.layers[0]].node, []
    draw = node.draw
    monkeypatch.setattr(node, "draw", lambda: (seen.append(1), draw()))
    list(drawn_ahead(viewer, every=every))
    assert len(seen) == drawn


def test_cells_made_ahead_are_the_ones_that_are_shown(viewer: Any) -> None:
    canvas, grid = _canvas(viewer), viewer.canvas.grid
    with still_canvas(viewer):
        viewer.layers.insert(0, _image())
        grid.shape = (1, 2)
        grid.enabled = True
        cells_made(viewer)
        made = canvas.grid
        assert made.grid_size == (1, 2)
    assert canvas.grid is made


def test_a_viewer_without_a_window_takes_layers_too() -> None:
    model = ViewerModel()
    with unpainted(model), still_canvas(model):
        insert_quietly(model, 0, _image())
        cells_made(model)
    assert list(drawn_ahead(model)) == []
    assert len(model.layers) == 1
