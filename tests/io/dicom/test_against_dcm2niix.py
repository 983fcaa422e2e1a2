"""What is read from DICOM, beside what dcm2niix (Chris Rorden's converter, a code base of its own) makes of the same files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import get_encoder
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless
from written_dicom import Truth, dataset, enhanced, errors, save, truth, uid, write

from napari_brain_uad.core.volume import Volume
from napari_brain_uad.io.dicom.series import find_series, read_series

dcm2niix = pytest.importorskip("dcm2niix")

_SHAPE = (16, 20)
"""dcm2niix takes smaller images for icons."""


def _converted(folder: Path, out: Path) -> list[nibabel.Nifti1Image]:
    """What dcm2niix makes of a folder, canonical."""
    out.mkdir()
    command = [dcm2niix.bin, "-b", "n", "-z", "n", "-f", "%s_%e", "-o", str(out), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return [nibabel.as_closest_canonical(nibabel.load(path)) for path in sorted(out.glob("*.nii"))]


def _compare(volume: Volume, image: nibabel.Nifti1Image) -> None:
    assert volume.data.shape == image.shape[:3]
    np.testing.assert_allclose(volume.data, image.get_fdata().reshape(volume.data.shape), rtol=1e-6, atol=1e-4)
    corners = np.array([[i, j, k] for i in (0, volume.data.shape[0] - 1) for j in (0, volume.data.shape[1] - 1) for k in (0, 6)])
    there = nibabel.affines.apply_affine(image.affine, corners)
    np.testing.assert_allclose(volume.grid.to_world(corners), there, atol=2e-3)  # its affine is float32


def _facing(rows: tuple[int, int, int], columns: tuple[int, int, int], along: int = 1) -> Callable[[Truth], Truth]:
    """The series with slices that face an axis (LPS+)."""

    def turned(series: Truth) -> Truth:
        first, second = np.array(rows, float), np.array(columns, float)
        return replace(series, rows=first, columns=second, step=along * np.linalg.norm(series.step) * np.cross(first, second))

    return turned


def _same(series: Truth) -> Truth:
    return series


def _scaled(series: Truth) -> Truth:
    return replace(series, slope=np.array([2.5]), inter=np.array([-100.0]))


def _signed(series: Truth) -> Truth:
    return replace(series, pixels=series.pixels.astype(np.int16) - 900)


def _bytes(series: Truth) -> Truth:
    return replace(series, pixels=(series.pixels % 251).astype(np.uint8))


GEOMETRY: dict[str, Callable[[Truth], Truth]] = {
    "axial": _facing((1, 0, 0), (0, 1, 0)),
    "axial, from the top": _facing((1, 0, 0), (0, 1, 0), -1),
    "axial, patient on the belly": _facing((-1, 0, 0), (0, -1, 0)),
    "sagittal": _facing((0, 1, 0), (0, 0, -1)),
    "sagittal, from the left": _facing((0, 1, 0), (0, 0, -1), -1),
    "coronal": _facing((1, 0, 0), (0, 0, -1)),
    "coronal, from behind": _facing((1, 0, 0), (0, 0, -1), -1),
    "oblique": _same,
}


@pytest.mark.parametrize("kind", GEOMETRY)
def test_geometry(kind: str, tmp_path: Path) -> None:
    series = GEOMETRY[kind](truth(5, shape=_SHAPE))
    write(series, tmp_path / "in")
    (image,) = _converted(tmp_path / "in", tmp_path / "out")
    volume = read_series(tmp_path / "in")
    _compare(volume, image)
    assert errors(volume, series) is None


@pytest.mark.parametrize("seed", range(100, 106))
def test_any_obliquity(seed: int, tmp_path: Path) -> None:
    write(truth(seed, shape=_SHAPE), tmp_path / "in")
    (image,) = _converted(tmp_path / "in", tmp_path / "out")
    _compare(read_series(tmp_path / "in"), image)


@pytest.mark.parametrize("change", [_scaled, _signed, _bytes], ids=["slope and intercept", "signed", "8 bits"])
def test_values(change: Callable[[Truth], Truth], tmp_path: Path) -> None:
    write(change(truth(6, shape=_SHAPE)), tmp_path / "in")
    (image,) = _converted(tmp_path / "in", tmp_path / "out")
    _compare(read_series(tmp_path / "in"), image)


def test_a_slope_for_every_slice(tmp_path: Path) -> None:
    """dcm2niix rescales to one slope: what differs from ours is its rounding to whole numbers of that slope, no more."""
    series = replace(truth(6, shape=_SHAPE), slope=np.linspace(1.0, 2.0, 7), inter=np.zeros(1))
    write(series, tmp_path / "in")
    volume = read_series(tmp_path / "in")
    assert np.unique(volume.data).size > 1000
    (image,) = _converted(tmp_path / "in", tmp_path / "out")
    np.testing.assert_allclose(volume.data, image.get_fdata().reshape(volume.data.shape), atol=2.0)


def _in(syntax: UID) -> Callable[[Truth, Path], None]:
    def make(series: Truth, folder: Path) -> None:
        def change(data: Dataset, k: int) -> Dataset:
            if syntax in (RLELossless, JPEG2000Lossless):
                data.compress(syntax, generate_instance_uid=False)
                return data
            data.file_meta.TransferSyntaxUID = syntax
            if syntax == ExplicitVRBigEndian:
                data.PixelData = series.pixels[k].astype(">u2").tobytes()
            return data

        write(series, folder, change)

    return make


def _enhanced(series: Truth, folder: Path) -> None:
    folder.mkdir()
    save(enhanced(series), folder / "enhanced.dcm")


def _with_12_bits(series: Truth, folder: Path) -> None:
    def change(data: Dataset, k: int) -> Dataset:
        data.BitsStored, data.HighBit = 12, 11
        data.PixelData = (series.pixels[k] & 0xFFF).astype(np.uint16).tobytes()
        return data

    write(series, folder, change)


def _linked(series: Truth, folder: Path) -> None:
    folder.mkdir()
    for number, path in enumerate(write(series, folder.parent / "store")):
        (folder / f"{number}.dcm").symlink_to(path)


FILES: dict[str, Callable[[Truth, Path], None]] = {
    "implicit VR": _in(ImplicitVRLittleEndian),
    "big endian": _in(ExplicitVRBigEndian),
    "RLE": _in(RLELossless),
    "JPEG 2000": _in(JPEG2000Lossless),
    "enhanced multi-frame": _enhanced,
    "12 bits": _with_12_bits,
    "links": _linked,
}


@pytest.mark.parametrize("kind", FILES)
def test_files(kind: str, tmp_path: Path) -> None:
    if kind in ("RLE", "JPEG 2000") and not get_encoder(RLELossless if kind == "RLE" else JPEG2000Lossless).is_available:
        pytest.skip("no encoder")
    series = truth(8, shape=(40, 36))
    FILES[kind](series, tmp_path / "in")
    (image,) = _converted(tmp_path / "in", tmp_path / "out")
    _compare(read_series(tmp_path / "in"), image)


def test_shuffled_frames(tmp_path: Path) -> None:
    """dcm2niix sorts them as we do, but takes the step between slices from the first two of the file: without dimension indices,
    which this file has not, its affine is that of other slices. The places are checked against the standard's formula instead.
    """
    series = truth(8, shape=_SHAPE)
    (tmp_path / "in").mkdir()
    save(enhanced(series, np.random.default_rng(0).permutation(series.count)), tmp_path / "in" / "enhanced.dcm")
    volume = read_series(tmp_path / "in")
    (image,) = _converted(tmp_path / "in", tmp_path / "out")
    np.testing.assert_array_equal(volume.data, image.get_fdata())
    assert errors(volume, series) is None


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_without_preamble(syntax: UID, tmp_path: Path) -> None:
    """The bare data set. dcm2niix does not take files that have lost the preamble and kept the meta information; we do."""
    series = truth(9, shape=_SHAPE)
    for path in write(series, tmp_path / "in", lambda data, _k: setattr(data.file_meta, "TransferSyntaxUID", syntax) or data):
        raw = path.read_bytes()[132:]
        path.write_bytes(raw[int.from_bytes(raw[8:12], "little") + 12 :])
    (image,) = _converted(tmp_path / "in", tmp_path / "out")
    volume = read_series(tmp_path / "in")
    assert errors(volume, series) is None
    _compare(volume, image)


def test_two_echoes(tmp_path: Path) -> None:
    early, late = truth(10, shape=_SHAPE), truth(10, shape=_SHAPE)
    late.pixels = late.pixels + 3000

    def second(data: Dataset, k: int) -> Dataset:
        data.EchoTime, data.EchoNumbers = 20.0, 2
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid("second", k)
        data.InstanceNumber = 8 + k
        return data

    write(early, tmp_path / "in" / "a")
    write(late, tmp_path / "in" / "b", second)
    images = _converted(tmp_path / "in", tmp_path / "out")
    volumes = [read_series(tmp_path / "in", one.uid) for one in find_series(tmp_path / "in")]
    assert len(images) == len(volumes) == 2
    volumes.sort(key=lambda one: float(one.data.mean()))
    images.sort(key=lambda one: float(one.get_fdata().mean()))
    for volume, image in zip(volumes, images, strict=True):
        _compare(volume, image)


def test_a_series_beside_a_picture_of_the_screen(tmp_path: Path) -> None:
    """Both leave the picture out of the volume; dcm2niix makes a file of its own of it."""
    series = truth(11, shape=_SHAPE)
    write(series, tmp_path / "in")
    picture = dataset(series, 0)
    picture.SeriesInstanceUID, picture.SeriesNumber = uid("picture"), 99
    picture.SOPClassUID = picture.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    picture.SOPInstanceUID = picture.file_meta.MediaStorageSOPInstanceUID = uid("picture", 1)
    picture.SamplesPerPixel, picture.PhotometricInterpretation, picture.PlanarConfiguration = 3, "RGB", 0
    picture.BitsAllocated, picture.BitsStored, picture.HighBit = 8, 8, 7
    picture.PixelData = bytes(3 * _SHAPE[0] * _SHAPE[1])
    del picture.ImagePositionPatient, picture.ImageOrientationPatient
    save(picture, tmp_path / "in" / "screen.dcm")
    volume = read_series(tmp_path / "in")
    (image,) = [one for one in _converted(tmp_path / "in", tmp_path / "out") if one.shape[2] > 1]
    _compare(volume, image)
