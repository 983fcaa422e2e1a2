"""DICOM series read right: places and intensities against the standard's formula and against SimpleITK."""

from __future__ import annotations

import gzip
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file
from pydicom.pixels import get_decoder, get_encoder
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless
from written_dicom import Truth, dataset, enhanced, errors, rotation, save, truth, uid, write

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.dicom import pixels
from napari_brain_uad.io.dicom.series import find_series, is_dicom_path, read_series
from napari_brain_uad.workflows.detect.command import scan_words
from napari_brain_uad.workflows.scans.load import load


def _by_simpleitk(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Intensities (column, row, slice) and affine (RAS+) as SimpleITK reads them."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).T, np.diag([-1, -1, 1, 1]) @ affine


@pytest.mark.parametrize("seed", range(25))
def test_oblique_series_lie_where_simpleitk_and_the_standard_put_them(seed: int, tmp_path: Path) -> None:
    series = truth(seed)
    write(series, tmp_path)
    volume = read_series(tmp_path)
    assert errors(volume, series) is None
    assert volume.data.dtype == np.float32
    assert volume.data.T.flags.c_contiguous
    assert set(volume.grid.axcodes) == set("RAS")
    data, affine = _by_simpleitk(tmp_path)
    stored, grid = volume.to_native(volume.data)
    np.testing.assert_array_equal(stored, data)
    np.testing.assert_allclose(grid.affine, affine, atol=1e-4)
    assert not volume.findings


def test_an_axial_series_by_hand(tmp_path: Path) -> None:
    pixels = np.arange(2 * 2 * 3, dtype=np.uint16).reshape(2, 2, 3)
    up = np.array([0.0, 0.0, 5.0])
    write(Truth(pixels, np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), up, np.array([-10.0, -20.0, 30.0]), (2.0, 1.5)), tmp_path)
    volume = read_series(tmp_path)
    assert volume.grid.axcodes == "RAS"
    assert volume.data.shape == (3, 2, 2)
    # Column 0, row 0, slice 0 lies at L-10 P-20 S30, that is x = 10, y = 20: the last in x and in y.
    assert volume.data[2, 1, 0] == 0
    np.testing.assert_allclose(volume.grid.to_world([2, 1, 0]), [10, 20, 30])
    np.testing.assert_allclose(volume.grid.spacing, [1.5, 2.0, 5.0])


def test_slope_and_intercept_of_every_slice(series: Truth, tmp_path: Path) -> None:
    series = replace(series, slope=np.linspace(0.5, 1.7, series.count), inter=np.linspace(-9, 4, series.count))
    write(series, tmp_path)
    volume = read_series(tmp_path)
    data, _ = _by_simpleitk(tmp_path)
    np.testing.assert_allclose(volume.to_native(volume.data)[0], data, rtol=1e-5, atol=1e-4)


def test_signed_pixels(series: Truth, tmp_path: Path) -> None:
    series.pixels = series.pixels.astype(np.int16) - 300
    write(series, tmp_path)
    assert errors(read_series(tmp_path), series) is None


def test_12_of_16_bits_with_rubbish_in_the_others(series: Truth, tmp_path: Path) -> None:
    def change(data: pydicom.Dataset, k: int) -> pydicom.Dataset:
        data.BitsStored, data.HighBit = 12, 11
        data.PixelData = (series.pixels[k] | 0x3000).astype(np.uint16).tobytes()
        return data

    write(series, tmp_path, change)
    assert errors(read_series(tmp_path), series) is None


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_transfer_syntaxes(syntax: pydicom.uid.UID, series: Truth, tmp_path: Path) -> None:
    for k in range(series.count):
        data = dataset(series, k)
        data.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            data.PixelData = series.pixels[k].astype(">u2").tobytes()
        save(data, tmp_path / f"{k}")
    assert errors(read_series(tmp_path), series) is None


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_series(syntax: pydicom.uid.UID, tmp_path: Path) -> None:
    series = truth(3, slices=3, shape=(40, 33))
    if not get_encoder(syntax).is_available:
        pytest.skip(f"no encoder for {syntax.name}")

    def change(data: pydicom.Dataset, _k: int) -> pydicom.Dataset:
        data.compress(syntax, generate_instance_uid=False)
        return data

    write(series, tmp_path, change)
    assert errors(read_series(tmp_path), series) is None


def test_an_enhanced_file_with_shuffled_frames(series: Truth, tmp_path: Path) -> None:
    series = replace(series, slope=np.linspace(1, 2, series.count), inter=np.arange(series.count) * 5000.0)
    path = save(enhanced(series, np.random.default_rng(0).permutation(series.count)), tmp_path / "enhanced.dcm")
    assert errors(read_series(tmp_path), series) is None
    assert errors(read_series(path), series) is None


