"""Scans and maps as layers: the right place, the right axes, and back without loss."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.evaluation.colours import score_limits
from napari_brain_uad.gui.layers.detection_layers import add_detection
from napari_brain_uad.gui.layers.layers import (
    add_labels,
    add_map,
    contrast_limits,
    fits,
    map_of,
    mask_of,
    placement,
    record,
    volume_of,
    voxel_at,
)
from napari_brain_uad.gui.layers.mask_layer import LiveMask
from napari_brain_uad.gui.layers.view import add_volume
from napari_brain_uad.workflows.detect.detect import Detection
from napari_brain_uad.workflows.scans.load import as_mask, load
from tests.gui.scans import LPS, head, rotated, write


def test_a_voxel_lies_in_the_layer_where_nibabel_says_it_lies(scan: Volume) -> None:
    layer = add_volume(ViewerModel(), scan)
    stored = (31, 7, 22)  # in the file's own axes
    x, y, z = (LPS @ (*stored, 1))[:3]
    assert voxel_at(layer, (z, y, x)) == tuple(np.round(scan.grid.to_index((x, y, z))).astype(int))
    i, j, k = voxel_at(layer, (z, y, x)) or (0, 0, 0)
    assert layer.data[k, j, i] == head()[0][stored]
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3


def test_an_oblique_grid_is_shown_axis_aligned_about_its_centre_and_keeps_its_affine(tmp_path: Path) -> None:
    volume = load(write(tmp_path / "oblique.nii.gz", head()[0], rotated(LPS, 20.0)))
    layer = add_volume(ViewerModel(), volume)
    centre = (np.array(volume.data.shape) - 1) / 2
    np.testing.assert_allclose(layer.data_to_world(centre[::-1])[::-1], volume.grid.to_world(centre), atol=1e-4)
    np.testing.assert_array_equal(record(layer)["affine"], volume.grid.affine)
    np.testing.assert_allclose(placement(volume.grid)["scale"], (2.0, 1.0, 1.5), atol=1e-5)
    assert not np.any(layer.rotate - np.eye(3))
    np.testing.assert_array_equal(volume_of(layer).grid.affine, volume.grid.affine)


def test_a_layer_gives_its_scan_back_with_its_present_data_and_name(scan: Volume) -> None:
    layer = add_volume(ViewerModel(), scan)
    layer.name = "renamed"
    layer.data = np.asarray(layer.data) + 1
    back = volume_of(layer)
    np.testing.assert_array_equal(back.data, scan.data + 1)
    assert back.name == "renamed"
    assert back.source is scan.source
    assert back.findings == scan.findings


def test_a_layer_from_elsewhere_is_taken_by_its_transform_and_says_so() -> None:
    data = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    layer = Image(data, scale=(3, 2, -1), translate=(10, 20, 30))
    volume = volume_of(layer)
    assert [finding.code for finding in volume.findings] == ["orientation-assumed"]
    assert volume.grid.axcodes == "RAS"
    # voxel (k, j, i) = (1, 2, 5) lies at z = 13, y = 24, x = 25
    i, j, k = np.round(volume.grid.to_index((25, 24, 13))).astype(int)
    assert volume.data[i, j, k] == data[1, 2, 5]


@pytest.mark.parametrize("layer", [Image(np.zeros((2, 3, 4, 5))), Labels(np.zeros((3, 4, 5), int))])
def test_a_layer_without_one_image_is_refused(layer: Image) -> None:
    with pytest.raises(InputError, match="not a 3-D image"):
        volume_of(layer)


def test_masks_come_back_whoever_drew_them(scan: Volume) -> None:
    mask = scan.data > 120
    ours = add_labels(ViewerModel(), mask, scan, name="truth")
    drawn = Labels(mask.T.astype(int), scale=placement(scan.grid)["scale"], translate=placement(scan.grid)["translate"])
    for layer in (ours, drawn):
        assert fits(layer, scan.grid)
        np.testing.assert_array_equal(mask_of(layer, scan.grid, "ground truth"), mask)


def test_a_scan_shown_as_an_image_is_no_mask_and_fractions_are(scan: Volume) -> None:
    layer = add_volume(ViewerModel(), scan)
    with pytest.raises(InputError, match=r"Layer '.*': it holds grey values, as a scan or a map does, and is no ground truth"):
        mask_of(layer, scan.grid, "ground truth")
    with pytest.raises(InputError, match=r"Layer '.*': it holds .* values, as a scan does, and is no brain mask"):
        mask_of(layer, scan.grid, "brain mask")
    layer.data = np.asarray(layer.data) / np.float32(255)
    np.testing.assert_array_equal(mask_of(layer, scan.grid, "brain mask"), layer.data.T > 0.5)
    with pytest.raises(InputError, match="it is the scan itself"):
        mask_of(layer, scan.grid, "brain mask", layer.data.T)


@pytest.mark.parametrize("label", ["ground truth", "brain mask"])
@pytest.mark.parametrize("highest", [1, 250])
def test_what_is_no_mask_is_refused_alike_as_layer_array_and_file(scan: Volume, tmp_path: Path, label: str, highest: float) -> None:
    """A map of scores from 0 to 1 too, as a ground truth: half of it would count as lesion."""
    values = np.asarray(scan.data * np.float32(highest / scan.data.max()))
    path = tmp_path / "other.nii.gz"
    nib.Nifti1Image(values, scan.grid.affine).to_filename(path)
    layer = add_volume(ViewerModel(), replace(scan, data=values, source=None))
    whole = np.rint(values * (250 / highest)).astype(np.int32)
    said, drawn = [], Labels(whole.T, scale=placement(scan.grid)["scale"], translate=placement(scan.grid)["translate"])
    with pytest.raises(InputError) as refused:
        mask_of(drawn, scan.grid, label, scan.data)
    with pytest.raises(InputError, match=re.escape(refused.value.why)):
        as_mask(whole, scan, label=label)
    assert mask_of(drawn, scan.grid, label, check=False).sum() == (whole > 0).sum()  # to compare layers with what is known
    for read in (
        lambda: mask_of(layer, scan.grid, label, scan.data),
        lambda: as_mask(values, scan, label=label),
        lambda: as_mask(path, scan, label=label),
    ):
        try:
            said.append(str(read().sum()))
        except InputError as error:
            said.append(error.why)
    assert len(set(said)) == 1, said
    assert said[0].isdecimal() == (label == "brain mask" and highest == 1)  # of a brain it may be a map of probabilities


@pytest.mark.parametrize("label", ["ground truth", "brain mask"])
def test_labels_of_a_scan_enlarged_or_in_one_slice_are_no_mask_and_maps_of_labels_are(label: str) -> None:
    """A truth may have parts, and a brain many structures."""
    noise = np.random.default_rng(0).integers(1, 200, (8, 9, 10))
    grid = Grid((20, 18, 16), np.eye(4))
    enlarged = Labels(np.repeat(np.repeat(np.repeat(noise, 2, 0), 2, 1), 2, 2))
    with pytest.raises(InputError, match=f"and is no {label}"):
        mask_of(enlarged, grid, label)
    with pytest.raises(InputError, match=f"and is no {label}"):
        mask_of(Labels(np.random.default_rng(1).integers(1, 200, (18, 20))), Grid((20, 18, 1), np.eye(4)), label)
    parts = np.zeros((16, 18, 20), np.uint8)
    for number in range(1, 5):
        parts[3 * number : 3 * number + 3, 4:14, 4:14] = number
    structures = np.arange(1, 1 + 4 * 3 * 4).reshape(4, 3, 4).repeat(4, 0).repeat(6, 1).repeat(5, 2)
    for labels in (parts, structures, np.zeros((16, 18, 20), int), structures * 40):
        np.testing.assert_array_equal(mask_of(Labels(labels), grid, label), labels.T > 0)


def test_a_mask_elsewhere_is_refused_and_not_offered(scan: Volume) -> None:
    moved = Labels((scan.data > 0).T.astype(int), scale=placement(scan.grid)["scale"], translate=(0, 0, 0), name="moved")
    assert not fits(moved, scan.grid)
    with pytest.raises(InputError, match="mm away"):
        mask_of(moved, scan.grid, "ground truth")
    small = Volume(np.zeros((3, 3, 3), np.float32), Grid((3, 3, 3), np.eye(4)))
    other = add_labels(ViewerModel(), np.ones((3, 3, 3), bool), small, name="m")
    with pytest.raises(InputError, match="3x3x3"):
        mask_of(other, scan.grid, "ground truth")


def test_contrast_clips_the_tails_of_the_tissue_not_of_the_background() -> None:
    rng = np.random.default_rng(1)
    data = np.zeros((40, 40, 40), np.float32)
    data[10:30, 10:30, 10:30] = rng.uniform(100, 200, (20, 20, 20))
    data[15, 15, 15] = 1e6
    low, high = contrast_limits(data)
    assert 100 <= low < 101
    assert 199 < high <= 200
    assert contrast_limits(np.ones((3, 3, 3), np.float32)) == (1.0, 2.0)
    # One value on a background can be told from it: neither is drawn as the other.
    assert contrast_limits(np.where(data > 0, np.float32(7), np.float32(0))) == (0.0, 7.0)
    assert contrast_limits(np.where(data > 0, np.float32(-7), np.float32(0))) == (-7.0, 0.0)


def test_a_heatmap_is_seen_above_the_threshold_and_only_there(detection: Detection) -> None:
    viewer = ViewerModel()
    heat, *_ = add_detection(viewer, detection)
    threshold = detection.result.threshold.value
    low, high = heat.contrast_limits
    assert low == threshold
    assert high == score_limits(detection.map)[1]
    score = np.linspace(low - 10, high + 10, 501)
    alpha = heat.colormap.map(np.clip((score - low) / (high - low), 0, 1))[:, 3]
    assert not alpha[score <= threshold].any()
    # Seen right above it, not only far above.
    assert alpha[score > low + 0.01 * (high - low)].min() > 0.3
    assert (np.diff(alpha[score > low + 0.01 * (high - low)]) >= 0).all()


def test_the_top_of_the_colours_is_the_same_for_every_scan_and_threshold(detection: Detection) -> None:
    amap = detection.map
    fixed = replace(amap, provenance={**amap.provenance, "method": {**amap.provenance["method"], "colour_limits": [0.0, 500.0]}})
    for made, threshold in ((fixed, 120.0), (replace(fixed, score=fixed.score * 0.5), 60.0), (fixed, 499.9), (fixed, 700.0)):
        heat = add_map(ViewerModel(), made, threshold=threshold)
        low, high = heat.contrast_limits
        assert low == pytest.approx(threshold)
        assert high == pytest.approx(max(500.0, threshold + 10.0))
    # A map opened from its file has colours before anybody tuned it.
    low, high = add_map(ViewerModel(), fixed).contrast_limits
    assert low == pytest.approx(float(np.percentile(amap.brain_scores(), 95)))


def test_a_detection_becomes_heatmap_regions_and_boxes(detection: Detection) -> None:
    viewer = ViewerModel()
    add_volume(viewer, detection.volume)
    heat, regions, boxes = add_detection(viewer, detection)
    assert [layer.name for layer in viewer.layers] == [
        "sub-01_FLAIR",
        "sub-01_FLAIR | brain mask",
        "sub-01_FLAIR | ground truth",
        "sub-01_FLAIR | thresh-raw",
        "sub-01_FLAIR | thresh-raw | regions",
        "sub-01_FLAIR | thresh-raw | boxes",
    ]
    assert map_of(heat) is detection.map
    assert heat.colorbar.visible
    assert regions.contour == 1
    assert isinstance(regions.data, LiveMask)
    labels = np.asarray(regions.data).T
    np.testing.assert_array_equal(np.isin(labels, (1, 3)), detection.result.mask)
    np.testing.assert_array_equal(labels >= 2, detection.truth)
    assert len(boxes.data)
    assert viewer.layers.selection.active is heat
    peak = detection.map.grid.to_world(detection.result.regions[0].peak_index)
    np.testing.assert_allclose(viewer.dims.point, peak[::-1], atol=1e-3)
    np.testing.assert_allclose(viewer.scene.camera.center[1:], peak[::-1][1:], atol=1e-3)


def test_a_second_run_hides_the_first_and_adds_no_second_truth(detection: Detection) -> None:
    viewer = ViewerModel()
    add_volume(viewer, detection.volume)
    first = add_detection(viewer, detection, jump=False)
    second = add_detection(viewer, detection, jump=False)
    assert [layer.visible for layer in first] == [False] * 3
    assert [layer.visible for layer in second] == [True] * 3
    assert (first[0].colorbar.visible, second[0].colorbar.visible) == (False, True)
    first[0].visible = True
    # Of two that are seen, the upper one has the bar.
    assert (first[0].colorbar.visible, second[0].colorbar.visible) == (False, True)
    second[0].visible = False
    assert (first[0].colorbar.visible, second[0].colorbar.visible) == (True, False)
    for name in ("ground truth", "brain mask"):
        assert sum(name in layer.name for layer in viewer.layers) == 1


def test_a_method_with_a_fixed_colour_scale_shows_every_scan_in_it(detection: Detection) -> None:
    amap = detection.map
    fixed = replace(amap, provenance={**amap.provenance, "method": {**amap.provenance["method"], "colour_limits": [0.0, 0.5]}})
    assert score_limits(fixed) == (0.0, 0.5)
    assert score_limits(replace(fixed, score=fixed.score * 3)) == (0.0, 0.5)
