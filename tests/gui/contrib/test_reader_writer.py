"""Files in and out: as layers of the right kind, errors in one sentence, results in the file's own space."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import notification_manager
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_brain_uad.gui.contrib.reader import get_reader, read
from napari_brain_uad.gui.contrib.writer import write_layer
from napari_brain_uad.gui.layers.layers import map_of, mask_of, record, volume_of
from napari_brain_uad.gui.layers.mask_layer import LiveMask
from napari_brain_uad.gui.widgets.layer_box import is_mask, is_scan
from napari_brain_uad.io.nifti import read_mask
from napari_brain_uad.workflows.detect.detect import Detection
from napari_brain_uad.workflows.detect.save import save_detection
from tests.gui.scans import LPS, head, rotated, write


def _open(path: Path | list[Path]) -> list[Layer]:
    names = [str(one) for one in path] if isinstance(path, list) else str(path)
    reader = get_reader(names)
    assert reader is not None
    return [Layer.create(*layer) for layer in reader(names)]


def _said() -> str:
    return notification_manager.records[-1].message


@pytest.mark.parametrize("name", ["a.nii", "A.NII.GZ", "a.mgz", "a.hdr"])
def test_it_reads_what_it_knows(name: str) -> None:
    assert get_reader(name) is read
    assert get_reader([name, name]) is read


@pytest.mark.parametrize("name", ["a.png", "a.nii.png", "folder", [], ["a.nii", "a.png"]])
def test_it_leaves_the_rest_alone(name: str | list[str]) -> None:
    assert get_reader(name) is None


def test_a_scan_becomes_a_grey_image(scan_file: Path) -> None:
    (layer,) = _open(scan_file)
    assert isinstance(layer, Image)
    assert (layer.name, layer.colormap.name) == ("sub-01_FLAIR", "gray")
    assert volume_of(layer).sequence == "FLAIR"
    assert layer.data.shape == (30, 44, 40)


@pytest.mark.parametrize("name", ["x_mask", "x_truth", "lesions", "x-tumour", "brainmask", "sub-01_dseg"])
def test_masks_become_labels(tmp_path: Path, name: str) -> None:
    (layer,) = _open(write(tmp_path / f"{name}.nii.gz", head()[1]))
    assert isinstance(layer, Labels)
    assert np.count_nonzero(layer.data) == head()[1].sum()


@pytest.mark.parametrize("name", ["masked_T1", "unmask", "segment_of_T1", "FLAIR"])
def test_a_name_that_only_contains_the_word_stays_an_image(tmp_path: Path, name: str) -> None:
    enlarged = np.repeat(np.repeat(np.rint(head()[0]), 3, axis=0), 3, axis=1)  # patches of grey values, which a name could make labels
    (layer,) = _open(write(tmp_path / f"{name}.nii.gz", enlarged))
    assert isinstance(layer, Image)


def test_an_enlarged_scan_stays_an_image_under_the_name_of_a_mask(tmp_path: Path) -> None:
    enlarged = np.repeat(np.repeat(np.rint(head()[0]), 3, axis=0), 3, axis=1)
    (layer,) = _open(write(tmp_path / "sub-01_mask.nii.gz", enlarged))
    assert isinstance(layer, Image)


def test_a_label_map_is_labels_whatever_the_name(tmp_path: Path) -> None:
    """By the rule that refuses it as a scan of a detection."""
    patches = head()[1] + 3 * (head()[0] > 180).astype(np.uint8)
    (layer,) = _open(write(tmp_path / "sub-01_T1w.nii.gz", patches))
    assert isinstance(layer, Labels)


@pytest.mark.parametrize("value", [1, 255, 1000, 0.996])
@pytest.mark.parametrize("name", ["wmh", "sub-01_space-T1w", "masked_T1"])
def test_two_values_are_a_mask_whatever_the_name(tmp_path: Path, name: str, value: float) -> None:
    noise = np.random.default_rng(0).uniform(-2e-7, 2e-7, head()[1].shape)
    (layer,) = _open(write(tmp_path / f"{name}.nii.gz", ((head()[1] + noise) * value).astype(np.float32)))
    assert isinstance(layer, Labels)
    assert set(np.unique(layer.data)) == {0, round(value)}
    assert np.count_nonzero(layer.data) == head()[1].sum()
    # Seen, and in the colour of a ground truth.
    np.testing.assert_allclose(layer.colormap.map(round(value))[:3], (0x56 / 255, 0xB4 / 255, 0xE9 / 255), atol=2e-3)


@pytest.mark.parametrize("name", ["aseg", "aparc+aseg", "wmparc", "P1_GT", "x_msk", "sub-01_desc-aparcaseg_dseg", "lesions"])
def test_whole_numbers_in_patches_are_labels_where_the_name_says_so(tmp_path: Path, name: str) -> None:
    i, j, k = np.indices((30, 32, 20))
    labels = np.where((i - 15) ** 2 + (j - 16) ** 2 + (k - 10) ** 2 < 90, 1000 + i // 4 * 37 + j // 8, 0).astype(np.float32)
    noise = np.random.default_rng(1).uniform(-1e-5, 1e-5, labels.shape).astype(np.float32)
    (layer,) = _open(write(tmp_path / f"{name}.nii.gz", labels + noise))
    assert isinstance(layer, Labels)
    assert set(np.unique(layer.data)) == set(np.unique(labels))


def test_an_8_bit_scan_is_no_mask_whatever_its_name(tmp_path: Path) -> None:
    grey = np.rint(head()[0]).astype(np.uint8)
    (layer,) = _open(write(tmp_path / "T1_brain_mask.nii.gz", grey))
    assert isinstance(layer, Image)


def test_a_map_of_fractions_is_an_image_from_0_to_1_and_no_scan(tmp_path: Path) -> None:
    fractions = gaussian_filter(head()[1].astype(np.float32), 1.0)
    (layer,) = _open(write(tmp_path / "sub-01_label-WM_probseg.nii.gz", fractions))
    assert isinstance(layer, Image)
    assert tuple(layer.contrast_limits) == (0.0, 1.0)
    assert not is_scan(layer)
    assert is_mask(layer)
    # As brain mask or truth it means what it means to the command line.
    (scan,) = _open(write(tmp_path / "sub-01_T1w.nii.gz", head()[0]))
    volume = volume_of(scan)
    wanted = read_mask(tmp_path / "sub-01_label-WM_probseg.nii.gz", volume)
    np.testing.assert_array_equal(mask_of(layer, volume.grid, "brain mask"), wanted)
    assert 0 < wanted.sum() < (fractions > 0).sum()


@pytest.mark.parametrize("name", ["lesion_roi", "GM_probseg"])
def test_values_near_0_are_seen_whatever_the_name(tmp_path: Path, name: str) -> None:
    (layer,) = _open(write(tmp_path / f"{name}.nii.gz", head()[1].astype(np.float32) * 1e-3))
    assert isinstance(layer, Image)
    assert layer.contrast_limits[1] == pytest.approx(1e-3)


@pytest.mark.parametrize("value", [1, 40])
def test_a_mask_that_others_opened_as_an_image_is_no_scan(value: int) -> None:
    assert not is_scan(Image(np.ascontiguousarray(head()[1].T) * value))
    assert not is_scan(Image(head()[1].T > 0))
    assert is_scan(Image(head()[0].T))
    assert is_scan(Image(np.zeros((4, 5, 6))))


def test_grey_values_stay_an_image_whatever_the_name(tmp_path: Path) -> None:
    (layer,) = _open(write(tmp_path / "lesions.nii.gz", head()[0]))
    assert isinstance(layer, Image)


def test_label_values_are_kept(tmp_path: Path) -> None:
    labels = head()[1] * 4
    labels[:14] //= 2
    (layer,) = _open(write(tmp_path / "x_seg.nii.gz", labels))
    assert set(np.unique(layer.data)) == {0, 2, 4}
    target = tmp_path / "out.nii.gz"
    assert write_layer(str(target), *layer.as_layer_data_tuple()[:2]) == [str(target)]
    np.testing.assert_array_equal(nibabel.load(target).get_fdata(), labels)


def test_a_short_series_becomes_one_layer_a_volume(tmp_path: Path) -> None:
    data = np.stack([head()[0] + n for n in range(3)], axis=-1)
    layers = _open(write(tmp_path / "series.nii.gz", data))
    assert [layer.name for layer in layers] == ["series [0]", "series [1]", "series [2]"]
    assert layers[2].data.max() == data[..., 2].max()


def test_a_long_series_is_refused_in_words_that_help(tmp_path: Path) -> None:
    data = np.zeros((4, 4, 4, 9), np.float32)
    data[1] = 1
    assert read(str(write(tmp_path / "bold.nii.gz", data))) == [(None,)]
    assert "9 volumes" in _said()
    assert "index" in _said()


def test_a_damaged_file_is_one_sentence_and_no_exception(tmp_path: Path, scan_file: Path) -> None:
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(scan_file.read_bytes()[:-200])
    assert read(str(broken)) == [(None,)]
    assert "broken.nii.gz" in _said()
    assert "Traceback" not in _said()
    layers = _open([broken, scan_file])
    assert [layer.name for layer in layers] == ["sub-01_FLAIR"]


def test_an_unknown_orientation_is_warned_of(tmp_path: Path) -> None:
    read(str(write(tmp_path / "codes.nii.gz", head()[0], codes=(0, 0))))
    assert "codes" in _said()


def test_a_saved_map_opens_as_the_heatmap_it_was(tmp_path: Path, detection: Detection) -> None:
    files = save_detection(detection, tmp_path / "out")
    (layer,) = _open(files["map"])
    back = map_of(layer)
    np.testing.assert_array_equal(back.score, detection.map.score)
    np.testing.assert_array_equal(back.mask, detection.map.mask)
    assert (back.method, back.name) == (detection.map.method, detection.map.name)


@pytest.mark.parametrize("affine", [LPS, rotated(LPS, 25.0), np.diag((1.0, 1.0, 1.0, 1.0))], ids=["LPS", "oblique", "RAS"])
def test_a_scan_goes_back_into_its_own_space(tmp_path: Path, affine: NDArray[np.float64]) -> None:
    path = write(tmp_path / "scan.nii.gz", head()[0], affine)
    (layer,) = _open(path)
    target = tmp_path / "again.nii.gz"
    assert write_layer(str(target), *layer.as_layer_data_tuple()[:2]) == [str(target)]
    before, after = nibabel.load(path), nibabel.load(target)
    np.testing.assert_allclose(after.affine, before.affine, atol=1e-5)
    np.testing.assert_array_equal(after.get_fdata(), before.get_fdata())


def test_the_live_mask_is_saved_as_what_is_flagged(tmp_path: Path, detection: Detection) -> None:
    live = LiveMask(detection.map.score.T, detection.result.threshold, np.ascontiguousarray(detection.truth.T))  # type: ignore[union-attr]
    live.settle(detection.result.mask.T)
    metadata = {"brain_uad": {"kind": "regions", "map": detection.map, "affine": detection.map.grid.affine}}
    target = tmp_path / "mask.nii.gz"
    write_layer(str(target), live, {"name": "m", "metadata": metadata})
    saved = nibabel.load(target)
    np.testing.assert_allclose(saved.affine, LPS, atol=1e-5)
    # Stored LPS: the first two axes run the other way.
    np.testing.assert_array_equal(np.flip(np.asarray(saved.dataobj), (0, 1)) > 0, detection.result.mask)


def test_labels_drawn_by_hand_are_saved_where_they_lie(tmp_path: Path) -> None:
    drawn = np.zeros((5, 6, 7), int)
    drawn[1, 2, 3] = 1
    layer = Labels(drawn, scale=(3, 2, 1), translate=(10, 20, 30))
    target = tmp_path / "drawn.nii.gz"
    write_layer(str(target), *layer.as_layer_data_tuple()[:2])
    saved = nibabel.load(target)
    (index,) = np.argwhere(np.asarray(saved.dataobj))
    np.testing.assert_allclose(saved.affine[:3] @ (*index, 1), (33, 24, 13))


def test_a_failed_write_is_said_and_leaves_nothing(tmp_path: Path, scan_file: Path) -> None:
    (layer,) = _open(scan_file)
    target = tmp_path / "missing" / "x.nii.gz"
    assert write_layer(str(target), *layer.as_layer_data_tuple()[:2]) == []
    assert "x.nii.gz" in _said() or "missing" in _said()
    assert not target.exists()


def test_the_source_stays_noted(scan_file: Path) -> None:
    (layer,) = _open(scan_file)
    assert record(layer)["volume"].source.path == scan_file
