"""Regions and map as DICOM objects: voxel for voxel and millimetre for millimetre back, by readers that are not ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
import pydicom
import pytest
from written_dicom import Truth, enhanced, truth, write

from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.dicom.series import read_series, stack_of
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect import dicom_results
from napari_brain_uad.workflows.detect.detect import Detection, detect
from napari_brain_uad.workflows.detect.dicom_results import check_dicom
from napari_brain_uad.workflows.detect.save import save_detection

POST = PostParams.from_strings({"threshold": "percentile:90", "opening": "0", "min_ml": "0", "min_voxels": "1"})


@pytest.fixture(scope="module")
def series() -> Truth:
    """An oblique series with a smooth head and three bright places."""
    made = truth(3, slices=9, shape=(21, 25))
    k, row, column = np.indices(made.pixels.shape)
    inside = ((k - 4) / 4.2) ** 2 + ((row - 10) / 9) ** 2 + ((column - 12) / 11) ** 2 < 1
    head = np.where(inside, 100, 0)
    for place in ((2, 8, 9), (5, 12, 15), (6, 6, 12)):
        head[(np.abs(np.stack([k, row, column], -1) - place) <= 1).all(-1)] = 220 + 10 * place[0]
    made.pixels[:] = head
    return made


@pytest.fixture(scope="module", params=["classic", "enhanced"])
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, series: Truth
) -> tuple[Path, Detection, dict[str, Path]]:
    folder = tmp_path_factory.mktemp("series")
    if request.param == "classic":
        write(series, folder)
    else:
        enhanced(series, np.random.default_rng(0).permutation(series.count)).save_as(folder / "one.dcm", enforce_file_format=True)
    volume = read_series(folder)
    brain = volume.data > 0
    detection = detect(volume, "threshold", mask=brain, post=POST)
    assert len(detection.result.regions) == 3
    return folder, detection, save_detection(detection, tmp_path_factory.mktemp("out"), dicom=stack_of(folder))


def _at(affine: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    return voxels @ affine[:3, :3].T + affine[:3, 3]


def _sorted(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(points.round(2).T)]


def test_every_region_is_a_segment_whose_voxels_lie_where_they_lay(written: tuple[Path, Detection, dict[str, Path]]) -> None:
    _, detection, files = written
    seg = hd.seg.segread(files["dicom_seg"])
    assert [seg.get_segment_description(number).segment_label for number in seg.segment_numbers] == ["Region 1", "Region 2", "Region 3"]
    volume = seg.get_volume(combine_segments=True)
    # highdicom's coordinates are LPS+.
    there = _at(np.diag([-1, -1, 1, 1]) @ volume.affine, np.argwhere(volume.array > 0))
    here = _at(detection.map.grid.affine, np.argwhere(detection.result.labels > 0))
    np.testing.assert_allclose(_sorted(there), _sorted(here), atol=1e-3)
    for region in detection.result.regions:
        assert np.count_nonzero(volume.array == region.number) == region.voxels


def test_every_frame_refers_to_its_image(written: tuple[Path, Detection, dict[str, Path]], series: Truth) -> None:
    _, detection, files = written
    seg = pydicom.dcmread(files["dicom_seg"])
    count = 0
    for frame, pixels in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        k = int(np.argmin([np.linalg.norm(series.position(k) - frame.PlanePositionSequence[0].ImagePositionPatient) for k in range(9)]))
        np.testing.assert_allclose(np.asarray(frame.PlanePositionSequence[0].ImagePositionPatient, float), series.position(k), atol=1e-3)
        for row, column in np.argwhere(pixels):
            i = np.rint(np.linalg.inv(detection.map.grid.affine) @ [*series.world_ras(k, row, column), 1])[:3].astype(int)
            number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            assert detection.result.labels[tuple(i)] == number
            count += 1
    assert count == np.count_nonzero(detection.result.labels)


def _converted(program: str, file: Path, out: Path, prefix: str) -> list[nib.Nifti1Image]:
    """What dcmqi, which shares no code with highdicom or pydicom, makes of an object."""
    path = Path(sys.executable).with_name(program)
    if not path.is_file():
        pytest.skip("dcmqi is not installed")
    words = [path, "--inputDICOM", file, "--outputDirectory", out, "--outputType", "nii", "--prefix", prefix]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    return [nib.load(one) for one in sorted(out.glob(f"{prefix}*.nii.gz"))]


def _points(image: nib.Nifti1Image) -> tuple[np.ndarray, np.ndarray]:
    """World mm RAS+ of the voxels that are not 0, and their values."""
    data = np.asarray(image.dataobj)
    return _at(image.affine, np.argwhere(data)), data[data != 0]


def test_another_reader_finds_the_regions_where_they_lie(written: tuple[Path, Detection, dict[str, Path]], tmp_path: Path) -> None:
    _, detection, files = written
    regions = _converted("segimage2itkimage", files["dicom_seg"], tmp_path, "region")
    assert len(regions) == 3
    for region, image in zip(detection.result.regions, regions, strict=True):
        here = _at(detection.map.grid.affine, np.argwhere(detection.result.labels == region.number))
        np.testing.assert_allclose(_sorted(_points(image)[0]), _sorted(here), atol=1e-3)


def test_the_map_holds_the_scores_where_they_lie(written: tuple[Path, Detection, dict[str, Path]]) -> None:
    _, detection, files = written
    volume = hd.imread(files["dicom_map"]).get_volume()
    # highdicom's coordinates are LPS+.
    places = _at(np.diag([-1, -1, 1, 1]) @ volume.affine, np.argwhere(volume.array >= 0))
    index = np.rint(_at(np.linalg.inv(detection.map.grid.affine), places)).astype(int)
    np.testing.assert_allclose(_at(detection.map.grid.affine, index), places, atol=1e-3)
    np.testing.assert_array_equal(detection.map.score[tuple(index.T)], volume.array.ravel().astype(np.float32))
    mapping = pydicom.dcmread(files["dicom_map"]).SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.LUTExplanation == detection.map.unit[:64]


def test_the_objects_belong_to_patient_and_study_and_are_the_same_again(
    written: tuple[Path, Detection, dict[str, Path]], tmp_path: Path
) -> None:
    folder, detection, files = written
    original = pydicom.dcmread(next(folder.iterdir()))
    again = save_detection(detection, tmp_path, dicom=stack_of(folder))
    for kind, modality in (("dicom_seg", "SEG"), ("dicom_map", "OT")):
        made = pydicom.dcmread(files[kind])
        assert made.Modality == modality
        assert (made.PatientID, made.StudyInstanceUID) == (original.PatientID, original.StudyInstanceUID)
        assert made.FrameOfReferenceUID == original.FrameOfReferenceUID
        assert made.SeriesInstanceUID != original.SeriesInstanceUID
        assert "research use only" in made.SeriesDescription
        assert pydicom.dcmread(again[kind]).SOPInstanceUID == made.SOPInstanceUID


def test_a_scan_without_regions_has_a_map_alone(tmp_path: Path, series: Truth) -> None:
    write(series, tmp_path / "series")
    volume = read_series(tmp_path / "series")
    detection = detect(volume, "threshold", mask=volume.data > 0, post=PostParams.from_strings({"threshold": "value:2"}))
    files = save_detection(detection, tmp_path / "out", dicom=stack_of(tmp_path / "series"))
    assert "dicom_seg" not in files
    assert files["dicom_map"].is_file()


def test_another_series_is_refused_and_nothing_is_left(tmp_path: Path, series: Truth) -> None:
    write(series, tmp_path / "series")
    write(truth(4, slices=7), tmp_path / "other")
    detection = detect(read_series(tmp_path / "series"), "threshold", mask=read_series(tmp_path / "series").data > 0, post=POST)
    with pytest.raises(InputError, match="not of this series"):
        save_detection(detection, tmp_path / "out", dicom=stack_of(tmp_path / "other"))
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command_line_writes_them_on_request(tmp_path: Path, series: Truth, capsys: pytest.CaptureFixture[str]) -> None:
    write(series, tmp_path / "series")
    words = [
        "detect",
        str(tmp_path / "series"),
        "--method",
        "threshold",
        "--dicom",
        "--prepare",
        "never",
        "--quiet",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*words, "--threshold", "percentile:90", "--min-size-ml", "0", "--opening", "0", "--min-size-voxels", "1"]) == 0
    assert {path.name.rpartition("_")[2] for path in (tmp_path / "out").glob("*.dcm")} == {"seg.dcm", "map.dcm"}
    listed = json.loads(next((tmp_path / "out").glob("*_manifest.json")).read_text())["files"]
    assert sum(name.endswith(".dcm") for name in listed) == 2
    command = json.loads(next((tmp_path / "out").glob("*_provenance.json")).read_text())["command"]
    assert "--dicom" in command.split(), "the recorded command gives the same files"
    scan = next((tmp_path / "out").glob("*_brainmask.nii.gz"))
    assert main(["detect", str(scan), "--dicom", "--quiet", "--out", str(tmp_path / "second")]) == 2
    assert "no DICOM series" in capsys.readouterr().err
    assert not (tmp_path / "second").exists()


def test_a_series_that_names_no_study_is_refused_before_work(tmp_path: Path, series: Truth, capsys: pytest.CaptureFixture[str]) -> None:
    def without(data: pydicom.Dataset, _: int) -> pydicom.Dataset:
        del data.FrameOfReferenceUID
        return data

    write(series, tmp_path / "series", without)
    assert main(["detect", str(tmp_path / "series"), "--dicom", "--quiet", "--out", str(tmp_path / "out")]) == 2
    assert "lack FrameOfReferenceUID" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SpecificCharacterSet", "KLINGON"), ("PatientSex", "unknown"), ("PatientSex", "m"), ("PatientBirthDate", "1970-01-01"),
        ("StudyDate", "yesterday"), ("StudyTime", "25:99"), ("SliceThickness", None), ("StudyID", "x" * 40), ("PatientID", None),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_headers_that_the_standard_does_not_allow_are_no_hindrance(tmp_path: Path, series: Truth, name: str, value: str | None) -> None:
    def changed(data: pydicom.Dataset, _: int) -> pydicom.Dataset:
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
        return data

    write(series, tmp_path / "series", changed)
    stack = stack_of(tmp_path / "series")
    volume = read_series(tmp_path / "series")
    check_dicom(volume.source.grid.shape, stack)  # type: ignore[union-attr]
    detection = detect(volume, "threshold", mask=volume.data > 0, post=POST)
    files = save_detection(detection, tmp_path / "out", dicom=stack)
    regions = hd.seg.segread(files["dicom_seg"])
    assert len(regions.segment_numbers) == 3
    assert regions.get_volume(combine_segments=True).spacing[0] == pytest.approx(float(np.linalg.norm(series.step)), abs=1e-3)


def test_headers_that_cannot_be_mended_are_told_before_work(
    tmp_path: Path, series: Truth, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(series, tmp_path / "series")

    def refuse(**_: object) -> None:
        raise ValueError(f"it does not like Name^{series.name} at all")

    monkeypatch.setattr(hd.pm, "ParametricMap", refuse)
    assert main(["detect", str(tmp_path / "series"), "--dicom", "--quiet", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "it does not like ... at all" in said
    assert series.name not in said
    assert not (tmp_path / "out").exists()


def test_of_very_many_regions_the_strongest_are_written(tmp_path: Path, series: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_results, "_MOST_SEGMENTS", 2)
    write(series, tmp_path / "series")
    volume = read_series(tmp_path / "series")
    detection = detect(volume, "threshold", mask=volume.data > 0, post=POST)
    files = save_detection(detection, tmp_path / "out", dicom=stack_of(tmp_path / "series"))
    regions = hd.seg.segread(files["dicom_seg"])
    assert [regions.get_segment_description(number).segment_label for number in regions.segment_numbers] == ["Region 1", "Region 2"]
    found = regions.get_volume(combine_segments=True).array
    assert np.count_nonzero(found) == sum(region.voxels for region in detection.result.regions[:2])
