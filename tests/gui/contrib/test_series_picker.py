"""Folders dropped on the window: DICOM series and image files."""

from __future__ import annotations

import numpy as np
import pytest
import written_dicom
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_brain_uad.gui.app.docks import PLUGIN
from napari_brain_uad.gui.contrib.reader import get_reader
from napari_brain_uad.gui.contrib.series_picker import SeriesPicker, find_choices
from napari_brain_uad.gui.layers.layers import record, volume_of
from napari_brain_uad.io.dicom.series import find_series, read_series
from tests.gui.scans import head, write


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


def pickers():
    return [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, SeriesPicker)]


def drop(viewer, folder):
    viewer.open(str(folder), plugin=PLUGIN)
    return pickers()[-1]


def test_a_folder_of_one_series_opens_without_a_question(qtbot, viewer, tmp_path):
    series = written_dicom.truth(3)
    written_dicom.write(series, tmp_path / "dicom")
    drop(viewer, tmp_path / "dicom")
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    volume = volume_of(viewer.layers[0])
    np.testing.assert_array_equal(volume.data, read_series(tmp_path / "dicom").data)
    assert record(viewer.layers[0])["volume"].source.path is None
    qtbot.waitUntil(lambda: not [one for one in pickers() if one.isVisible()])


def test_several_series_are_offered_and_the_ticked_ones_opened(qtbot, viewer, tmp_path):
    for seed in (1, 2, 3):
        written_dicom.write(written_dicom.truth(seed), tmp_path / "dicom" / str(seed))
    picker = drop(viewer, tmp_path / "dicom")
    qtbot.waitUntil(picker.isVisible)
    assert not picker.isModal()
    assert picker.list.count() == 3
    assert not picker.open_button.isEnabled()
    for row in (0, 2):
        picker.list.item(row).setCheckState(Qt.CheckState.Checked)
    qtbot.mouseClick(picker.open_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    wanted = [read_series(tmp_path / "dicom", find_series(tmp_path / "dicom")[row].uid).data for row in (0, 2)]
    for layer, data in zip(viewer.layers, wanted, strict=True):
        np.testing.assert_array_equal(volume_of(layer).data, data)


def test_image_files_are_offered_beside_series(tmp_path):
    (tmp_path / "sub-01").mkdir()
    write(tmp_path / "sub-01" / "T1.nii.gz", head()[0])
    written_dicom.write(written_dicom.truth(1), tmp_path / "dicom")
    assert [bool(choice.uid) for choice in find_choices(tmp_path).choices] == [False, True]


def test_a_damaged_folder_says_what_is_wrong_and_opens_nothing(qtbot, viewer, tmp_path):
    files = written_dicom.write(written_dicom.truth(1), tmp_path / "dicom")
    files[3].unlink()
    picker = drop(viewer, tmp_path / "dicom")
    qtbot.waitUntil(lambda: picker.messages.level == "error")
    assert picker.isVisible()
    assert len(viewer.layers) == 0
    picker.close()


def test_slices_dropped_one_by_one_open_their_series_once(viewer, tmp_path):
    files = written_dicom.write(written_dicom.truth(1), tmp_path / "dicom")
    named = [file.rename(file.with_suffix(".dcm")) for file in files]
    viewer.open([str(file) for file in named[:3]], plugin=PLUGIN)
    assert len(viewer.layers) == 1


def test_folders_without_scans_are_left_to_others(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    assert get_reader(str(tmp_path)) is None


def test_free_text_of_the_scanner_stays_out_of_layers(qtbot, viewer, tmp_path):
    def name_patient(data, _k):
        data.SeriesDescription = "FLAIR JANE DOE"
        return data

    written_dicom.write(written_dicom.truth(1), tmp_path / "dicom", name_patient)
    drop(viewer, tmp_path / "dicom")
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    assert "DOE" not in viewer.layers[0].name
    assert "DOE" not in repr(viewer.layers[0].metadata)


def test_what_is_left_out_is_named_in_the_picker(qtbot, viewer, tmp_path):
    for seed in (1, 2, 3):
        written_dicom.write(written_dicom.truth(seed), tmp_path / "dicom" / str(seed))
    sorted((tmp_path / "dicom" / "3").iterdir())[3].write_bytes(b"")
    (tmp_path / "dicom" / "LOCKFILE").touch()
    (tmp_path / "dicom" / "old").symlink_to("gone")
    picker = drop(viewer, tmp_path / "dicom")
    qtbot.waitUntil(picker.isVisible)
    assert picker.list.count() == 2
    said = picker.left_out.text()
    assert picker.left_out.isVisible()
    assert "series 4: MR FLAIR, 6 slices of 11 x 9: one of its files: it looks like a DICOM file" in said
    assert "IM0003.dcm" in said
    assert "1 file that is not DICOM" in said
    assert "a link that leads nowhere" in said
    picker.close()


def test_damaged_dicom_beside_image_files_is_told(tmp_path):
    write(tmp_path / "T1.nii.gz", head()[0])
    files = written_dicom.write(written_dicom.truth(1), tmp_path / "dicom")
    files[3].unlink()
    offer = find_choices(tmp_path)
    assert [choice.label for choice in offer.choices] == ["T1.nii.gz"]
    assert len(offer.left_out) == 1
    assert "a slice is missing" in offer.left_out[0]


def test_linked_folders_and_unreadable_files_do_not_hide_a_scan(tmp_path):
    (tmp_path / "store").mkdir()
    write(tmp_path / "store" / "T1.nii.gz", head()[0])
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "a").symlink_to("a")
    (tmp_path / "shown" / "patient").symlink_to(tmp_path / "store")
    assert get_reader(str(tmp_path / "shown")) is not None
    offer = find_choices(tmp_path / "shown")
    assert [choice.label for choice in offer.choices] == ["patient/T1.nii.gz"]
    assert offer.left_out == ("1 link leads nowhere, like a",)
