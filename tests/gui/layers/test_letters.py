"""The letters are drawn at the edges of the canvas, whatever its size, and of each cell of a grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.gui.layers.letters import LettersOverlay, letter_places
from napari_brain_uad.gui.layers.view import add_volume, attach, detach


def _drawn(viewer) -> list:  # type: ignore[no-untyped-def,type-arg]
    """What napari draws of the letters: one for each cell."""
    overlay = viewer.canvas.overlays["brain_uad_letters"]
    return list(viewer.window._qt_viewer.canvas._viewer_overlay_to_visual[overlay])


def _bright(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(picture[..., :3].min(axis=-1) > 200)


@pytest.fixture
def window(make_napari_viewer: Callable[..., object]):  # type: ignore[no-untyped-def]
    viewer = make_napari_viewer(show=True)
    # Black, so that all that is bright on the canvas are letters.
    data = np.zeros((20, 24, 16), np.float32)
    data[0, 0, 0] = 1.0
    add_volume(viewer, Volume(data, Grid(data.shape, np.eye(4)), name="scan"))  # type: ignore[arg-type]
    return viewer


@pytest.mark.parametrize("size", [(500, 400), (640, 320)])
def test_a_letter_is_seen_at_each_edge(window, size: tuple[int, int]) -> None:  # type: ignore[no-untyped-def]
    bright = _bright(window.screenshot(size=size[::-1], canvas_only=True, flash=False))
    height, width = bright.shape
    strip = 40
    middle_y, middle_x = slice(height // 2 - strip, height // 2 + strip), slice(width // 2 - strip, width // 2 + strip)
    for there in (bright[:strip, middle_x], bright[-strip:, middle_x], bright[middle_y, :strip], bright[middle_y, -strip:]):
        assert there.any()
    assert not bright[strip:-strip, strip:-strip].any()


def test_one_set_of_letters_a_cell(window, scan: Volume) -> None:  # type: ignore[no-untyped-def]
    assert len(_drawn(window)) == 1
    add_volume(window, scan)
    window.canvas.grid.shape = (1, 2)
    window.canvas.grid.stride = 1
    window.canvas.grid.enabled = True
    window.screenshot(flash=False)
    drawn = _drawn(window)
    assert len(drawn) == 2
    for cell in drawn:
        assert cell.node.parent is cell.box.parent is not None
        width, height = cell.node.parent.size
        np.testing.assert_allclose(np.ptp(cell.node.pos[:, 0]), width, atol=60)
        np.testing.assert_allclose(np.ptp(cell.node.pos[:, 1]), height, atol=60)


def test_letters_come_and_go_with_the_overlay(window) -> None:  # type: ignore[no-untyped-def]
    (drawn,) = _drawn(window)
    assert drawn.node.text == ["A", "P", "R", "L"]
    attach(window).set_convention("neurological")
    assert drawn.node.text == ["A", "P", "L", "R"]
    window.layers.clear()
    assert not drawn.node.visible
    assert drawn.box.parent is None
    detach(window)
    assert not any(isinstance(overlay, LettersOverlay) for overlay in window.canvas.overlays.values())
    assert drawn.node.parent is None


def test_places() -> None:
    np.testing.assert_allclose(letter_places((100, 60), 10), [(50, 10), (50, 50), (10, 30), (90, 30)])
    # A canvas with no room for them, as while a window is built, is no error.
    assert np.isfinite(letter_places((0, 0), 10)).all()


def test_the_upper_letter_leaves_room_for_what_stands_above_it() -> None:
    usual, lower = letter_places((300, 200), 14), letter_places((300, 200), 14, 28)
    np.testing.assert_allclose(lower - usual, [(0, 28), (0, 0), (0, 0), (0, 0)])
    assert letter_places((300, 40), 14, 28)[0, 1] <= 20


def test_letters_move_down_at_once(window) -> None:  # type: ignore[no-untyped-def]
    (cell,) = _drawn(window)
    before = cell.node.pos.copy()
    attach(window).resize_letters(16, below=30)
    np.testing.assert_allclose((cell.node.pos - before)[:, 1], [30, 0, 0, 0], atol=1)
