"""Subjects: whose a layer is, showing one of them, and none of another's masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_brain_uad.core.volume import Volume
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import add_labels, record
from napari_brain_uad.gui.layers.subjects import layers_of, scan_of, scans, show_only, show_subject
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.workflows.detect.detect import Detection, detect


class _Two:
    """Two subjects on one grid, each with a map; one has a ground truth."""

    def __init__(self, detection: Detection) -> None:
        self.viewer = ViewerModel()
        self.first = add_volume(self.viewer, detection.volume)
        self.first_made = add_detection(self.viewer, detection)
        assert detection.volume.mask is not None
        smaller = detection.volume.mask & (np.indices(detection.volume.mask.shape)[0] > 5)
        other = replace(detection.volume, name="sub-02_FLAIR", data=detection.volume.data + 1, mask=smaller)
        self.second = add_volume(self.viewer, other)
        self.second_made = add_detection(self.viewer, detect(other, "thresh-raw"))

    def names(self, scan: Image) -> list[str]:
        return [layer.name for layer in layers_of(self.viewer, scan)]

    def seen(self) -> set[str]:
        return {layer.name for layer in self.viewer.layers if layer.visible}


@pytest.fixture
def two(detection: Detection) -> _Two:
    return _Two(detection)


def _all(name: str, *more: str) -> set[str]:
    return {name, *(f"{name} | {part}" for part in ("brain mask", "thresh-raw", "thresh-raw | regions", "thresh-raw | boxes", *more))}


def test_layers_belong_to_the_scan_they_were_made_of(two: _Two) -> None:
    assert set(two.names(two.first)) == _all("sub-01_FLAIR", "ground truth")
    assert set(two.names(two.second)) == _all("sub-02_FLAIR")
    for layer in (*two.second_made, two.second):
        assert scan_of(two.viewer, layer) is two.second
    # Names are not what counts.
    two.first.name, two.second.name = "one", "sub-01_FLAIR"
    assert len(two.names(two.first)) == 6
    assert scan_of(two.viewer, two.first_made[0]) is two.first


def test_a_layer_that_says_nothing_is_of_the_only_scan_on_its_grid(two: _Two) -> None:
    drawn = two.viewer.add_labels(np.ones((30, 44, 40), np.uint8), name="drawn")
    drawn.scale, drawn.translate = two.first.scale, two.first.translate
    assert scan_of(two.viewer, drawn) is None
    two.viewer.layers.remove(two.second)
    assert scan_of(two.viewer, drawn) is two.first
    elsewhere = two.viewer.add_labels(np.ones((5, 6, 7), np.uint8), name="elsewhere")
    assert scan_of(two.viewer, elsewhere) is None


def test_only_one_is_seen_and_what_was_hidden_by_hand_stays_hidden(two: _Two) -> None:
    first = _all("sub-01_FLAIR", "ground truth") - {"sub-01_FLAIR | brain mask"}
    two.viewer.layers["sub-01_FLAIR | ground truth"].visible = False
    show_only(two.viewer, two.second)
    assert two.seen() == _all("sub-02_FLAIR") - {"sub-02_FLAIR | brain mask"}
    show_only(two.viewer, two.first)
    assert two.seen() == first - {"sub-01_FLAIR | ground truth"}
    show_only(two.viewer, two.second)
    assert two.seen() == _all("sub-02_FLAIR") - {"sub-02_FLAIR | brain mask"}


def test_a_chosen_scan_is_over_the_others_and_active(two: _Two) -> None:
    show_subject(two.viewer, two.first)
    order = [layer.name for layer in two.viewer.layers]
    assert set(order[-6:]) == _all("sub-01_FLAIR", "ground truth")
    assert order[-6] == "sub-01_FLAIR"
    assert two.viewer.layers.selection.active is two.first
    show_only(two.viewer, two.second)
    show_subject(two.viewer, two.first)
    assert {"sub-01_FLAIR", "sub-01_FLAIR | thresh-raw"} < two.seen()


def test_slices_and_camera_go_to_a_scan_that_lies_elsewhere(two: _Two, scan: Volume) -> None:
    far = scan.grid.affine.copy()
    far[:3, 3] += 500.0
    there = add_volume(two.viewer, replace(scan, name="far", grid=replace(scan.grid, affine=far), source=None))
    show_subject(two.viewer, two.first)
    point, zoom = two.viewer.dims.point, two.viewer.scene.camera.zoom
    assert (two.first.extent.world[0] <= point).all()
    assert (point <= two.first.extent.world[1]).all()
    show_subject(two.viewer, there)
    assert (there.extent.world[0] <= two.viewer.dims.point).all()
    middle = there.extent.world.mean(axis=0)
    np.testing.assert_allclose(two.viewer.scene.camera.center[-2:], middle[-2:], atol=1.0)
    assert two.viewer.scene.camera.zoom == pytest.approx(zoom, rel=0.05)
    # Chosen again, nothing moves.
    two.viewer.scene.camera.zoom = 7.0
    two.viewer.dims.point = middle + 3.0
    show_subject(two.viewer, there)
    assert two.viewer.scene.camera.zoom == 7.0
    np.testing.assert_allclose(two.viewer.dims.point, middle + 3.0, atol=1.1)


def test_a_truth_may_be_of_several_sequences(two: _Two, detection: Detection) -> None:
    assert detection.truth is not None
    other = replace(detection.volume, name="sub-01_T1", data=detection.volume.data + 2)
    layer = add_volume(two.viewer, other)
    add_detection(two.viewer, detect(other, "thresh-raw", truth=detection.truth))
    truth = two.viewer.layers["sub-01_FLAIR | ground truth"]
    for scan in (two.first, layer):
        assert truth in layers_of(two.viewer, scan)
    assert truth not in layers_of(two.viewer, two.second)


def test_copies_in_a_comparison_are_no_scans(two: _Two) -> None:
    copy: Any = add_volume(two.viewer, record(two.first)["volume"])
    record(copy)["kind"] = "compared"
    assert scans(two.viewer) == [two.first, two.second]
    assert scan_of(two.viewer, copy) is None
    assert add_labels(two.viewer, record(two.first)["volume"].mask, record(two.first)["volume"], name="x") not in layers_of(
        two.viewer, two.first
    )
