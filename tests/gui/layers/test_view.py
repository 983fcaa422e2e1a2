"""Letters and read-out, against where the canvas really draws and where nibabel says a voxel lies."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_brain_uad.core.volume import Volume
from napari_brain_uad.gui.app.settings import remembered
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import add_labels
from napari_brain_uad.gui.layers.view import PLANES, ViewOverlay, add_volume, attach, attached, detach, go_to, read_at, show_plane
from napari_brain_uad.workflows.detect.detect import Detection
from napari_brain_uad.workflows.scans.load import load
from tests.gui.scans import LPS, head, rotated, write

ENDS = {"S": (0, 1), "I": (0, -1), "A": (1, 1), "P": (1, -1), "R": (2, 1), "L": (2, -1)}
"""Each letter's axis of the world (S, A, R) and direction along it."""


def _on_screen(viewer, point: NDArray[np.float64]) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    """Canvas pixels (x right, y down) of a world point, from the scene graph itself."""
    view = viewer.window._qt_viewer.canvas.view
    shown = point[list(viewer.dims.displayed)][::-1]
    mapped = (view.transform * view.scene.transform).map((*shown, *np.zeros(3 - len(shown)), 1.0))
    return np.asarray(mapped[:2] / mapped[3])


def _assert_letters_are_true(viewer) -> None:  # type: ignore[no-untyped-def]
    overlay = attach(viewer)
    letters = overlay.letters()
    centre = np.array(viewer.dims.point, dtype=float)
    for edge, direction in {"top": (0, -1), "bottom": (0, 1), "left": (-1, 0), "right": (1, 0)}.items():
        axis, sign = ENDS[letters[edge]]
        step = np.zeros(3)
        step[axis] = 10.0 * sign
        moved = _on_screen(viewer, centre + step) - _on_screen(viewer, centre)
        assert moved @ direction > 0.5 * np.linalg.norm(moved) > 0, (edge, letters)
    shown = viewer.canvas.overlays["brain_uad_letters"]
    assert (shown.letters, shown.visible) == (tuple(letters[edge] for edge in ("top", "bottom", "left", "right")), True)


@pytest.fixture
def window(make_napari_viewer: Callable[..., object], scan: Volume):  # type: ignore[no-untyped-def]
    viewer = make_napari_viewer()
    add_volume(viewer, scan)  # type: ignore[arg-type]
    return viewer


def test_letters_are_where_the_canvas_draws(window) -> None:  # type: ignore[no-untyped-def]
    overlay = attach(window)
    for convention in ("neurological", "radiological"):
        overlay.set_convention(convention)
        for plane in PLANES:
            show_plane(window, plane)
            _assert_letters_are_true(window)
            window.dims.transpose()
            _assert_letters_are_true(window)
        for _ in range(3):
            window.dims.roll()
            _assert_letters_are_true(window)
    show_plane(window, "axial")
    assert overlay.letters() == {"top": "A", "bottom": "P", "left": "R", "right": "L"}
    overlay.set_convention("neurological")
    assert overlay.letters() == {"top": "A", "bottom": "P", "left": "L", "right": "R"}
    show_plane(window, "sagittal")
    assert overlay.letters() == {"top": "S", "bottom": "I", "left": "P", "right": "A"}


@pytest.mark.parametrize("convention", ["neurological", "radiological"])
def test_letters_in_3d_follow_the_camera_and_nothing_is_mirrored(window, convention: str) -> None:  # type: ignore[no-untyped-def]
    overlay = attach(window)
    overlay.set_convention(convention)
    window.dims.ndisplay = 3
    for angles in ((0, 0, 90), (10, 20, 80), (0, 90, 0), (-95, 10, 5), (170, 0, 45.5)):
        window.scene.camera.angles = angles
        window.window._qt_viewer.canvas.on_draw(None)
        _assert_letters_are_true(window)
    # Right, anterior and superior seen on the screen make a right-handed system, as they do in a body.
    centre = np.array(window.dims.point, dtype=float)
    view = window.window._qt_viewer.canvas.view
    here = (view.transform * view.scene.transform).map((*centre[::-1], 1.0))
    steps = [(view.transform * view.scene.transform).map((*(centre + 5 * np.eye(3)[axis])[::-1], 1.0))[:3] - here[:3] for axis in (2, 1, 0)]
    # x right, y down, z into the screen is right-handed.
    assert np.linalg.det(np.array(steps)) > 0


def test_an_unknown_orientation_is_said(tmp_path: Path) -> None:
    viewer = ViewerModel()
    overlay = attach(viewer)
    assert set(overlay.letters().values()) == {""}
    add_volume(viewer, load(write(tmp_path / "codes.nii.gz", head()[0], codes=(0, 0))))
    assert set(overlay.letters().values()) == {"?"}
    viewer.layers.clear()
    assert not viewer.canvas.overlays["brain_uad_letters"].visible
    viewer.add_image(np.zeros((3, 4, 5)))
    assert set(overlay.letters().values()) == {"?"}


