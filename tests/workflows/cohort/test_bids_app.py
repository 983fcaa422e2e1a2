"""The BIDS App: derivatives that the standard's own validator takes, nothing left out silently, calls that go on where others ended."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from small_heads import AFFINE, head, save

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.datasets.bids import BIDS
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.preprocessing.steps.register_mni import RegisterMni
from napari_brain_uad.preprocessing.template import MNI_GRID
from napari_brain_uad.workflows.cohort import finished
from napari_brain_uad.workflows.cohort.bids_app import AppRun, Selection, gather_group, outcome_words, run_participants
from napari_brain_uad.workflows.cohort.bids_files import label_of
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.detect.region_files import narrow
from napari_brain_uad.workflows.models.method_spec import MethodSpec

RUN = AppRun(MethodSpec("threshold"))
TWO_RUNS = "sub-01/ses-1/anat/sub-01_ses-1_run-{}_FLAIR.nii.gz"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two participants: two runs and a phase image of one session; an MP2RAGE, a damaged scan and one with contrast agent."""
    root = tmp_path / "study"
    for number, name in enumerate(
        (
            TWO_RUNS.format(1),
            TWO_RUNS.format(2),
            "sub-01/ses-1/anat/sub-01_ses-1_part-phase_T2w.nii.gz",
            "sub-02/anat/sub-02_UNIT1.nii.gz",
            "sub-02/anat/sub-02_ce-gd_T1w.nii.gz",
        )
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        save(head(number, lesion=number == 0)[0], root / name)
    (root / "sub-02/anat/sub-02_T2w.nii.gz").write_bytes(b"no image")
    (root / "participants.tsv").write_text("participant_id\tage\nsub-01\t34\n")
    (root / "dataset_description.json").write_text('{"Name": "study", "BIDSVersion": "1.10.0"}')
    return root


@pytest.fixture
def out(raw: Path) -> Path:
    return raw / "derivatives" / "brain-uad"


def _states(outcomes: Any) -> dict[str, str]:
    return {one.image.removesuffix(".nii.gz"): one.state for one in outcomes}


def test_every_image_is_done_or_told(raw: Path, out: Path) -> None:
    heard = []
    outcomes = run_participants(raw, out, RUN, tell=heard.append)
    assert _states(outcomes) == {
        "sub-01_ses-1_part-phase_T2w": "left out",
        "sub-01_ses-1_run-1_FLAIR": "done",
        "sub-01_ses-1_run-2_FLAIR": "done",
        "sub-02_UNIT1": "left out",
        "sub-02_T2w": "failed",
        "sub-02_ce-gd_T1w": "done",
    }
    assert sorted(heard, key=lambda one: one.image) == sorted(outcomes, key=lambda one: one.image)
    assert all(one.reason for one in outcomes if one.state != "done")
    assert outcome_words(outcomes) == "6 images of 2 participants: 3 done, 1 failed, 2 left out"
    assert next(one for one in outcomes if "ce-gd" in one.image).sequence == "T1c"


def test_derivatives_are_what_detect_gives_and_lie_where_the_image_lies(raw: Path, out: Path) -> None:
    run_participants(raw, out, RUN, Selection(participants=("sub-01",)))
    detection = detect(raw / TWO_RUNS.format(1), "threshold", age=34.0)
    stem = out / "sub-01/ses-1/anat/sub-01_ses-1_run-1_space-FLAIR_desc-threshold"
    score, mask, regions, brain = (nib.load(f"{stem}{ending}.nii.gz") for ending in ("Score_FLAIR", "_mask", "_dseg", "Brain_mask"))
    for image in (score, mask, regions, brain):
        np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)
    # Stored left-posterior-inferior: all axes of RAS+ are turned.
    np.testing.assert_allclose(np.asarray(score.dataobj)[::-1, ::-1, ::-1], detection.map.score, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(mask.dataobj)[::-1, ::-1, ::-1] > 0, detection.result.mask)
    np.testing.assert_array_equal(np.asarray(regions.dataobj)[::-1, ::-1, ::-1], detection.result.labels)
    np.testing.assert_array_equal(np.asarray(brain.dataobj)[::-1, ::-1, ::-1] > 0, detection.map.mask)
    with Path(f"{stem}_dseg.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [int(row["index"]) for row in rows] == [region.number for region in detection.result.regions]
    assert [float(row["volume_ml"]) for row in rows] == pytest.approx([region.volume_ml for region in detection.result.regions], abs=1e-4)
    assert all(re.fullmatch("#[0-9A-F]{6}", row["color"]) for row in rows)
    for ending in ("txt", "ctbl"):
        lines = Path(f"{stem}_dseg.{ending}").read_text().splitlines()
        assert [int(line.split()[0]) for line in lines if line[0] != "#"] == [0, *(int(row["index"]) for row in rows)]
    about = json.loads(Path(f"{stem}Score_FLAIR.json").read_text())
    assert about["Sources"] == ["bids:raw:sub-01/ses-1/anat/sub-01_ses-1_run-1_FLAIR.nii.gz"]
    assert about["Units"] == detection.map.unit
    assert about["Provenance"]["threshold"] == detection.result.threshold.as_dict()


def test_numbers_of_regions_stay_apart_however_many_there_are() -> None:
    for highest, kind in ((0, np.uint16), (65_535, np.uint16), (65_536, np.uint32)):
        labels = np.array([[0, highest]], np.uint32)
        assert narrow(labels).dtype == kind
        np.testing.assert_array_equal(narrow(labels), labels)


def _errors(folder: Path, cache: Path) -> list[dict[str, Any]]:
    """What the validator of the standard calls an error; it reads the folder and needs nothing else."""
    program = Path(sys.executable).with_name("bids-validator-deno")
    if not program.is_file():
        pytest.skip("bids-validator-deno is not installed")
    environment = {**os.environ, "DENO_DIR": str(cache)}
    told = subprocess.run([program, "--json", folder], capture_output=True, text=True, timeout=120, env=environment)
    return [issue for issue in json.loads(told.stdout)["issues"]["issues"] if issue.get("severity") == "error"]


def test_the_validator_of_the_standard_finds_no_error(raw: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out.mkdir(parents=True)
    (out / ".bidsignore").write_text("mine/\nlogs/\n")  # of a person, or of an earlier version
    run_participants(raw, out, RUN)
    # A small head is no brain that a registration would find; where it lies does not matter to the validator.
    monkeypatch.setattr(RegisterMni, "_affine", lambda *_: (np.eye(4), {"origin": "test"}))
    (one,) = run_participants(raw, out, replace(RUN, mni=True), Selection(("02",), suffixes=("T1w",)))[-1:]
    assert one.state == "done", "what was finished without copies is not kept"
    assert any("overlaps the template's by" in text for text in one.warnings)
    score = nib.load(out / "sub-02/anat/sub-02_ce-gd_space-MNI152NLin2009aSym_desc-thresholdScore_T1w.nii.gz")
    np.testing.assert_allclose(score.affine, MNI_GRID.affine, atol=1e-6)
    gather_group(out)
    assert (out / ".bidsignore").read_text().startswith("mine/\nlogs/\ngroup_*")
    assert _errors(out, tmp_path / "deno") == []
    (out / "sub-01" / "anomalies.nii.gz").write_bytes(b"")
    assert _errors(out, tmp_path / "deno") != [], "a name that is not the standard's is found"


def test_what_an_earlier_call_finished_is_kept(raw: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = "sub-01_ses-1_run-1_FLAIR", "sub-01_ses-1_run-2_FLAIR"

    def states(run: AppRun = RUN) -> tuple[str, str]:
        found = _states(run_participants(raw, out, run, Selection(participants=("01",))))
        return found[first], found[second]

    assert states() == ("done", "done")
    mask = out / "sub-01/ses-1/anat/sub-01_ses-1_run-2_space-FLAIR_desc-threshold_mask.nii.gz"
    before = mask.read_bytes()
    mask.unlink()
    assert states() == ("kept", "done")
    assert mask.read_bytes() == before
    log = next(path for path in (out / "logs").iterdir() if "run-2_space-FLAIR" in path.name or second in path.name)
    record = log.read_bytes()
    states(replace(RUN, post=PostParams(median=3)))
    states()
    log.write_bytes(record)
    assert states() == ("kept", "done"), "whole files whose numbers are not those of the record"
    mask.write_bytes(b"of somebody else")
    assert states() == ("kept", "done"), "a file that was changed is made anew"
    save(head(9, lesion=True)[0], raw / TWO_RUNS.format(2))
    assert states(replace(RUN, overwrite=True)) == ("kept", "done"), "another image of that name"
    assert states(replace(RUN, post=PostParams(median=3))) == ("done", "done"), "another clean-up"
    monkeypatch.setattr(finished, "versions", lambda: {"napari-brain-uad": "99"})
    (raw / TWO_RUNS.format(2)).unlink()
    assert _states(run_participants(raw, out, RUN, Selection(("01",))))[first] == "done", "another version"


def test_an_image_that_came_later_is_left_out_no_more(raw: Path, out: Path) -> None:
    late = raw / "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz"
    late.symlink_to("../../annex/x")
    first = _states(run_participants(raw, out, RUN, Selection(suffixes=("T1w", "UNIT1"))))
    assert first["sub-01_ses-1_T1w"] == "left out"
    late.unlink()
    save(head(4, lesion=False)[0], late)
    run_participants(raw, out, RUN, Selection(suffixes=("T1w", "UNIT1")))
    group, _, files = gather_group(out)
    assert _states(group)["sub-01_ses-1_T1w"] == "done"
    assert len(group) == 3, "once each"
    with files["tsv"].open(newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert rows["sub-02_UNIT1.nii.gz"]["state"] == "left out"
    assert rows["sub-01_ses-1_T1w.nii.gz"]["participant_id"] == "sub-01"
    assert set(json.loads(files["json"].read_text())) >= set(rows["sub-02_UNIT1.nii.gz"]) - {"participant_id"}


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (Selection(participants=("03",)), "no sub-03"),
        (Selection(participants=("01",), sessions=("2",)), "no ses-2"),
        (Selection(suffixes=("PDw",)), "no PDw"),
    ],
)
def test_what_is_not_there_is_said(raw: Path, out: Path, selection: Selection, says: str) -> None:
    with pytest.raises(InputError, match=says):
        run_participants(raw, out, RUN, selection)
    assert not out.exists()


def test_what_is_no_data_set_is_said(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no BIDS data set"):
        run_participants(tmp_path / "empty", tmp_path / "out", RUN)
    with pytest.raises(InputError, match="same folder"):
        run_participants(raw, raw, RUN)
    with pytest.raises(InputError, match="nothing to gather"):
        gather_group(tmp_path / "empty")


def test_nothing_of_somebody_else_is_replaced(raw: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "dataset_description.json").write_text('{"Name": "mine"}')
    (other / "README.md").write_text("mine")
    for out, says in ((other, "another data set"), (raw / "sub-01" / "anat", "participant's folder"), (raw / "sub-01", "participant's")):
        with pytest.raises(InputError, match=says):
            run_participants(raw, out, RUN)
    assert {path.name: path.read_text() for path in other.iterdir()} == {
        "dataset_description.json": '{"Name": "mine"}',
        "README.md": "mine",
    }
    (other / "dataset_description.json").unlink()
    run_participants(raw, other, RUN, Selection(suffixes=("UNIT1",)))
    assert (other / "README.md").read_text() == "mine"
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "logs").write_text("a file")
    with pytest.raises(InputError):
        run_participants(raw, taken, RUN)


def test_one_damaged_record_costs_that_record(raw: Path, out: Path) -> None:
    run_participants(raw, out, RUN, Selection(suffixes=("UNIT1", "T1w")))
    log = out / "logs" / "sub-02_ce-gd_space-T1w_desc-threshold.json"
    sound = json.loads(log.read_text())
    for name, value in (
        ("participant_id", [1]), ("warnings", 5), ("state", "foo"), ("state", 7), ("volume_ml", "x\ty"), ("image", [[1]]), ("seconds", {}),
        ("participant_id", None), ("regions", True),
    ):  # fmt: skip
        log.write_text(json.dumps({**sound, "about": {**sound["about"], name: value}}))
        outcomes, problems, _ = gather_group(out)
        assert _states(outcomes) == {"sub-02_UNIT1": "left out"}
        assert len(problems) == 1
        assert log.name in problems[0]
        assert _states(run_participants(raw, out, RUN, Selection(suffixes=("T1w",))))["sub-02_ce-gd_T1w"] == "done", "made anew"
    log.unlink()
    log.mkdir()
    assert len(gather_group(out)[1]) == 1


def test_images_of_odd_names_have_rows_of_their_own(raw: Path, out: Path) -> None:
    folder = raw / "sub-02" / "anat"
    for name in ("T1w", "sub-01_FLAIR", "sub-02_acq-a_acq-b_T2w", "sub-02_UNIT1_T2w", "sub-02_acq-<b>_T1w"):
        shutil.copy(folder / "sub-02_UNIT1.nii.gz", folder / f"{name}.nii.gz")
    outcomes = run_participants(raw, out, RUN, Selection(participants=("02",)))
    assert len(outcomes) == 8
    assert sum(one.state == "left out" for one in outcomes) == 6
    assert len(gather_group(out)[0]) == 8


def test_a_series_of_volumes_is_told(raw: Path, out: Path) -> None:
    file = raw / "sub-02/anat/sub-02_T2w.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4, 3), np.float32), AFFINE), file)
    (one,) = run_participants(raw, out, RUN, Selection(participants=("02",), suffixes=("T2w",)))
    assert one.state == "failed"
    assert "series of 3 volumes" in one.reason


def test_a_cancelled_call_goes_on_later(raw: Path, out: Path) -> None:
    progress = Progress()
    told = []

    def stop(outcome: Any) -> None:
        told.append(outcome)
        if outcome.state == "done":
            progress.cancel()

    with pytest.raises(Exception, match="ancelled"):
        run_participants(raw, out, RUN, tell=stop, progress=progress)
    done = [one.image for one in told if one.state == "done"]
    assert len(done) == 1
    rest = run_participants(raw, out, RUN, Selection(participants=("01",)))
    assert [one.image for one in rest if one.state == "kept"] == done


def test_what_a_method_flagged_is_no_ground_truth(raw: Path, out: Path) -> None:
    before = [subject.as_dict(raw) for subject in BIDS().subjects(raw)]
    run_participants(raw, out, RUN, Selection(participants=("01",)))
    mask = next(out.rglob("*run-1*_desc-threshold_mask.nii.gz"))
    shutil.copy(mask, mask.with_name(mask.name.replace("desc-threshold", "desc-anomalySegmentation")))
    assert [subject.as_dict(raw) for subject in BIDS().subjects(raw)] == before
    # The same names from somebody else are masks and truths.
    (out / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "a rater"}]}')
    assert any(subject.truth is not None for subject in BIDS().subjects(raw))


def test_labels_have_letters_and_digits_alone() -> None:
    assert [label_of(text) for text in ("strega", "tissue-ensemble", "rd++", "f-anogan")] == [
        "strega",
        "tissueEnsemble",
        "rdPlusPlus",
        "fAnogan",
    ]
