"""Blended slices against napari's own canvas, and against arrays made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_brain_uad.gui.layers.composite import Composite, can_be_shown
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.mask_layer import region_colormap
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.workflows.detect.detect import Detection

RNG = np.random.default_rng(5)
DATA = RNG.random((6, 7, 8)).astype(np.float32)


def _grey(data: np.ndarray, **more: Any) -> Image:  # type: ignore[type-arg]
    return Image(data, colormap="gray", contrast_limits=(0.0, 1.0), **more)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_grey_scan_is_its_own_values(axis: int) -> None:
    composite = Composite([_grey(DATA)])
    expected = np.take(DATA, 3, axis)
    np.testing.assert_allclose(composite.slice_at(axis, 3), np.repeat(expected[..., None] * 255, 3, axis=2), atol=1.01)
    key: list[Any] = [slice(None)] * 3
    key[axis] = slice(3, 4)
    assert composite[tuple(key)].shape == (*np.expand_dims(expected, axis).shape, 3)
    np.testing.assert_array_equal(composite[tuple(key)].squeeze(axis), composite.slice_at(axis, 3))
    key[axis] = 3
    np.testing.assert_array_equal(composite[tuple(key)], composite.slice_at(axis, 3))


def test_a_volume_is_not_computed() -> None:
    with pytest.raises(IndexError, match="one slice"):
        Composite([_grey(DATA)])[:]


def test_the_layers_own_looks_decide() -> None:
    scan, over = _grey(DATA), _grey(np.ones_like(DATA), opacity=0.25)
    composite = Composite([scan, over])

    def middle() -> np.ndarray:  # type: ignore[type-arg]
        return composite.slice_at(0, 2)[..., 0] / 255

    np.testing.assert_allclose(middle(), 0.75 * DATA[2] + 0.25, atol=0.01)
    over.visible = False
    np.testing.assert_allclose(middle(), DATA[2], atol=0.01)
    scan.gamma = 2.0
    np.testing.assert_allclose(middle(), DATA[2] ** 2, atol=0.01)
    scan.gamma, scan.contrast_limits = 1.0, (0.2, 0.6)
    np.testing.assert_allclose(middle(), np.clip((DATA[2] - 0.2) / 0.4, 0, 1), atol=0.01)
    over.visible, over.blending = True, "additive"
    np.testing.assert_allclose(middle(), np.clip(np.clip((DATA[2] - 0.2) / 0.4, 0, 1) + 0.25, 0, 1), atol=0.01)
    scan.colormap = "red"
    over.visible = False
    assert not composite.slice_at(0, 2)[..., 1:].any()


def test_labels_are_filled_or_outlined_as_the_layer_says() -> None:
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[1:5, 1:6, 1:7] = 3
    layer = Labels(labels, colormap=region_colormap(True), opacity=1.0)
    composite = Composite([layer])
    assert (composite.slice_at(0, 2).any(axis=2) == (labels[2] > 0)).all()
    layer.contour = 1
    outline = labels[2] > 0
    outline[2:5, 2:6] = False
    assert (composite.slice_at(0, 2).any(axis=2) == outline).all()


def test_layers_on_other_grids_lie_where_the_world_says() -> None:
    fine = _grey(DATA, scale=(5.5, 1, 1), translate=(10, 20, 30))
    coarse = _grey(np.ones((2, 3, 2), np.float32), scale=(5.5, 2, 2), translate=(15.5, 21.5, 32.5))
    composite = Composite([coarse, fine])
    assert composite.lattice.spacing == (5.5, 1, 1)
    assert composite.lattice.shape == (6, 7, 8)
    fine.opacity = 0.0
    # Each voxel of the coarse one covers two of the fine one along A and R: 21 to 26 mm, 32 to 35 mm.
    expected = np.zeros((7, 8), bool)
    expected[1:7, 2:6] = True
    for index, there in ((0, False), (1, True), (2, True), (3, False)):
        np.testing.assert_array_equal(Composite([coarse, fine]).slice_at(0, index).any(axis=2), expected & there)


def test_the_lattice_reaches_as_far_as_any_layer() -> None:
    scan = _grey(DATA, translate=(0, 0, 0))
    other = _grey(np.ones((2, 2, 2), np.float32), translate=(-3, 6, 3))
    composite = Composite([other, scan])
    assert composite.lattice.first == (-3, 0, 0)
    assert composite.lattice.shape == (9, 8, 8)
    assert composite.slice_at(0, 0)[6:8, 3:5].all()
    assert not composite.slice_at(0, 0)[:6].any()


def test_values_that_are_no_numbers_are_black() -> None:
    data = DATA.copy()
    data[2, 3, 4] = np.nan
    assert not Composite([_grey(data)]).slice_at(0, 2)[3, 4].any()


def test_nothing_is_held_after_release() -> None:
    composite = Composite([_grey(DATA)])
    composite.release()
    assert not composite.slice_at(0, 2).any()


def test_what_can_be_shown() -> None:
    assert can_be_shown(_grey(DATA))
    assert can_be_shown(Labels(np.zeros((3, 4, 5), int)))
    assert not can_be_shown(Image(np.zeros((4, 5))))
    assert not can_be_shown(Image(np.zeros((3, 4, 5, 3), np.uint8), rgb=True))
    assert not can_be_shown(Image(np.zeros((2, 3, 4, 5))))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_it_looks_as_napari_draws_the_layers(make_napari_viewer: Callable[..., Any], detection: Detection, order: tuple[int, ...]) -> None:
    pictures = []
    whole = ViewerModel()
    add_volume(whole, detection.volume)
    add_detection(whole, detection)
    layers = [layer for layer in whole.layers if can_be_shown(layer)]
    composite = Composite(layers)
    place: dict[str, Any] = {"scale": composite.lattice.spacing, "translate": composite.lattice.first, "units": ("mm",) * 3}
    for shown in (layers, [Image(composite, rgb=True, contrast_limits=(0, 255), **place)]):
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(700, 600)
        for layer in shown:
            viewer.add_layer(layer)
            if is_named_map(layer):
                layer.colorbar.visible = False
        viewer.dims.order = order
        viewer.dims.point = tuple(layers[0].data_to_world((15, 22, 25)))
        viewer.scene.camera.center = (0, *np.array(viewer.dims.point)[list(order[1:])])
        viewer.scene.camera.zoom = 5.0
        pictures.append(viewer.screenshot(canvas_only=True, flash=False, size=(500, 360))[..., :3].astype(int))
    difference = np.abs(pictures[0] - pictures[1])
    assert pictures[0].any(axis=2).mean() > 0.1
    # The canvas blends in eight bits, one layer after the other.
    assert np.percentile(difference, 99) <= 6
    assert (difference > 40).mean() < 0.003


def is_named_map(layer: Any) -> bool:
    return isinstance(layer, Image) and "|" in layer.name
