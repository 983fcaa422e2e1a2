"""Fault 7: some hundred broken DICOM folders. Each is refused, or loaded right; what is incomplete is said. None crashes."""

from __future__ import annotations

import struct
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import get_encoder
from pydicom.uid import JPEG2000Lossless, RLELossless
from written_dicom import Truth, dataset, enhanced, errors, numbers, save, truth, uid, write

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.dicom.series import read_series

Breaker = Callable[[Truth, Path, np.random.Generator], None]
SEEDS = range(10)


def _edited(edit: Callable[[Dataset, int, int, np.random.Generator], None]) -> Breaker:
    """A breaker that edits one slice, chosen at random; the edit gets the slice, its number and how many there are."""

    def breaker(series: Truth, folder: Path, rng: np.random.Generator) -> None:
        chosen = int(rng.integers(series.count))

        def change(data: Dataset, k: int) -> Dataset:
            if k == chosen:
                edit(data, k, series.count, rng)
            return data

        write(series, folder, change)

    return breaker


def _setting(**values: object) -> Breaker:
    def edit(data: Dataset, _k: int, _n: int, _rng: np.random.Generator) -> None:
        for keyword, value in values.items():
            if value is None:
                delattr(data, keyword)
            else:
                setattr(data, keyword, value)

    return _edited(edit)


