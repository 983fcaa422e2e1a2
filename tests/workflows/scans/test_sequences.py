"""A sequence that the user sets, through every way in: it is used, recorded, and part of the command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.sequence import USER
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.io.nifti import write_mask, write_volume
from napari_brain_uad.workflows.cohort.cohort import cases_of
from napari_brain_uad.workflows.compare.compare import compare
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.scans.load import load
from napari_brain_uad.workflows.scans.prepare import prepare_patient
from napari_brain_uad.workflows.scans.prepare_session import prepare_command

SHAPE = (20, 22, 18)


def volume(name: str = "scan") -> Volume:
    data = np.zeros(SHAPE, np.float32)
    data[3:17, 3:19, 3:15] = np.random.default_rng(0).uniform(60, 100, (14, 16, 12))
    return Volume(data, Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0])), name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_volume(tmp_path / "sub-3_space-T1w_T2w.nii.gz", volume())
    return tmp_path / "sub-3_space-T1w_T2w.nii.gz"


def test_as_read_it_is_recorded_and_not_part_of_the_command(file: Path) -> None:
    detection = detect(file)
    assert detection.map.provenance["input"]["sequence"] == "T2"
    assert detection.map.provenance["input"]["sequence_origin"] == "BIDS suffix T2w"
    assert "--sequence" not in detection.command


def test_set_it_goes_before_what_is_read(file: Path) -> None:
    runs = {
        "path": detect(file, sequence="flair"),
        "scan": detect(load(file, sequence="FLAIR")),
        "compare": compare(file, ["threshold"], sequence="FLAIR", use_cache=False),
    }
    for run in runs.values():
        assert (run.volume.sequence, run.volume.sequence_origin) == ("FLAIR", USER)
        words = shlex.split(run.command)
        assert words[words.index("--sequence") + 1] == "FLAIR"
    with pytest.raises(InputError, match="'T7'"):
        detect(file, sequence="T7")


def test_the_command_line_says_sequence_and_origin(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert cli.main(["detect", str(file), "--out", str(out), "--quiet"]) == 0
    assert "Sequence: T2 (BIDS suffix T2w)" in capsys.readouterr().out
    assert cli.main(["detect", str(file), "--sequence", "PD", "--out", str(out), "--quiet", "--overwrite"]) == 0
    assert f"Sequence: PD ({USER})" in capsys.readouterr().out
    record = json.loads(next(out.glob("*_threshold_provenance.json")).read_text("utf-8"))
    assert (record["input"]["sequence"], record["input"]["sequence_origin"]) == ("PD", USER)
    assert "--sequence PD" in record["command"]
    assert cli.main(["detect", str(file), "--sequence", "T9", "--out", str(out), "--quiet"]) == 2


def test_a_patient_is_prepared_under_the_sequences_that_were_given() -> None:
    cheap = [{"step": "reorient", "params": {}}]
    prepared = prepare_patient({"T1": volume("a"), "scan": volume("b").with_sequence("FLAIR", "name 'flair'")}, cheap, use_cache=False)
    assert (prepared["T1"].volume.sequence, prepared["T1"].volume.sequence_origin) == ("T1", USER)
    assert (prepared["scan"].volume.sequence, prepared["scan"].volume.sequence_origin) == ("FLAIR", "name 'flair'")


def test_the_command_of_a_preparation_names_the_file_that_was_set(file: Path) -> None:
    write_volume(file.with_name("x_FLAIR.nii.gz"), volume())
    scans = [load(file, sequence="T1"), load(file.with_name("x_FLAIR.nii.gz"))]
    words = shlex.split(prepare_command(scans[:1], "clinical", _pipeline()))
    assert words[words.index("--sequence") + 1] == "T1"
    words = shlex.split(prepare_command(scans, "clinical", _pipeline()))
    assert words[words.index("--sequence") + 1] == f"{file.name}=T1"


def _pipeline() -> object:
    from napari_brain_uad.preprocessing.presets import preset

    return preset("clinical").pipeline


def test_a_cohort_takes_scans_of_unknown_sequence_for_what_the_user_says(tmp_path: Path) -> None:
    for name in ("p1", "p2"):
        write_volume(tmp_path / f"{name}_scan.nii.gz", volume())
        write_mask(tmp_path / f"{name}_scan_lesion.nii.gz", volume().data > 90, volume())
    cases, _ = cases_of(tmp_path, layout_id="plain", sequence="t2")
    assert [(case.sequence, case.origin) for case in cases] == [("T2", USER)] * 2
    cases, _ = cases_of(tmp_path, layout_id="plain")
    assert [case.sequence for case in cases] == [None, None]