def test_what_a_frame_says_goes_before_what_is_said_for_all(series: Truth, tmp_path: Path) -> None:
    data = enhanced(series)
    plane = pydicom.Dataset()
    plane.ImagePositionPatient = ["1", "2", "3"]
    data.SharedFunctionalGroupsSequence[0].PlanePositionSequence = [plane]
    save(data, tmp_path / "enhanced.dcm")
    assert errors(read_series(tmp_path), series) is None


def test_a_slice_stands_for_its_series(series: Truth, tmp_path: Path) -> None:
    other = truth(2)
    paths = write(series, tmp_path / "both")
    for path in write(other, tmp_path / "other"):
        shutil.move(path, tmp_path / "both" / f"other-{path.name}")
    assert errors(read_series(paths[3]), series) is None


def test_a_tilted_gantry_gives_a_sheared_grid_and_says_so(tmp_path: Path) -> None:
    series = truth(5)
    series.step = series.step + 0.2 * np.linalg.norm(series.step) * series.columns
    write(series, tmp_path)
    volume = read_series(tmp_path)
    assert errors(volume, series) is None
    (finding,) = [finding for finding in volume.findings if finding.code == "tilted"]
    assert finding.level == "warning"
    assert "11.3 degrees" in finding.message


def test_several_series_are_listed_and_can_be_chosen(tmp_path: Path) -> None:
    first, second = truth(1), truth(2, slices=4)

    def number(data: pydicom.Dataset, _k: int) -> pydicom.Dataset:
        data.SeriesNumber, data.SeriesDescription, data.ContrastBolusAgent = 2, "Anna Muster t1 mprage", "Gd"
        return data

    write(first, tmp_path / "a")
    write(second, tmp_path / "b", number)
    found = find_series(tmp_path)
    assert [(one.number, one.sequence, one.slices, one.size) for one in found] == [(2, "T1c", 4, (11, 9)), (4, "FLAIR", 7, (11, 9))]
    assert found[0].description == "Anna Muster t1 mprage"
    assert "Anna" not in f"{found}"
    with pytest.raises(InputError, match="holds 2 series: 0: series 2: MR T1c, 4 slices of 11 x 9; 1: series 4: MR FLAIR") as caught:
        read_series(tmp_path)
    assert "Anna" not in str(caught.value)
    assert errors(read_series(tmp_path, found[0].uid), second) is None
    assert errors(read_series(tmp_path, index=1), first) is None
    # A command has to say which of them it was; the folder's name, which may be the patient's, it does not say.
    assert scan_words(load(tmp_path, index=1)) == ["SCAN", "--volume", "1"]
    assert scan_words(load(tmp_path / "a")) == ["SCAN"]
    with pytest.raises(InputError, match="no series 2"):
        read_series(tmp_path, index=2)
    with pytest.raises(InputError, match="none of this UID"):
        read_series(tmp_path, "1.2.3")


def test_a_double_echo_is_two_volumes(tmp_path: Path) -> None:
    early, late = truth(1), truth(1)
    late.pixels = late.pixels + 1000

    def echo(data: pydicom.Dataset, k: int) -> pydicom.Dataset:
        data.EchoTime, data.InstanceNumber = 20.0 + 0.001 * k, 2 * k + 1
        return data

    def second(data: pydicom.Dataset, k: int) -> pydicom.Dataset:
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid("late", k)
        data.InstanceNumber = 2 * k + 2
        return data

    write(early, tmp_path / "1", echo)
    write(late, tmp_path / "2", second)
    found = find_series(tmp_path)
    assert [one.slices for one in found] == [7, 7]
    assert {errors(read_series(tmp_path, one.uid), each) for one, each in zip(found, (early, late), strict=True)} == {None}


def test_a_double_echo_that_lacks_a_slice_is_refused(tmp_path: Path) -> None:
    def second(data: pydicom.Dataset, k: int) -> pydicom.Dataset | None:
        data.EchoTime = 20.0
        return None if k == 3 else data

    write(truth(1), tmp_path / "1")
    write(truth(1), tmp_path / "2", second)
    with pytest.raises(InputError, match="differ in their echo time"):
        read_series(tmp_path)