def missing_inside(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    gone = set(rng.choice(np.arange(1, series.count - 1), int(rng.integers(1, 3)), replace=False))
    write(series, folder, lambda data, k: None if k in gone else data)


def every_second_missing(series: Truth, folder: Path, _rng: np.random.Generator) -> None:
    write(series, folder, lambda data, k: None if k % 2 else data)


def missing_at_the_start(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    gone = int(rng.integers(1, 3))
    write(series, folder, lambda data, k: None if k < gone else data)


def missing_at_the_end_as_announced(series: Truth, folder: Path, _rng: np.random.Generator) -> None:
    def change(data: Dataset, k: int) -> Dataset | None:
        data.ImagesInAcquisition = series.count
        return None if k == series.count - 1 else data

    write(series, folder, change)


def doubled(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    paths = write(series, folder)
    chosen = paths[int(rng.integers(len(paths)))]
    (folder / "copy.dcm").write_bytes(chosen.read_bytes())


def doubled_with_other_pixels(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    write(series, folder)
    k = int(rng.integers(series.count))
    data = dataset(series, k)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid(series.name, "again")
    data.InstanceNumber = 99
    data.PixelData = bytes(len(data.PixelData))
    save(data, folder / "copy.dcm")


def half_of_a_series_doubled(series: Truth, folder: Path, _rng: np.random.Generator) -> None:
    write(series, folder / "a")
    write(series, folder / "b", lambda data, k: data if k % 2 else None)


def series_doubled_with_other_pixels(series: Truth, folder: Path, _rng: np.random.Generator) -> None:
    def dark(data: Dataset, k: int) -> Dataset:
        data.PixelData = bytes(len(data.PixelData)) if k == 1 else data.PixelData
        return data

    write(series, folder / "a")
    write(series, folder / "b", dark)


def one_replaced_by_another(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    """One slice is missing, and another lies there twice."""
    paths = write(series, folder)
    gone, twice = rng.choice(series.count, 2, replace=False)
    paths[gone].write_bytes(paths[twice].read_bytes())


def two_series(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    write(series, folder / "a")
    write(truth(rng), folder / "b")


def foreign_slice(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    """A slice of another patient under this series' UID, at the place of a missing one."""
    other = replace(series, pixels=series.pixels[::-1], name="another")
    chosen = int(rng.integers(series.count))

    def change(data: Dataset, k: int) -> Dataset:
        if k != chosen:
            return data
        foreign = dataset(other, k)
        foreign.SeriesInstanceUID = data.SeriesInstanceUID
        return foreign

    write(series, folder, change)


def localizer(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    """Three planes in one series."""
    planes = [truth(rng, slices=3) for _ in range(3)]
    for plane in planes:
        write(plane, folder / plane.name, lambda data, _k: setattr(data, "SeriesInstanceUID", uid(series.name, "localizer")) or data)


def one_tilted(data: Dataset, _k: int, _n: int, _rng: np.random.Generator) -> None:
    rows, columns = (np.array(data.ImageOrientationPatient[part], float) for part in (slice(3), slice(3, 6)))
    normal = np.cross(rows, columns)
    data.ImageOrientationPatient = numbers((*(np.cos(0.1) * rows + np.sin(0.1) * normal), *columns))


def one_shifted(data: Dataset, _k: int, _n: int, _rng: np.random.Generator) -> None:
    data.ImagePositionPatient = numbers(np.array(data.ImagePositionPatient, float) + np.array(data.ImageOrientationPatient[:3], float) * 3)


def far_away(data: Dataset, _k: int, _n: int, _rng: np.random.Generator) -> None:
    """A list of the slices between would take gigabytes."""
    data.ImagePositionPatient = numbers(np.array([0, 0, 3e7]))


def one_off_the_grid(data: Dataset, _k: int, _n: int, _rng: np.random.Generator) -> None:
    rows, columns = (np.array(data.ImageOrientationPatient[part], float) for part in (slice(3), slice(3, 6)))
    data.ImagePositionPatient = numbers(np.array(data.ImagePositionPatient, float) + 0.7 * np.cross(rows, columns))


def positions_exchanged(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    """Two slices carry each other's place: only their numbers can tell."""
    first, second = rng.choice(series.count, 2, replace=False)

    def change(data: Dataset, k: int) -> Dataset:
        other = {first: second, second: first}.get(k, k)
        data.ImagePositionPatient = numbers(series.position(int(other)))
        return data

    write(series, folder, change)


def wrong_orientation(series: Truth, folder: Path, _rng: np.random.Generator) -> None:
    """The orientation says sagittal, the places run along axial slices."""
    normal = series.step / np.linalg.norm(series.step)
    write(series, folder, lambda data, _k: setattr(data, "ImageOrientationPatient", numbers((*series.columns, *normal))) or data)


def too_steep(series: Truth, folder: Path, _rng: np.random.Generator) -> None:
    """The places lean by 45 degrees against the orientation."""
    write(replace(series, step=series.step + np.linalg.norm(series.step) * series.columns), folder)


def cut_off(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    paths = write(series, folder)
    path = paths[int(rng.integers(len(paths)))]
    raw = path.read_bytes()
    path.write_bytes(raw[: int(rng.integers(0, len(raw) - 1))])


def header_destroyed(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    paths = write(series, folder)
    path = paths[int(rng.integers(len(paths)))]
    raw = path.read_bytes()
    path.write_bytes(rng.bytes(200) + raw[200:])


def garbage_without_suffix(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    for path in write(series, folder):
        path.rename(path.with_suffix(""))
    path = folder / f"IM{int(rng.integers(series.count)):04d}"
    path.write_bytes(rng.bytes(path.stat().st_size))


def bytes_overwritten(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    """Rubbish over a part of the header, in one file."""
    paths = write(series, folder)
    path = paths[int(rng.integers(len(paths)))]
    raw = bytearray(path.read_bytes())
    start = int(rng.integers(140, max(len(raw) - series.pixels[0].nbytes - 60, 141)))
    raw[start : start + 40] = rng.bytes(40)
    path.write_bytes(bytes(raw))


def pixels_too_long(data: Dataset, _k: int, _n: int, _rng: np.random.Generator) -> None:
    data.PixelData = data.PixelData + bytes(8)


def no_pixels(data: Dataset, _k: int, _n: int, _rng: np.random.Generator) -> None:
    del data.PixelData


def bad_rle(data: Dataset, _k: int, _n: int, rng: np.random.Generator) -> None:
    data.compress(RLELossless, generate_instance_uid=False)
    raw = bytearray(data.PixelData)
    del raw[len(raw) // 2 : len(raw) // 2 + 12]
    data.PixelData = bytes(raw)


def enhanced_frame_missing(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    order = np.delete(np.arange(series.count), int(rng.integers(1, series.count - 1)))
    save(enhanced(series, order), folder / "e.dcm")


def enhanced_frame_twice(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    save(enhanced(series, np.append(np.arange(series.count), int(rng.integers(series.count)))), folder / "e.dcm")


def enhanced_wrong_count(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    data = enhanced(series)
    data.NumberOfFrames = series.count + int(rng.choice([-1, 1]))
    save(data, folder / "e.dcm")


def enhanced_cut_off(series: Truth, folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    raw = save(enhanced(series), folder / "e.dcm").read_bytes()
    (folder / "e.dcm").write_bytes(raw[: int(rng.integers(0, len(raw)))])


def reports_only(series: Truth, folder: Path, _rng: np.random.Generator) -> None:
    def change(data: Dataset, _k: int) -> Dataset:
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
        del data.PixelData, data.Rows, data.Columns
        return data

    write(series, folder, change)


def all_slices(**values: object) -> Breaker:
    def breaker(series: Truth, folder: Path, _rng: np.random.Generator) -> None:
        def change(data: Dataset, _k: int) -> Dataset:
            for keyword, value in values.items():
                if value is None:
                    delattr(data, keyword)
                else:
                    setattr(data, keyword, value)
            return data

        write(series, folder, change)

    return breaker


REFUSED: dict[str, tuple[Breaker, str]] = {
    "missing inside": (missing_inside, r"missing at [xyz] = -?\d+\.\d|distances between"),
    "every second missing": (every_second_missing, "their numbers have gaps: slices are missing"),
    "doubled": (doubled, r"where there is another already: [xyz] = -?\d+\.\d"),
    "doubled with other pixels": (doubled_with_other_pixels, "where there is another already"),
    "half of a series doubled": (half_of_a_series_doubled, "3 slices lie where there is another already"),
    "series doubled with other pixels": (series_doubled_with_other_pixels, "7 slices lie where there is another already"),
    "a slice far away": (_edited(far_away), "e.07 mm away from the middle of the scanner is impossible"),
    "one replaced by another": (one_replaced_by_another, "where there is another already"),
    "two series": (two_series, "holds 2 series"),
    "slice of another patient": (foreign_slice, "differ in their patient"),
    "localizer": (localizer, "mixes slices|already|of different orientation"),
    "one slice tilted": (_edited(one_tilted), "different orientation"),
    "one slice shifted": (_edited(one_shifted), "do not lie on one line"),
    "one slice off the grid": (_edited(one_off_the_grid), "distances between its slices vary|already"),
    "wrong orientation": (wrong_orientation, "already"),
    "too steep": (too_steep, "45 degrees away from the direction"),
    "garbage without suffix": (garbage_without_suffix, "looks like a DICOM file"),
    "header destroyed": (header_destroyed, "damaged"),
    "pixels too long": (_edited(pixels_too_long), "instead of 198"),
    "no photometric interpretation": (_setting(PhotometricInterpretation=None), "photometric interpretation"),
    "none anywhere": (all_slices(PhotometricInterpretation=None), "no whole image"),
    "no samples per pixel": (all_slices(SamplesPerPixel=None), "no whole image"),
    "no bits stored": (all_slices(BitsStored=None), "no whole image"),
    "no pixels": (_edited(no_pixels), "shorter than its image"),
    "damaged RLE": (_edited(bad_rle), "damaged"),
    "enhanced, frame missing": (enhanced_frame_missing, "missing at"),
    "enhanced, frame twice": (enhanced_frame_twice, "already"),
    "enhanced, wrong count": (enhanced_wrong_count, "as many frames as it says"),
    "enhanced, cut off": (enhanced_cut_off, "damaged|whole image|no DICOM image|looks like|cut off|cannot be read|frames"),
    "reports only": (reports_only, "holds no DICOM image"),
    "no position": (_setting(ImagePositionPatient=None), "no ImagePositionPatient"),
    "no orientation": (all_slices(ImageOrientationPatient=None), "no ImageOrientationPatient"),
    "no spacing": (all_slices(PixelSpacing=None), "no PixelSpacing"),
    "spacing 0": (all_slices(PixelSpacing=["0", "1"]), "not above 0"),
    "other spacing": (_setting(PixelSpacing=["3", "3"]), "pixel spacing"),
    "other echo time": (_setting(EchoTime=20.0), "differ in their echo time"),
    "phase among magnitudes": (_setting(ImageType=["ORIGINAL", "PRIMARY", "P", "ND"]), "image type"),
    "other frame of reference": (_setting(FrameOfReferenceUID="1.2.3"), "frame of reference"),
    "other study": (_setting(StudyInstanceUID="1.2.3"), "study"),
    "colour": (all_slices(PhotometricInterpretation="RGB"), "in colour"),
    "inverted": (all_slices(PhotometricInterpretation="MONOCHROME1"), "inverted"),
    "slope 0": (_setting(RescaleSlope="0", RescaleIntercept="0"), "RescaleSlope is 0"),
    "rows wrong everywhere": (all_slices(Rows=8), "bytes of pixels instead of"),
    "multi-frame without places": (all_slices(NumberOfFrames=2), "does not say where its frames lie"),
    "position of two numbers": (_setting(ImagePositionPatient=["1", "2"]), "ImagePositionPatient cannot be read"),
    "orientation not perpendicular": (all_slices(ImageOrientationPatient=["1", "0", "0", "0.5", "0.8", "0"]), "perpendicular"),
}

# Loaded, every voxel in its place, and the doubt is said.
TOLD: dict[str, tuple[Breaker, str]] = {
    "missing at the start": (missing_at_the_start, "maybe-incomplete"),
    "missing at the end as announced": (missing_at_the_end_as_announced, "maybe-incomplete"),
    "not MR": (all_slices(Modality="CT"), "not-mr"),
    "lossy": (all_slices(LossyImageCompression="01"), "lossy"),
}

# Any of these may hit a byte that means nothing; what counts is that no wrong volume comes out without a word.
ANY: dict[str, Breaker] = {"cut off": cut_off, "bytes overwritten": bytes_overwritten}


def _series(seed: int) -> Truth:
    return truth(1000 + seed)


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str, tmp_path: Path) -> None:
    breaker, message = REFUSED[kind]
    for seed in SEEDS:
        series = _series(seed)
        breaker(series, tmp_path / str(seed), np.random.default_rng(seed))
        with pytest.raises(InputError, match=message):
            read_series(tmp_path / str(seed))


@pytest.mark.parametrize("kind", TOLD)
def test_loaded_right_and_told(kind: str, tmp_path: Path) -> None:
    breaker, code = TOLD[kind]
    for seed in SEEDS:
        series = _series(seed)
        breaker(series, tmp_path / str(seed), np.random.default_rng(seed))
        volume = read_series(tmp_path / str(seed))
        assert errors(volume, series) is None
        assert code in {finding.code for finding in volume.findings if finding.level == "warning"}


def test_exchanged_positions_are_told_by_the_numbers(tmp_path: Path) -> None:
    for seed in SEEDS:
        positions_exchanged(_series(seed), tmp_path / str(seed), np.random.default_rng(seed))
        assert "numbers-shuffled" in {finding.code for finding in read_series(tmp_path / str(seed)).findings}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ANY)
def test_damaged_bytes_never_give_a_wrong_volume(kind: str, tmp_path: Path) -> None:
    outcome: Counter[str] = Counter()
    for seed in range(60):
        series, folder = _series(seed), tmp_path / str(seed)
        ANY[kind](series, folder, np.random.default_rng(seed))
        try:
            volume = read_series(folder)
        except InputError:
            outcome["refused"] += 1
            continue
        wrong = errors(volume, series)
        whole = volume.data.size == series.pixels.size
        outcome["right" if wrong is None and (whole or volume.findings) else f"silently wrong: {wrong}"] += 1
    assert set(outcome) <= {"refused", "right"}, outcome
    assert outcome["refused"] >= 20


@pytest.mark.parametrize("end", [0, -1])
@pytest.mark.parametrize("left", [132, 150])
def test_an_outer_slice_cut_off_before_it_says_its_kind_is_missed(end: int, left: int, tmp_path: Path) -> None:
    """No gap between slices tells that it is gone, and nothing in the file that it was one."""
    path = write(truth(3), tmp_path)[end]
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(InputError, match="it is a damaged DICOM file"):
        read_series(tmp_path)


def test_a_claim_of_gigabytes_is_refused_from_the_header(tmp_path: Path) -> None:
    series = truth(0)
    all_slices(Rows=65535, Columns=65535)(series, tmp_path, np.random.default_rng(0))
    with pytest.raises(InputError, match="more than 4 GB"):
        read_series(tmp_path)


def test_a_compressed_image_of_another_size_is_refused_before_decoding(tmp_path: Path) -> None:
    """A decoder reserves what the compressed image claims: here 60,000 x 60,000."""
    if not get_encoder(JPEG2000Lossless).is_available:
        pytest.skip("no encoder for JPEG 2000")
    series = truth(0, slices=3, shape=(40, 32))

    def change(data: Dataset, _k: int) -> Dataset:
        data.compress(JPEG2000Lossless, generate_instance_uid=False)
        size = struct.pack(">2I", 32, 40)
        assert size in data.PixelData
        data.PixelData = data.PixelData.replace(size, struct.pack(">2I", 60000, 60000), 1)
        return data

    write(series, tmp_path, change)
    with pytest.raises(InputError, match="another size than its header says"):
        read_series(tmp_path)


def test_no_warning_reaches_the_user(tmp_path: Path) -> None:
    """pydicom warns of odd values and quotes them."""
    series = truth(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(
            series, tmp_path, lambda data, _k: setattr(data, "EchoTime", "90") or setattr(data, "StudyInstanceUID", "Anna Muster") or data
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert errors(read_series(tmp_path), series) is None
