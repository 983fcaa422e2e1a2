"""Folders as scanners and archives fill them: the good series is read right, and what lies beside it is named with its true reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from written_dicom import Truth, dataset, enhanced, errors, numbers, save, truth, uid, write

from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.dicom.series import find_series, find_study, is_dicom_path, read_series

STORAGE = "1.2.840.10008.5.1.4.1.1."
Adder = Callable[[Path, np.random.Generator], None]


def _object(sop_class: str, name: str, number: int = 77) -> Dataset:
    """An object of the study without an image."""
    data = dataset(truth(50, slices=2), 0)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = sop_class
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid(name)
    data.SeriesInstanceUID, data.SeriesNumber, data.SeriesDescription = uid(name, "series"), number, name
    del data.PixelData, data.Rows, data.Columns, data.ImagePositionPatient, data.ImageOrientationPatient, data.PixelSpacing
    return data


def _without_image(sop_class: str, file: str) -> Adder:
    return lambda folder, _rng: save(_object(sop_class, file), folder / file) and None


def _picture(sop_class: str, file: str, *, frames: int = 1, **values: object) -> Adder:
    """An image that says nothing about its place."""

    def add(folder: Path, rng: np.random.Generator) -> None:
        data = _object(sop_class, file)
        data.Rows, data.Columns = 20, 30
        data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
        if frames > 1:
            data.NumberOfFrames = frames
        for keyword, value in values.items():
            setattr(data, keyword, value)
        data.PixelData = rng.bytes(20 * 30 * int(data.SamplesPerPixel) * frames)
        save(data, folder / file)

    return add


_RGB = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}


def _series(change: Callable[[Dataset, int], Dataset | None], *, place: str = "other", seed: int = 60, number: int = 9) -> Adder:
    """Another series in a folder of its own beside, changed."""

    def add(folder: Path, _rng: np.random.Generator) -> None:
        def numbered(data: Dataset, k: int) -> Dataset | None:
            data.SeriesNumber, data.SeriesDescription = number, "ax t2"
            return change(data, k)

        write(truth(seed), folder / place, numbered)

    return add


def _set(**values: object) -> Callable[[Dataset, int], Dataset]:
    return lambda data, _k: [setattr(data, name, value) for name, value in values.items()] and data


def _bad_position(data: Dataset, k: int) -> Dataset:
    if k == 2:
        data.ImagePositionPatient = ["1", "2"]
    return data


def _cut(folder: Path, rng: np.random.Generator, keep: Callable[[bytes], int]) -> None:
    _series(lambda data, _k: data)(folder, rng)
    path = sorted((folder / "other").iterdir())[3]
    path.write_bytes(path.read_bytes()[: keep(path.read_bytes())])


def _localizer(folder: Path, _rng: np.random.Generator) -> None:
    rows, columns, normal = np.eye(3)
    for number, (first, second) in enumerate(((rows, columns), (columns, -normal), (rows, -normal))):
        plane = replace(truth(70 + number, slices=3), rows=first, columns=second, step=8 * np.cross(first, second), name="plane")

        def same(data: Dataset, k: int, number: int = number) -> Dataset:
            data.SeriesInstanceUID, data.SeriesNumber = uid("localizer"), 1
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid("localizer", number, k)
            return data

        write(plane, folder / "scout" / str(number), same)


def _time_series(folder: Path, rng: np.random.Generator) -> None:
    for number in range(4):

        def later(data: Dataset, k: int, number: int = number) -> Dataset:
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid("later", number, k)
            data.InstanceNumber, data.AcquisitionTime = 7 * number + k + 1, f"1200{number:02d}.{k}"
            return data

        _series(later, place=f"bold{number}")(folder, rng)


def _mosaics(folder: Path, change: Callable[[Dataset], None], **kind: object) -> None:
    tiles = replace(truth(80, slices=3, shape=(24, 24)), spacing=(3.0, 3.0), name="tiles")
    tiles.step = tiles.step * 0  # each image is a volume, all at one place

    def mark(data: Dataset, _k: int) -> Dataset:
        data.SeriesNumber = 12
        for name, value in kind.items():
            setattr(data, name, value)
        change(data)
        return data

    write(tiles, folder / "mosaic", mark)


def _siemens(folder: Path, _rng: np.random.Generator) -> None:
    _mosaics(folder, lambda _data: None, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])


def _siemens_count(folder: Path, _rng: np.random.Generator) -> None:
    _mosaics(folder, lambda data: data.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 9))


def _siemens_xa(folder: Path, _rng: np.random.Generator) -> None:
    words = ["ORIGINAL", "PRIMARY", "FMRI", "NONE", "MOSAIC"]

    def mark(data: Dataset) -> None:
        data.private_block(0x21, "SIEMENS MR SDS 01", create=True).add_new(0x01, "IS", "1")
        data.private_block(0x21, "SIEMENS MR SDI 02", create=True).add_new(0x75, "CS", words)

    _mosaics(folder, mark)


def _united_imaging(folder: Path, _rng: np.random.Generator) -> None:
    _mosaics(folder, lambda data: data.private_block(0x65, "Image Private Header", create=True).add_new(0x50, "DS", "9"))


def _unmarked(folder: Path, _rng: np.random.Generator) -> None:
    _mosaics(folder, lambda data: setattr(data, "PixelSpacing", ["30", "30"]))


EXTRAS: dict[str, tuple[Adder, str]] = {
    "screenshot": (_picture(STORAGE + "7", "screen.dcm", **_RGB), r"^left out: series 77: MR.*: it is in colour \(RGB\)"),
    "grey secondary capture": (_picture(STORAGE + "7", "screen.dcm"), "do not say where they lie"),
    "colour secondary captures": (_picture(STORAGE + "7.4", "sc.dcm", frames=3, **_RGB), r"in colour \(RGB\)"),
    "grey multi-frame capture": (_picture(STORAGE + "7.2", "sc.dcm", frames=3), "multi-frame file that does not say where"),
    "colour map": (_picture(STORAGE + "4", "cbf.dcm", PhotometricInterpretation="PALETTE COLOR"), r"in colour \(PALETTE COLOR\)"),
    "radiograph": (_picture(STORAGE + "1", "cr.dcm", PhotometricInterpretation="MONOCHROME1"), "inverted"),
    "ultrasound clip": (_picture(STORAGE + "3.1", "us.dcm", frames=6, Modality="US", **_RGB), "in colour"),
    "retired ultrasound clip": (_picture(STORAGE + "3", "us.dcm", frames=6, Modality="US"), "multi-frame"),
    "retired nuclear medicine": (_picture(STORAGE + "5", "nm.dcm", frames=4, Modality="NM"), "multi-frame"),
    "nuclear medicine": (_picture(STORAGE + "20", "nm.dcm", frames=4, Modality="NM"), "multi-frame"),
    "directory": (_without_image("1.2.840.10008.1.3.10", "DICOMDIR"), "without an image: Media Storage Directory"),
    "presentation state": (_without_image(STORAGE + "11.1", "ps.dcm"), "Grayscale Softcopy Presentation State"),
    "report": (_without_image(STORAGE + "88.33", "sr.dcm"), "Comprehensive SR"),
    "PDF": (_without_image(STORAGE + "104.1", "pdf.dcm"), "Encapsulated PDF"),
    "structures": (_without_image(STORAGE + "481.3", "rt.dcm"), "RT Structure Set"),
    "spectroscopy": (_without_image(STORAGE + "4.2", "mrs.dcm"), "MR Spectroscopy"),
    "raw data": (_without_image(STORAGE + "66", "raw.dcm"), "Raw Data"),
    "real-world values": (_without_image(STORAGE + "67", "rwv.dcm"), "Real World Value Mapping"),
    "private object": (_without_image("1.3.12.2.1107.5.9.1", "csa.dcm"), "an object of a private kind"),
    "segmentation": (_picture(STORAGE + "66.4", "seg.dcm", frames=5), "Segmentation"),
    "bad position elsewhere": (
        _series(_bad_position),
        "^left out: series 9: .*: one of its files: its ImagePosition",
    ),
    "slice missing elsewhere": (_series(lambda data, k: None if k == 3 else data), r"a slice is missing at [xyz]"),
    "no spacing elsewhere": (_series(_set(PixelSpacing=None)), "no PixelSpacing"),
    "five directions elsewhere": (
        _series(_set(ImageOrientationPatient=["1", "0", "0", "0", "1"])),
        "a series without a sound file: its ImageOrientationPatient cannot be read",
    ),
    "cut in the pixels": (lambda folder, rng: _cut(folder, rng, lambda raw: len(raw) - 40), "it is shorter than its image: cut off"),
    "cut after the UID": (lambda folder, rng: _cut(folder, rng, lambda raw: raw.index(b"ISO") if b"ISO" in raw else 900), "."),
    "cut in the first bytes": (lambda folder, rng: _cut(folder, rng, lambda _raw: 200), "one of its files: .*damaged|cannot be read"),
    "empty file elsewhere": (lambda folder, rng: _cut(folder, rng, lambda _raw: 0), "one of its files: it looks like a DICOM file"),
    "localizer": (_localizer, "its slices are of different orientation: a localizer"),
    "time series": (_time_series, "a time series, a diffusion series or another repeated measurement: there are 4 images of every place"),
    "Siemens mosaics": (_siemens, "it is a mosaic: every image holds all slices"),
    "Siemens mosaics by count": (_siemens_count, "it is a mosaic: every image holds all slices"),
    "Siemens XA mosaics": (_siemens_xa, "it is a mosaic: every image holds all slices"),
    "United Imaging mosaics": (_united_imaging, "it is a mosaic: every image holds all slices"),
    "mosaics of nobody": (_unmarked, "720 x 720 mm large, more than a scanner sees: most likely mosaics"),
    "lock file": (lambda folder, _rng: (folder / "LOCKFILE").touch(), "1 file that is not DICOM"),
    "list of files": (lambda folder, _rng: (folder / "index.xml").write_text("<x/>" * 900) and None, "1 file that is not DICOM"),
    "thumbnails": (lambda folder, rng: (folder / "Thumbs.db").write_bytes(rng.bytes(9000)) and None, "1 file that is not DICOM"),
    "version file": (lambda folder, _rng: (folder / "VERSION").write_text("1") and None, "1 file that is not DICOM"),
    "PDF named DICOM": (
        lambda folder, rng: (folder / "report.dcm").write_bytes(b"%PDF" + rng.bytes(900)) and None,
        "named like DICOM: damaged",
    ),
    "a copy of the series": (lambda folder, _rng: write(truth(7), folder / "copy") and None, "7 files that are copies of others"),
    "two more copies": (
        lambda folder, _rng: [write(truth(7), folder / one) for one in "ab"] and None,
        "14 files that are copies of others",
    ),
    "damaged report": (
        lambda folder, rng: (folder / "sr.dcm").write_bytes(bytes(128) + b"DICM" + rng.bytes(300)) and None,
        "belongs to no series: it is a damaged DICOM file",
    ),
}


@pytest.mark.parametrize("kind", EXTRAS)
def test_the_good_series_is_read_whatever_lies_beside_it(kind: str, tmp_path: Path) -> None:
    add, told = EXTRAS[kind]
    series = truth(7)
    suffix = "" if kind in ("lock file", "version file") else ".dcm"
    for path in write(series, tmp_path):
        path.rename(path.with_suffix(suffix))
    add(tmp_path, np.random.default_rng(0))
    volume = read_series(tmp_path)
    assert errors(volume, series) is None
    assert volume.data.size == series.pixels.size
    (finding,) = volume.findings
    assert finding.code in ("dicom-series", "dicom-no-image", "not-dicom", "dicom-damaged", "dicom-copies")
    assert re.search(told, finding.message), finding.message
    (found,) = find_series(tmp_path)
    assert errors(read_series(tmp_path, found.uid), series) is None
    assert str(find_study(tmp_path).left_out[0]) in finding.message


def test_hidden_files_are_not_even_counted(tmp_path: Path) -> None:
    series = truth(7)
    write(series, tmp_path)
    for name in (".DS_Store", "._IM0001.dcm", ".git/objects/IM0002.dcm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    volume = read_series(tmp_path)
    assert errors(volume, series) is None
    assert not volume.findings


BARE = {"implicit": ImplicitVRLittleEndian, "explicit": ExplicitVRLittleEndian, "big endian": ExplicitVRBigEndian}


def _bare(path: Path, syntax: object, series: Truth, k: int, *, meta: bool = False) -> None:
    """A slice as old archives keep it: the data set alone, without preamble, mark and (unless `meta`) file meta information."""
    data = dataset(series, k)
    data.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        data.PixelData = series.pixels[k].astype(">u2").tobytes()
    raw = save(data, path).read_bytes()[132:]
    length = int.from_bytes(raw[8:12], "little") + 12
    path.write_bytes(raw if meta else raw[length:])


@pytest.mark.parametrize("meta", [False, True])
@pytest.mark.parametrize("syntax", BARE)
def test_a_series_without_preamble_is_read_like_any(syntax: str, meta: bool, tmp_path: Path) -> None:
    series = truth(11)
    for k in range(series.count):
        _bare(tmp_path / f"{k}", BARE[syntax], series, k, meta=meta)
    assert is_dicom_path(tmp_path / "0")
    volume = read_series(tmp_path)
    assert errors(volume, series) is None
    assert not volume.findings
    assert errors(read_series(tmp_path / "3"), series) is None
    # Among others it is a series among others.
    write(truth(12), tmp_path / "other")
    assert [errors(read_series(tmp_path, one.uid), series) for one in find_series(tmp_path)].count(None) == 1


@pytest.mark.parametrize(
    "head", [b"", b"\x02", b"\x08\x00", b"\x08\x00\x05\x00CS", b"\x08\x00\x05\x00\x0a\x00\x00\x00ISO_IR 100", bytes(200)]
)
def test_what_only_begins_like_dicom_is_not_dicom(head: bytes, tmp_path: Path) -> None:
    series = truth(7)
    write(series, tmp_path)
    (tmp_path / "notes").write_bytes(head + b"plain words " * 30 * bool(head))
    volume = read_series(tmp_path)
    assert errors(volume, series) is None
    assert [finding.message for finding in volume.findings] == ["left out: 1 file that is not DICOM"]


def test_a_series_without_uid_is_a_series(tmp_path: Path) -> None:
    bare, other = truth(21), truth(22)

    def strip(data: Dataset, _k: int) -> Dataset:
        del data.SeriesInstanceUID
        return data

    paths = write(bare, tmp_path / "a", strip)
    assert errors(read_series(tmp_path), bare) is None
    assert errors(read_series(paths[2]), bare) is None
    write(other, tmp_path / "b")
    found = [errors(read_series(tmp_path, index=n), series) for series in (bare, other) for n in (0, 1)]
    assert found.count(None) == 2
    write(truth(23), tmp_path / "c", strip)
    assert [one.slices for one in find_series(tmp_path)] == [7, 7, 7]


@pytest.mark.parametrize("k", [0, 3, 6])
def test_a_slice_that_lost_the_uid_goes_back_to_its_series(k: int, tmp_path: Path) -> None:
    series = truth(24)

    def strip(data: Dataset, number: int) -> Dataset:
        if number == k:
            del data.SeriesInstanceUID
        return data

    write(series, tmp_path, strip)
    volume = read_series(tmp_path)
    assert errors(volume, series) is None
    assert volume.data.size == series.pixels.size
    assert [finding.code for finding in volume.findings] == ["no-series-uid"]


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut early", "dangling link"])
@pytest.mark.parametrize("k", [0, 3, 6])
def test_a_damaged_file_that_may_be_a_slice_stands_against_its_series(damage: str, k: int, tmp_path: Path) -> None:
    """At the ends, too, where positions cannot tell that a slice is gone; and against no other series of the folder."""
    series, other = truth(31), replace(truth(32), name="b")
    for truth_, first in ((series, 1), (other, 101)):
        for n in range(truth_.count):
            save(dataset(truth_, n), tmp_path / f"IM{first + n}")
    path = tmp_path / f"IM{1 + k}"
    raw = path.read_bytes()
    path.unlink()
    if damage == "dangling link":
        path.symlink_to("gone")
    else:
        path.write_bytes({"empty": b"", "garbage": np.random.default_rng(k).bytes(len(raw)), "cut early": raw[:250]}[damage])
    # After the last slice, the damaged file may be the other series' first just as well.
    study = find_study(tmp_path)
    assert len(study.series) == (0 if k == 6 else 1)
    assert not any(errors(read_series(tmp_path, one.uid), other) for one in study.series)
    for uid_ in study.refused:
        with pytest.raises(InputError, match=f"IM{1 + k}: (it is a damaged|it looks like|it is a link|its .* cannot be read)"):
            read_series(tmp_path, uid_)
    with pytest.raises(InputError):
        read_series(tmp_path, uid(series.name, "series"))


def test_every_series_of_a_mixed_folder_is_suspected_where_names_do_not_tell(tmp_path: Path) -> None:
    first, second = truth(33), truth(34)
    for n in range(7):
        save(dataset(first, n), tmp_path / f"{2 * n:03d}.dcm")
        save(dataset(second, n), tmp_path / f"{2 * n + 1:03d}.dcm")
    (tmp_path / "014.dcm").touch()
    with pytest.raises(InputError, match=r"No series in the folder can be read: .*it looks like a DICOM file.*; .*it looks like"):
        read_series(tmp_path)


def test_names_of_digests_are_names_of_slices(tmp_path: Path) -> None:
    series = truth(35)
    for n in range(7):
        save(dataset(series, n), tmp_path / uid(n)[-12:].translate(str.maketrans("0123456789", "a1b2c3d4e5")))
    (tmp_path / "abcdabcdabcd").touch()
    with pytest.raises(InputError, match="abcdabcdabcd: it looks like a DICOM file"):
        read_series(tmp_path)


def test_phase_images_are_told_apart_and_told(tmp_path: Path) -> None:
    magnitude, phase = truth(41), truth(41)
    phase.pixels = phase.pixels + 5000

    def mark(data: Dataset, k: int) -> Dataset:
        data.ImageType = ["ORIGINAL", "PRIMARY", "P", "ND"]
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid("phase", k)
        return data

    write(magnitude, tmp_path / "m")
    write(phase, tmp_path / "p", mark)
    volumes = [read_series(tmp_path, one.uid) for one in find_series(tmp_path)]
    told = [[finding.code for finding in volume.findings] for volume in volumes]
    assert sorted(told) == [[], ["not-magnitude"]]
    assert errors(volumes[told.index([])], magnitude) is None
    assert errors(volumes[told.index(["not-magnitude"])], phase) is None


def test_an_enhanced_file_beside_others_is_read_and_listed(tmp_path: Path) -> None:
    series = truth(42)
    save(enhanced(series), tmp_path / "enhanced.dcm")
    _picture(STORAGE + "7.4", "sc.dcm", frames=3, **_RGB)(tmp_path, np.random.default_rng(0))
    assert errors(read_series(tmp_path), series) is None


def test_several_series_are_listed_with_what_was_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(truth(1), tmp_path / "a")
    write(truth(2), tmp_path / "b")
    EXTRAS["PDF"][0](tmp_path, np.random.default_rng(0))
    EXTRAS["screenshot"][0](tmp_path, np.random.default_rng(0))
    assert main(["detect", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "holds 2 series: 0: series 4: MR FLAIR, 7 slices of 11 x 9; 1: series 4" in said
    assert "Left out: series 77: MR, 1 slice of 30 x 20: it is in colour (RGB)" in said
    assert "1 DICOM file without an image: Encapsulated PDF" in said
    assert main(["detect", str(tmp_path), "--volume", "2", "--out", str(tmp_path / "out")]) == 2
    assert "There is no series 2: Left out: series 77" in capsys.readouterr().err


def test_what_was_left_out_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(truth(1), tmp_path / "a")
    EXTRAS["screenshot"][0](tmp_path, np.random.default_rng(0))
    EXTRAS["PDF"][0](tmp_path, np.random.default_rng(0))
    assert main(["detect", str(tmp_path), "--prepare", "never", "--out", str(tmp_path.parent / "out"), "--quiet"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(said) == len(set(said)) == 2


def test_nothing_but_other_things(tmp_path: Path) -> None:
    EXTRAS["PDF"][0](tmp_path, np.random.default_rng(0))
    (tmp_path / "readme.txt").write_text("x")
    with pytest.raises(
        InputError, match=r"holds no DICOM image: of its 2 files none is one: 1 DICOM file without an image \(Encapsulated PDF\)"
    ):
        read_series(tmp_path)
    EXTRAS["grey secondary capture"][0](tmp_path, np.random.default_rng(0))
    with pytest.raises(InputError, match="do not say where they lie"):
        find_series(tmp_path)
    with pytest.raises(InputError, match=r"this DICOM file holds no image \(Encapsulated PDF\)"):
        read_series(tmp_path / "pdf.dcm")


def test_findings_name_no_file(tmp_path: Path) -> None:
    """Scanners name files after patients; findings go into records."""
    write(truth(7), tmp_path / "scan")
    _cut(tmp_path, np.random.default_rng(0), lambda _raw: 200)
    for path in (tmp_path / "other").iterdir():
        path.rename(path.with_name(f"MUSTER_{path.name}"))
    (tmp_path / "MUSTER.dcm").write_bytes(b"x")
    volume = read_series(tmp_path)
    assert len(volume.findings) == 2
    assert "MUSTER" not in f"{volume.findings} {volume!r} {find_study(tmp_path)!r}"
    assert "MUSTER" in "".join(name for one in find_study(tmp_path).left_out for name in one.names)


def test_a_linked_archive(tmp_path: Path) -> None:
    """Slices as links into a store without names, in a folder that is a link itself."""
    series = truth(43)
    folder = tmp_path / "series"
    folder.mkdir()
    for number, path in enumerate(write(series, tmp_path / "store")):
        target = path.rename(path.with_name(f"{number:032x}"))
        (folder / f"slice{number}.dcm").symlink_to(target)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "study").symlink_to(folder)
    assert errors(read_series(tmp_path / "root"), series) is None
    assert errors(read_series(folder / "slice2.dcm"), series) is None
    (folder / "slice6.dcm").unlink()
    (folder / "slice6.dcm").symlink_to("gone")
    with pytest.raises(InputError, match=r"slice6\.dcm: it is a link that leads nowhere"):
        read_series(tmp_path / "root")


def test_a_mosaic_alone_is_no_slice(tmp_path: Path) -> None:
    """It once came out as a volume of one slice."""
    for number, add in enumerate((_siemens, _siemens_xa, _united_imaging, _unmarked)):
        add(tmp_path / str(number), np.random.default_rng(0))
        paths = sorted((tmp_path / str(number) / "mosaic").iterdir())
        for path in paths[1:]:
            path.unlink()
        with pytest.raises(InputError, match=r"mosaic.*Convert it with dcm2niix"):
            read_series(tmp_path / str(number))


def test_private_marks_without_their_types(tmp_path: Path) -> None:
    """In implicit VR a private element comes as bytes."""

    def implicit(data: Dataset) -> None:
        data.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 9)
        data.private_block(0x65, "Image Private Header", create=True).add_new(0x50, "DS", "1")
        data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

    _mosaics(tmp_path, implicit)
    with pytest.raises(InputError, match="it is a mosaic"):
        read_series(tmp_path)


def test_places_a_little_apart_are_still_one_direction(tmp_path: Path) -> None:
    """One slice that faces elsewhere is a fault of its series, not a localizer."""

    def turn(data: Dataset, k: int) -> Dataset:
        if k == 4:
            rows = np.array(data.ImageOrientationPatient[:3], float)
            columns = np.array(data.ImageOrientationPatient[3:], float)
            data.ImageOrientationPatient = numbers(
                (*rows, *np.cross(np.cross(rows, columns), rows) * 0.5 + np.cross(rows, columns) * 0.866)
            )
        return data

    write(truth(44), tmp_path, turn)
    with pytest.raises(InputError, match="mixes slices of different orientation"):
        read_series(tmp_path)