def test_positions_rounded_to_a_tenth_of_a_millimetre(series: Truth, tmp_path: Path) -> None:
    def rounded(data: pydicom.Dataset, k: int) -> pydicom.Dataset:
        data.ImagePositionPatient = [f"{value:.1f}" for value in series.position(k)]
        return data

    write(series, tmp_path, rounded)
    volume = read_series(tmp_path)
    assert "rounded-positions" in {finding.code for finding in volume.findings}
    expected = np.array([series.world_ras(k, 0, 0) for k in (0, series.count - 1)])
    stored = volume.source.grid.to_world([[0, 0, 0], [0, 0, series.count - 1]])
    np.testing.assert_allclose(stored, expected, atol=0.06)


def test_other_files_are_counted(series: Truth, tmp_path: Path) -> None:
    write(series, tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".hidden").write_bytes(b"")
    report = dataset(series, 0)
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"  # basic text report
    del report.PixelData, report.Rows, report.Columns
    save(report, tmp_path / "report.dcm")
    volume = read_series(tmp_path)
    assert errors(volume, series) is None
    assert [finding.message for finding in volume.findings] == [
        "left out: 1 DICOM file without an image: Basic Text SR",
        "left out: 1 file that is not DICOM",
    ]


def test_without_the_decoder_the_package_is_named(series: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(series, tmp_path, lambda data, _k: data.compress(RLELossless, generate_instance_uid=False) or data)

    class Missing:
        is_available = False

    monkeypatch.setattr(pixels, "get_decoder", lambda _syntax: Missing())
    with pytest.raises(InputError, match=r"is not installed\. Install it: pip install .napari-brain-uad\[dicom\]"):
        read_series(tmp_path)


def test_a_real_enhanced_file_as_nibabel_reads_it(tmp_path: Path) -> None:
    """nibabel ships a Philips multi-frame file; its reader is the oracle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nibabel calls its DICOM readers experimental
        from nibabel.nicom.dicomwrappers import wrapper_from_file
    packed = Path(nibabel.__file__).parent / "nicom" / "tests" / "data" / "philips_mprage.dcm.gz"
    if not packed.is_file():
        pytest.skip("this nibabel comes without its test files")
    path = tmp_path / "file.dcm"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    wrapper = wrapper_from_file(path)
    volume = read_series(path)
    slope = float(wrapper.frames[0].PixelValueTransformationSequence[0].RescaleSlope)
    # nibabel indexes (row, column, slice) and keeps LPS; of the scale factors of this file it takes the private one.
    expected = wrapper.get_unscaled_data().swapaxes(0, 1) * slope
    affine = np.diag([-1, -1, 1, 1]) @ wrapper.affine[:, [1, 0, 2, 3]]
    corners = np.array([[0, 0, 0], np.array(expected.shape) - 1, [3, 5, 1]])
    places = np.rint(volume.grid.to_index(corners @ affine[:3, :3].T + affine[:3, 3])).astype(int)
    np.testing.assert_allclose(
        volume.grid.to_world(places), corners @ affine[:3, :3].T + affine[:3, 3], atol=5e-3
    )  # its cosines are rounded
    np.testing.assert_allclose(volume.data[tuple(places.T)], expected[tuple(corners.T)], rtol=1e-5)
    assert volume.data.sum(dtype=float) == pytest.approx(expected.sum(dtype=float))


_ENCODINGS = ("MR_small", "MR_small_RLE", "MR_small_implicit", "MR_small_jp2klossless", "MR_small_bigendian", "MR_small_jpeg_ls_lossless")


@pytest.mark.parametrize("name", _ENCODINGS)
def test_real_single_slices(name: str, tmp_path: Path) -> None:
    """The same scan in six encodings, from pydicom's own test files."""
    path = get_testdata_file(f"{name}.dcm", download=False)
    if path is None:
        pytest.skip("this pydicom comes without its test files")
    syntax = pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID
    if not get_decoder(syntax).is_available:
        pytest.skip(f"no decoder for {syntax.name}")
    shutil.copy(path, tmp_path)
    volume = read_series(tmp_path)
    reference = pydicom.dcmread(get_testdata_file("MR_small.dcm", download=False))
    np.testing.assert_array_equal(volume.to_native(volume.data)[0][:, :, 0].T, reference.pixel_array)
    assert "single-slice" in {finding.code for finding in volume.findings}


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.touch()
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(InputError, match="cannot be read"):
        read_series(tmp_path)


def test_what_is_dicom(series: Truth, tmp_path: Path) -> None:
    path = write(series, tmp_path / "a")[0]
    other = tmp_path / "scan.nii"
    other.write_bytes(b"x" * 400)
    assert is_dicom_path(tmp_path)
    assert is_dicom_path(path)
    assert not is_dicom_path(other)
    assert not is_dicom_path(tmp_path / "nothing")


def test_rotation_is_a_rotation() -> None:
    turn = rotation(np.random.default_rng(0))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
