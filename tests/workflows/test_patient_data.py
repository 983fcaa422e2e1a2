"""Fault 18: what a DICOM file says of the patient is in no output, message or log."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from written_dicom import Truth, dataset, save, truth, write

from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.dicom.series import find_series, read_series
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.detect.save import save_detection

PLANTED = {
    "PatientName": "PHIMuster^Anna",
    "PatientID": "PHI-4711",
    "PatientBirthDate": "19331224",
    "PatientAge": "091Y",
    "PatientAddress": "PHIstrasse 12",
    "PatientTelephoneNumbers": "PHI-030-998877",
    "OtherPatientIDs": "PHI-other-77",
    "PatientMotherBirthName": "PHIMother",
    "PatientComments": "PHI comment",
    "AdditionalPatientHistory": "PHI history",
    "AccessionNumber": "PHIacc1",
    "ReferringPhysicianName": "PHIRefer^Doc",
    "PerformingPhysicianName": "PHIPerform^Doc",
    "OperatorsName": "PHIOper^Tech",
    "InstitutionName": "PHI Hospital",
    "InstitutionAddress": "PHI Square 1",
    "StationName": "PHIstation",
    "StudyDescription": "PHI study of Anna",
    "SeriesDescription": "PHI flair of Anna",
    "ProtocolName": "PHI protocol",
    "StudyID": "PHIstudyid",
    "ImageComments": "PHI image comment",
}


def words() -> list[bytes]:
    """Every planted string, and its parts that mean something alone."""
    parts = {part for value in PLANTED.values() for part in (value, *value.split("^"))}
    return sorted(part.encode() for part in parts | {"Muster", "4711", "Anna"})


def plant(data: Dataset, _k: int) -> Dataset:
    for keyword, value in PLANTED.items():
        setattr(data, keyword, value)
    return data


def head() -> Truth:
    series = truth(0, slices=24, shape=(32, 30), oblique=False)
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in series.pixels.shape), indexing="ij")
    rng = np.random.default_rng(0)
    series.pixels = np.where(i**2 + j**2 + k**2 < 0.8, 300 + rng.normal(0, 20, i.shape), 0).astype(np.uint16)
    series.pixels[10:14, 12:18, 10:16] += 250
    return series


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(head(), tmp_path / "scan", plant)
    return tmp_path / "scan"


def leaks(out: Path) -> list[tuple[str, bytes]]:
    """Planted words in names and contents of files; of gzip files also in what they hold."""
    found = []
    for path in out.rglob("*"):
        raw = path.read_bytes() if path.is_file() else b""
        text = path.name.encode() + raw + (gzip.decompress(raw) if path.suffix == ".gz" else b"")
        found += [(path.name, word) for word in words() if word in text or word.decode().encode("utf-16-le") in text]
    return found


def test_the_words_are_there_to_be_found(folder: Path) -> None:
    assert len(PLANTED) >= 20
    missed = set(words()) - {word for _, word in leaks(folder)}
    assert not missed


def test_nothing_of_the_patient_in_any_output(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert main(["detect", str(folder), "--method", "threshold", "--out", str(tmp_path / "command")]) == 0
    detection = detect(read_series(folder), "threshold")
    files = save_detection(detection, tmp_path / "python")
    said = "".join(capfd.readouterr()) + caplog.text + repr(detection.volume) + repr(find_series(folder)) + detection.command
    assert len(files) >= 7
    assert [word for word in words() if word.decode() in said] == []
    assert leaks(tmp_path / "command") == []
    assert leaks(tmp_path / "python") == []
    assert str(folder) not in detection.command


def _break(folder: Path, how: str) -> None:
    paths = sorted(folder.iterdir())
    if how == "missing":
        paths[5].unlink()
    elif how == "second series":
        other = truth(3)
        write(other, folder / "other", plant)
    elif how == "cut off":
        paths[3].write_bytes(paths[3].read_bytes()[:-100])
    elif how == "other patient":
        data = plant(dataset(head(), 0), 0)
        data.PatientName = "PHIMuster^Anna^2"
        for path in paths:
            if path.read_bytes() == paths[0].read_bytes():
                save(data, path)
    else:
        for path in paths:
            raw = path.read_bytes()
            path.write_bytes(raw.replace(b"90.0", b"Anna"))  # EchoTime


@pytest.mark.parametrize("how", ["missing", "second series", "cut off", "other patient", "unreadable value"])
def test_nothing_of_the_patient_in_errors(how: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _break(folder, how)
    with pytest.raises(InputError) as caught:
        read_series(folder)
    chain, error = "", caught.value
    while error is not None:
        chain += f"{error!r} {error}"
        error = error.__cause__
    assert [word for word in words() if word.decode() in chain + caplog.text] == []
