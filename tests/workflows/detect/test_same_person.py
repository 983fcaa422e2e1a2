"""Sequences of two people scored together: a warning by what the files say, and by what they show."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from written_dicom import truth
from written_dicom import write as write_series

from napari_brain_uad import cli
from napari_brain_uad.core.volume import Grid, Source, Volume
from napari_brain_uad.io.dicom.series import read_series
from napari_brain_uad.workflows.detect.detect import Detection
from napari_brain_uad.workflows.detect.several import detect_several
from napari_brain_uad.workflows.scans.same_person import named_apart
from tests.gui.scans import write
from tests.support.two_people import INSIDE, SPACING, moved, sequence

AFFINE = np.diag([*SPACING, 1.0])
METHOD = "robust-intensity"


def codes(found: Detection) -> list[str]:
    return [finding.code for finding in found.warnings]


def volume(person: int, name: str) -> Volume:
    return Volume(sequence(person, name), Grid(INSIDE.shape, AFFINE), f"scan {name}", sequence=name)


def test_two_brains_in_one_place_are_a_warning_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As after a registration to a template: one grid, the same outline, another person inside. Terminal and record say so."""
    files = [write(tmp_path / f"{name}.nii.gz", sequence(person, name), AFFINE) for person, name in ((1, "FLAIR"), (2, "T2"))]
    words = ["--method", METHOD, "--prepare", "never", "--quiet", "--out", str(tmp_path / "out")]
    assert cli.main(["detect", str(files[0]), "--with", str(files[1]), *words]) == 0
    assert "warning: T2 does not seem to show the same brain as FLAIR: the agreement of their edges is 0.3" in capsys.readouterr().err
    (record,) = (tmp_path / "out").glob("*_provenance.json")
    assert "other-brain" in [finding["code"] for finding in json.loads(record.read_text())["input"]["findings"]]


def test_one_person_in_two_contrasts_gives_no_warning() -> None:
    found = detect_several([volume(1, "FLAIR"), volume(1, "T2")], METHOD, prepare_with="never")
    assert "other-brain" not in codes(found)
    assert not any(finding.code == "aligned" for finding in found.volume.findings)


def test_who_moved_between_two_sequences_is_aligned_though_the_headers_say_one_grid() -> None:
    other = volume(1, "T2")
    found = detect_several([volume(1, "FLAIR"), other.with_data(moved(other.data))], METHOD, prepare_with="never")
    assert "other-brain" not in codes(found)
    (said,) = (finding.message for finding in found.volume.findings if finding.code == "aligned")
    assert re.search(r"by a rigid registration \((8\.[5-9]|9\.[0-5]) degrees", said)


def test_another_brain_on_another_grid_is_a_warning() -> None:
    other = volume(2, "T2")
    moved = replace(other, grid=Grid(other.grid.shape, AFFINE + np.array([[0, 0, 0, 4.0], [0, 0, 0, -3.0], [0] * 4, [0] * 4])))
    found = detect_several([volume(1, "FLAIR"), moved], METHOD, prepare_with="never")
    assert codes(found).count("other-brain") == 1


def test_what_a_further_sequence_warns_of_is_told_under_its_name() -> None:
    other = volume(1, "T2").with_mask(INSIDE)
    lesion = np.zeros_like(INSIDE)
    lesion[:, :, :4] = INSIDE[:, :, :4]
    lesion[20:46, 20:56, 10:40] = True
    found = detect_several([volume(1, "FLAIR"), other.with_mask(lesion)], METHOD, prepare_with="never")
    (said,) = (finding.message for finding in found.warnings if finding.code == "mask-size")
    assert said.startswith("scan T2: the brain mask given has ")


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ("sub-01_FLAIR", "sub-02_T2w", True),
        ("sub-01/ses-1/anat/sub-01_ses-1_FLAIR", "sub-01/ses-2/anat/sub-01_ses-2_T2w", False),
        ("sub-A1/anat/FLAIR", "sub-B1/anat/T2", True),
        ("patient07/FLAIR", "patient19/T1", True),
        ("patient07/FLAIR", "Patient7/T1", False),
        ("pat_3_flair", "pat_4_t2", True),
        ("TCGA-FG-6692_FLAIR", "TCGA-DU-5849_T2", True),
        ("study1_FLAIR", "study2_T1", False),
        ("20240101_FLAIR_3", "20240101_T2_5", False),
        ("patient07/FLAIR", "case3/T1", False),
        ("FLAIR", "T1", False),
        ("compat1_FLAIR", "compat2_T1", False),
    ],
)
def test_names_of_files_and_folders(tmp_path: Path, first: str, second: str, apart: bool) -> None:
    found = named_apart([_at(tmp_path / f"{place}.nii.gz") for place in (first, second)])
    assert [finding.code for finding in found] == ["other-person"] * apart
    assert all(word not in finding.message for finding in found for word in ("07", "19", "A1"))


def test_the_names_reach_the_detection(tmp_path: Path) -> None:
    for person, name in (("patient1", "FLAIR"), ("patient2", "T2")):
        (tmp_path / person).mkdir()
        write(tmp_path / person / f"{name}.nii.gz", sequence(1, name), AFFINE)
    found = detect_several([tmp_path / "patient1" / "FLAIR.nii.gz", tmp_path / "patient2" / "T2.nii.gz"], METHOD, prepare_with="never")
    assert codes(found).count("other-person") == 1
    (said,) = (finding["message"] for finding in found.map.provenance["input"]["findings"] if finding["code"] == "other-person")
    assert said == "T2 and FLAIR are of two people by the names of their files or folders"


def test_dicom_headers_tell_patients_apart_and_are_in_no_text(tmp_path: Path) -> None:
    scans = []
    for number, patient in enumerate(("one", "one", "two", None, "")):
        write_series(
            truth(number, oblique=False),
            tmp_path / str(number),
            lambda data, _k, patient=patient: [setattr(data, word, patient) for word in ("PatientID", "PatientName")] and data,
        )
        scans.append(read_series(tmp_path / str(number)))
    first, same, other, *unknown = scans
    assert not named_apart([first, same, *unknown])
    (found,) = named_apart([first, other])
    assert found.message.endswith("are of two people by their DICOM headers")
    assert first.source is not None
    assert first.source.patient not in repr(first)


def _at(path: Path) -> Volume:
    grid = Grid((2, 2, 2), np.eye(4))
    return Volume(np.zeros((2, 2, 2), np.float32), grid, "scan", source=Source(grid, path))