@pytest.mark.parametrize("affine", [LPS, rotated(LPS, 25.0)], ids=["axis-aligned", "oblique"])
def test_the_read_out_is_the_files_own(tmp_path: Path, affine: NDArray[np.float64]) -> None:
    path = write(tmp_path / "scan.nii.gz", head()[0], affine)
    viewer = ViewerModel()
    layer = add_volume(viewer, load(path))
    image = nibabel.load(path)
    for index in ((0, 0, 0), (12, 30, 7), (39, 43, 29)):
        # Canonical index of that voxel: the stored first two axes run the other way.
        i, j, k = 39 - index[0], 43 - index[1], index[2]
        reading = read_at(viewer, np.array(layer.data_to_world((k, j, i))))
        assert reading is not None
        assert reading.voxel == index
        np.testing.assert_allclose(reading.mm, image.affine[:3] @ (*index, 1), atol=1e-3)
        assert reading.intensity == pytest.approx(image.get_fdata()[index])
    assert read_at(viewer, np.array(layer.data_to_world((0, 0, -3)))) is None


def test_the_read_out_names_each_methods_score(detection: Detection) -> None:
    viewer = ViewerModel()
    add_volume(viewer, detection.volume)
    heat, *_ = add_detection(viewer, detection, jump=False)
    heat.visible = False
    index = (20, 22, 15)
    reading = read_at(viewer, np.array(heat.data_to_world(index[::-1])))
    assert reading is not None
    assert reading.scores == (("thresh-raw", pytest.approx(float(detection.map.score[index]))),)
    assert "mm RAS" in str(reading)
    assert "thresh-raw" in str(reading)


def test_moving_the_mouse_reads_out(window) -> None:  # type: ignore[no-untyped-def]
    overlay = attach(window)
    heard = []
    overlay.listeners.append(heard.append)
    window.cursor.position = tuple(window.layers[0].data_to_world((15, 22, 20)))
    window.dims.point = window.cursor.position
    overlay(window, None)
    assert overlay.reading is not None
    assert overlay.reading.intensity == window.layers[0].data[15, 22, 20]
    assert window.canvas.overlays["brain_uad_readout"].visible
    window.dims.ndisplay = 3
    overlay.update_reading()
    assert not window.canvas.overlays["brain_uad_readout"].visible
    assert heard[-1] is None


def test_the_convention_is_remembered() -> None:
    first, second = ViewerModel(), ViewerModel()
    attach(first).set_convention("neurological")
    assert remembered("convention") == "neurological"
    assert attach(second).convention == "neurological"
    attach(second).set_convention("radiological")
    assert remembered("convention") == "radiological"


def test_attached_once_and_detached_without_a_trace(scan: Volume) -> None:
    viewer = ViewerModel()
    emitters = (*ViewOverlay._emitters(viewer), viewer.dims.events.point, viewer.layers.events.inserted)
    before = [len(emitter.callbacks) for emitter in emitters]
    names, orientation = set(viewer.canvas.overlays), viewer.scene.camera.orientation
    first = attach(viewer)
    assert attach(viewer) is first
    assert len(viewer.mouse_move_callbacks) == 1
    detach(viewer)
    detach(viewer)
    assert attached(viewer) is None
    assert [len(emitter.callbacks) for emitter in emitters] == before
    assert set(viewer.canvas.overlays) == names
    assert viewer.scene.camera.orientation == orientation
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None


def test_masks_are_outlined_and_3d_stays_silent(scan: Volume) -> None:
    viewer = ViewerModel()
    attach(viewer)
    ours = add_labels(viewer, scan.data > 0, scan, name="truth")
    theirs = Labels(np.ones((3, 3, 3), int))
    viewer.add_layer(theirs)
    assert (ours.contour, theirs.contour) == (1, 0)
    viewer.dims.ndisplay = 3  # napari's warning about it would fail this test


def test_going_to_a_voxel_centres_it_and_keeps_the_zoom(scan: Volume) -> None:
    viewer = ViewerModel()
    layer = add_volume(viewer, scan)
    viewer.scene.camera.zoom = 3.0
    for plane in PLANES:
        show_plane(viewer, plane)
        zoom = viewer.scene.camera.zoom
        go_to(viewer, layer, (5, 30, 10))
        world = np.array(layer.data_to_world((10, 30, 5)))
        np.testing.assert_allclose(viewer.dims.point, world, atol=1e-6)
        np.testing.assert_allclose(viewer.scene.camera.center[-2:], world[list(viewer.dims.displayed)])
        assert viewer.scene.camera.zoom == zoom


def test_images_of_more_dimensions_do_no_harm() -> None:
    viewer = ViewerModel()
    overlay = attach(viewer)
    viewer.add_layer(Image(np.zeros((2, 3, 4, 5))))
    show_plane(viewer, "coronal")
    assert viewer.dims.order == (0, 2, 1, 3)
    overlay.update_letters()
    assert read_at(viewer, np.zeros(3)) is None
