"""2-D pictures in the viewer: taken for one slice, as the command line takes their files; what is found lies on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from PIL import Image as Picture

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.gui.app.docks import open_dock
from napari_brain_uad.gui.layers.layers import fits, is_map, map_of, mask_of, record, volume_layer, volume_of
from napari_brain_uad.gui.layers.view import attach
from napari_brain_uad.gui.widgets.layer_box import is_mask, is_scan
from napari_brain_uad.io.pictures import read_picture
from napari_brain_uad.workflows.detect.detect import detect

ROWS, COLUMNS = np.mgrid[:48, :40]
HEAD = ((ROWS - 24) / 22) ** 2 + ((COLUMNS - 20) / 18) ** 2 <= 1
LESION = (ROWS - 14) ** 2 + (COLUMNS - 14) ** 2 <= 25
GREY = np.where(LESION, 230, np.where(HEAD, 100 + (ROWS * 7 + COLUMNS * 5) % 11, 3)).astype(np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Picture.fromarray(GREY).save(tmp_path / "slice_T2.png")
    return tmp_path / "slice_T2.png"


@pytest.mark.parametrize("colours", [np.uint8, np.uint16, np.float32, None])
def test_it_is_the_slice_that_its_file_gives(file: Path, colours: Any) -> None:
    data = GREY if colours is None else np.repeat(GREY[..., None], 3, axis=2)
    if colours is not None and colours is not np.uint8:
        data = (data.astype(np.float64) * (257 if colours is np.uint16 else 1 / 255)).astype(colours)
    volume = volume_of(Image(data, name="slice"))
    like = read_picture(file)
    np.testing.assert_array_equal(volume.data, like.data)
    assert volume.grid.as_dict() == like.grid.as_dict()
    assert volume.findings == like.findings


def test_a_colour_picture_is_refused() -> None:
    data = np.repeat(GREY[..., None], 3, axis=2)
    data[..., 0] //= 2
    with pytest.raises(InputError, match="Layer 'flowers': it is a colour picture"):
        volume_of(Image(data, name="flowers"))


def test_a_mask_drawn_on_it_is_one_of_its_slice() -> None:
    volume = volume_of(Image(GREY))
    mask = mask_of(Labels(LESION.astype(np.uint8)), volume.grid, "brain mask")
    np.testing.assert_array_equal(volume.data[mask], 230)
    with pytest.raises(InputError, match="the brain mask has 39x48x1 voxels, the scan 40x48x1"):
        mask_of(Labels(LESION[:, :-1].astype(np.uint8)), volume.grid, "brain mask")


def test_a_picture_in_black_and_white_is_a_mask_and_lies_on_its_slice() -> None:
    """Catches masks that lie a picture's width beside the slice, and are no ground truth to choose."""
    viewer = ViewerModel()
    look = attach(viewer)
    volume = volume_of(Image(GREY))
    data, meta, _ = volume_layer(volume)
    slice_layer = viewer.add_layer(Image(data, **meta))
    mask = viewer.add_image(255 * LESION.astype(np.uint8), name="slice_mask")
    other = viewer.add_image(GREY, name="slice")
    look.dress()
    assert is_mask(mask)
    assert not is_scan(mask)
    assert not is_mask(other)
    assert is_scan(other)
    assert fits(mask, volume.grid)
    assert not fits(other, volume.grid)
    np.testing.assert_array_equal(volume.data[mask_of(mask, volume.grid, "ground truth")], 230)
    shown = tuple(round(value) for value in slice_layer.world_to_data((0.0, *mask.data_to_world((14, 14)))))
    assert slice_layer.data[shown] == 230
    assert slice_layer.data[0, shown[1] + 6, shown[2]] != 230
    np.testing.assert_array_equal(other.translate, 0)


def test_detect_takes_it_and_the_map_lies_on_it(make_napari_viewer: Any, qtbot: Any, file: Path) -> None:
    viewer = make_napari_viewer()
    (picture,) = viewer.open(file, plugin="napari")
    before = str(viewer.scene.camera.orientation2d)
    dock = open_dock(viewer, "Detect anomalies")
    assert str(viewer.scene.camera.orientation2d) == before  # it is shown upright as it is
    dock.inputs.method.choose("thresh-raw")
    dock.run()
    qtbot.waitUntil(lambda: not dock.running)
    assert dock.detection is not None
    assert "slice_T2.png --method thresh-raw --out" in dock.detection.command
    (heat,) = [layer for layer in viewer.layers if is_map(layer)]
    np.testing.assert_array_equal(map_of(heat).score, detect(file, "thresh-raw").map.score)
    # The brightest voxel of the map lies where the picture's lesion does, in the world that both are shown in.
    place = np.array(heat.data_to_world(np.argwhere(np.asarray(heat.data) == 230).mean(axis=0)))[-2:]
    np.testing.assert_allclose(picture.world_to_data(place), np.argwhere(LESION).mean(axis=0), atol=1e-6)
    assert not picture.visible
    scan = dock.inputs.scan.layer
    assert scan is not None
    assert (scan.name, record(scan)["volume"].source.path, dock.inputs.method.info.id) == ("slice_T2", file, "thresh-raw")
    assert [str(unit) for unit in viewer.layers.extent.units] == ["millimeter"] * 3
