from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad.io.nifti import read_volume
from napari_brain_uad.io.sidecar import read_sidecar


def save(path: Path, sidecar: object = None) -> Path:
    data = np.random.default_rng(0).uniform(1, 9, (5, 6, 7)).astype(np.float32)
    nib.save(nib.Nifti1Image(data, np.eye(4)), path)
    if sidecar is not None:
        path.with_name(path.name.removesuffix(".nii.gz") + ".json").write_text(json.dumps(sidecar), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("stem", "sidecar", "sequence", "origin"),
    [
        ("s3", {"ScanningSequence": "SE\\IR", "RepetitionTime": 9, "EchoTime": 0.1, "InversionTime": 2.4}, "FLAIR", "sidecar (TI 2400 ms)"),
        ("s3", {"SeriesDescription": "Ax T2 TSE"}, "T2", "description (t2)"),
        ("s3", {"ProtocolName": "T1 KM", "SeriesDescription": "Axial"}, "T1c", "description (t1, contrast)"),
        ("sub-1_T1w", {"ContrastBolusIngredient": "GADOLINIUM"}, "T1c", "BIDS suffix T1w, contrast agent in the sidecar"),
        ("sub-1_T2w", {"SeriesDescription": "flair"}, "T2", "BIDS suffix T2w"),
        ("s3", {"RepetitionTime": 9}, None, "nothing says it"),
    ],
)
def test_sidecars_tell_the_sequence(tmp_path: Path, stem: str, sidecar: dict[str, object], sequence: str | None, origin: str) -> None:
    volume = read_volume(save(tmp_path / f"{stem}.nii.gz", sidecar))
    assert (volume.sequence, volume.sequence_origin) == (sequence, origin)
    assert not [finding for finding in volume.findings if finding.code == "sidecar"]


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000, '{"EchoTime": ' + "1" * 5000 + "}", b"\xff\xfe{}"])
def test_a_broken_sidecar_is_said_and_no_more(tmp_path: Path, text: str | bytes) -> None:
    scan = save(tmp_path / "brain_T2w.nii.gz")
    (tmp_path / "brain_T2w.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    volume = read_volume(scan)
    assert volume.sequence == "T2"
    assert [finding.code for finding in volume.findings if finding.code == "sidecar"] == ["sidecar"]


def test_nothing_of_the_patient_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"PatientName": "Doe", "EchoTime": 0.1}), encoding="utf-8")
    assert read_sidecar(tmp_path / "a.json") == ({"EchoTime": 0.1}, ())
