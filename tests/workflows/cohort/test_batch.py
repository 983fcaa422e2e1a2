"""A method over a folder: what `detect` gives for each scan, and a scan that fails costs itself alone."""

from __future__ import annotations

import csv
import json
import re
import shlex
import time
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from dask_cluster import cluster

from napari_brain_uad.calibration.names import reference_file
from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import Cancelled, DeviceError, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.io.checkpoint import checkpoint_files
from napari_brain_uad.io.nifti import read_map
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.cohort.batch import BatchOutcome, BatchRun, _places, batch_command, run_batch
from napari_brain_uad.workflows.cohort.batch_report import save_batch
from napari_brain_uad.workflows.cohort.case import Case, case_volume
from napari_brain_uad.workflows.cohort.cohort import cases_of
from napari_brain_uad.workflows.cohort.finished import key_of
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.detect.save import save_detection
from napari_brain_uad.workflows.execution.workers import Workers
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from tests.gui.scans import head, write
from tests.support.promptness import assert_within

RUN = BatchRun(MethodSpec("thresh-raw"), post=PostParams(threshold="150.0", min_voxels=5))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three patients in BIDS: one with a truth, one damaged, one whole."""
    root = tmp_path / "study"
    for name in ("sub-01", "sub-02", "sub-03"):
        (root / name / "anat").mkdir(parents=True)
        write(root / name / "anat" / f"{name}_FLAIR.nii.gz", head()[0])
    broken = root / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-400])
    (root / "sub-01" / "anat" / "sub-01_T1w.nii.gz").write_bytes((root / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz").read_bytes())
    return root


def test_each_scan_gives_what_detect_gives_and_the_damaged_one_is_named(folder: Path, tmp_path: Path) -> None:
    scans, left_out = cases_of(folder, need_truth=False, sequence="FLAIR")
    assert [scan.name for scan in scans] == ["sub-01", "sub-02", "sub-03"]
    assert not left_out
    told: list[BatchOutcome] = []
    outcomes = run_batch(scans, RUN, tmp_path / "out", tell=told.append)
    assert tuple(told) == outcomes
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, False]
    assert "sub-02_FLAIR.nii.gz" in outcomes[1].error
    alone = detect(scans[2].scan, "thresh-raw", post=RUN.post)
    written = read_map(outcomes[2].files["map"])
    np.testing.assert_array_equal(written.score, alone.map.score)
    assert len(outcomes[2].regions) == len(alone.result.regions) > 0
    assert outcomes[0].files["map"].parent != outcomes[2].files["map"].parent
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["sub-01", "sub-03"]


def test_ages_of_the_data_set_count(folder: Path, tmp_path: Path) -> None:
    (folder / "participants.tsv").write_text("participant_id\tage\nsub-01\t44.5\nsub-03\tn/a\n")
    for age in (44.5, 45.0):
        scans, _ = cases_of(folder, need_truth=False, sequence="FLAIR")
        outcomes = run_batch(scans, RUN, tmp_path / "out", overwrite=True)
        records = [json.loads(outcomes[number].files["provenance"].read_text()) for number in (0, 2)]
        assert [record["input"].get("age") for record in records] == [age, None]
        assert f"--age {age:g} " in records[0]["command"]
        (folder / "participants.tsv").write_text("participant_id\tage\nsub-01\t45\n")


def test_a_sequence_that_some_lack_leaves_them_out_by_name(folder: Path) -> None:
    scans, left_out = cases_of(folder, need_truth=False, sequence="T1")
    assert [scan.name for scan in scans] == ["sub-01"]
    assert left_out == ("sub-02: no T1", "sub-03: no T1")
    with pytest.raises(InputError, match="no PD"):
        cases_of(folder, need_truth=False, sequence="PD")


def test_a_truth_is_taken_for_the_images_it_belongs_to_and_others_are_told(folder: Path) -> None:
    truth = folder / "derivatives" / "manual" / "sub-01" / "anat" / "sub-01_space-T1w_label-lesion_mask.nii.gz"
    truth.parent.mkdir(parents=True)
    write(truth, head()[1].astype(np.uint8))
    (t1,), _ = cases_of(folder, sequence="T1")
    assert t1.truth == truth
    flair, left_out = cases_of(folder, sequence="FLAIR", need_truth=False)
    assert {scan.truth for scan in flair} == {None}
    assert left_out == ("sub-01: its ground truth is of T1 alone, FLAIR has none",)
    truth.rename(truth.with_name("sub-01_run-2_label-lesion_mask.nii.gz"))
    _, left_out = cases_of(folder, sequence="FLAIR", need_truth=False)
    assert left_out == ("sub-01: sub-01_run-2_label-lesion_mask.nii.gz, a ground truth, is of none of the images that are used",)
    with pytest.raises(InputError, match="run-2"):
        cases_of(folder, sequence="FLAIR")


def test_sequences_that_nobody_asked_for_are_told(folder: Path) -> None:
    scans, left_out = cases_of(folder, need_truth=False)
    assert len(scans) == 3
    (line,) = left_out
    assert re.fullmatch(
        r"further sequences of the same subjects: 1 (T1|FLAIR) \(--sequence \1 takes that one, --sequence all every one\)", line
    )
    everything, left_out = cases_of(folder, need_truth=False, sequence="all")
    assert (len(everything), left_out) == (4, ())


def test_images_that_belong_to_no_subject_are_told(folder: Path) -> None:
    """A scan whose name reads as a mask must not go missing without a word."""
    (folder / "sub-04").mkdir()
    write(folder / "sub-04" / "lesion_study_part.nii.gz", head()[0])
    scans, left_out = cases_of(folder, need_truth=False, sequence="FLAIR")
    assert len(scans) == 3
    assert left_out == (f"image files of no subject: 1, like {Path('sub-04', 'lesion_study_part.nii.gz')}",)


def test_scans_of_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    for patient in ("a b", "a-b", "A-B"):
        (tmp_path / "in" / patient).mkdir(parents=True)
        write(tmp_path / "in" / patient / "FLAIR.nii.gz", head()[0])
    scans, _ = cases_of(tmp_path / "in", need_truth=False)
    outcomes = run_batch(scans, RUN, tmp_path / "out")
    places = {outcome.files["map"].parent.name.casefold() for outcome in outcomes}
    assert len(places) == 3


def test_cancelling_ends_the_batch_and_keeps_what_is_done(folder: Path, tmp_path: Path) -> None:
    scans, _ = cases_of(folder, need_truth=False, sequence="FLAIR")
    progress = Progress()
    with pytest.raises(Cancelled):
        run_batch(scans, RUN, tmp_path / "out", tell=lambda _outcome: progress.cancel(), progress=progress)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sub-01"]


def test_the_same_batch_goes_on_where_it_was_ended(folder: Path, tmp_path: Path) -> None:
    scans, _ = cases_of(folder, need_truth=False, sequence="FLAIR")
    out, progress = tmp_path / "out", Progress()
    with pytest.raises(Cancelled):
        run_batch(scans, RUN, out, tell=lambda _outcome: progress.cancel(), progress=progress)
    first = _written(out / "sub-01")
    resumed = run_batch(scans, RUN, out)
    assert _written(out / "sub-01") == first
    whole = run_batch(scans, RUN, tmp_path / "whole")
    for one, other in zip(resumed, whole, strict=True):
        assert replace(one, files={}, seconds=0.0) == replace(other, files={}, seconds=0.0)
        assert {kind: file.name for kind, file in one.files.items()} == {kind: file.name for kind, file in other.files.items()}
    assert whole[0].regions
    assert list(resumed[0].regions[0]) == list(whole[0].regions[0])
    # What is not as it was written is done again.
    mask = resumed[0].files["mask"]
    content = mask.read_bytes()
    mask.write_bytes(content[:-9])
    run_batch(scans[:1], RUN, out)
    assert mask.read_bytes() == content


def test_what_others_wrote_over_a_batch_s_files_is_not_taken_for_its_own(folder: Path, tmp_path: Path) -> None:
    """The files are whole, of the same scan and method, and not those whose numbers are kept."""
    scans, _ = cases_of(folder, need_truth=False, sequence="FLAIR")
    out = tmp_path / "out"
    (first,) = run_batch(scans[:1], RUN, out)
    mask = first.files["mask"].read_bytes()
    save_detection(detect(scans[0].scan, RUN.spec, post=replace(RUN.post, threshold="170.0")), out / "sub-01")
    assert first.files["mask"].read_bytes() != mask
    (again,) = run_batch(scans[:1], RUN, out)
    assert first.files["mask"].read_bytes() == mask
    assert again.volume_ml == first.volume_ml
    # Another batch that was killed after its files and before its record, and what was written by the same settings.
    record = (out / "sub-01" / "batch_scan.json").read_bytes()
    for other in (replace(RUN, post=replace(RUN.post, threshold="170.0")), RUN):
        run_batch(scans[:1], other, out, resume=False)
        (out / "sub-01" / "batch_scan.json").write_bytes(record)
        before = _written(out / "sub-01")
        run_batch(scans[:1], RUN, out)
        assert first.files["mask"].read_bytes() == mask
        assert _written(out / "sub-01") != before


def test_the_voxels_of_a_pair_count(folder: Path) -> None:
    """The header of a mask stays the same when its voxels change."""
    (scan, *_), _ = cases_of(folder, need_truth=False, sequence="FLAIR")
    volume, keys = case_volume(scan), []
    for mask in (head()[1], 1 - head()[1]):
        nib.save(nib.Nifti1Pair(mask.astype(np.uint8), np.eye(4)), folder / "mask.img")
        keys.append(key_of(replace(scan, mask=folder / "mask.hdr"), volume, RUN))
    assert keys[0] != keys[1]


def test_folders_of_many_scans_of_one_name_are_found_at_once() -> None:
    scans = [Case(name, Path("scan.nii.gz"), None) for name in ["a", "a-2", "A", *["a"] * 3000]]
    start = time.perf_counter()
    places = _places(scans)
    assert_within(time.perf_counter() - start, 1.0)
    assert places[:4] == ["a", "a-2", "A-3", "a-4"]
    assert len({place.casefold() for place in places}) == len(scans)


def test_whatever_changes_a_result_makes_another_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scan, *_), _ = cases_of(folder, need_truth=False, sequence="FLAIR")
    volume = case_volume(scan)
    mask = folder / "mask.nii.gz"
    write(mask, head()[1].astype(np.uint8))
    others = [
        (scan, volume, replace(RUN, post=replace(RUN.post, min_voxels=6))),
        (scan, volume, replace(RUN, seed=1)),
        (scan, volume, replace(RUN, spec=MethodSpec("threshold"))),
        (scan, volume, replace(RUN, prepare_with="never")),
        (replace(scan, mask=mask), volume, RUN),
        (replace(scan, truth=mask), volume, RUN),
        (scan, replace(volume, data=volume.data + 1), RUN),
        (scan, volume.with_sequence("T2", "user"), RUN),
    ]
    keys = [key_of(*one) for one in [(scan, volume, RUN), *others]]
    write(mask, 1 - head()[1].astype(np.uint8))
    keys.append(key_of(replace(scan, mask=mask), volume, RUN))
    assert len(set(keys)) == len(keys)
    assert key_of(scan, case_volume(scan), RUN) == keys[0]
    # A healthy reference that was made meanwhile.
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(folder))
    for file in checkpoint_files(reference_file(folder, "thresh-raw", "FLAIR")):
        file.write_text("{}")
    assert key_of(scan, volume, RUN) != keys[0]


def _written(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_the_report_names_regions_and_failures(folder: Path, tmp_path: Path) -> None:
    scans, _ = cases_of(folder, need_truth=False, sequence="FLAIR")
    out = tmp_path / "out"
    outcomes = list(run_batch(scans, RUN, out))
    outcomes[2] = replace(outcomes[2], warnings=("It looks like another sequence.", "Its truth is empty."))
    files = save_batch(outcomes, out, command="brain-uad batch /secret/place/study --out /secret/out", left_out=("sub-09: no <FLAIR>",))
    with files["tsv"].open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [row["scan"] for row in rows] == ["sub-01", "sub-02", "sub-03"]
    assert int(rows[0]["regions"]) == len(outcomes[0].regions)
    assert rows[1]["regions"] == "n/a"
    assert "sub-02_FLAIR.nii.gz" in rows[1]["error"]
    assert rows[2]["warnings"] == "It looks like another sequence. Its truth is empty."
    page = files["html"].read_text()
    assert "no MNI coordinates" in page
    assert "sub-09: no &lt;FLAIR&gt;" in page
    assert "/secret" not in page
    assert "not for diagnosis" in page
    assert json.loads(files["json"].read_text())["scans"][2]["volume_ml"] == pytest.approx(outcomes[2].volume_ml, abs=1e-4)


def test_the_copied_command_gives_the_same(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = BatchRun(MethodSpec.parse("threshold@bins=64"), post=PostParams(threshold="percentile:97.0", min_voxels=3))
    scans, _ = cases_of(folder, need_truth=False, sequence="FLAIR")
    outcomes = run_batch(scans, run, tmp_path / "one")
    words = shlex.split(batch_command(folder, run, tmp_path / "two", sequence="FLAIR"))
    assert main([*words[1:], "--quiet"]) == 2
    assert "sub-02" in capsys.readouterr().err
    for outcome in (outcomes[0], outcomes[2]):
        again = tmp_path / "two" / outcome.files["map"].relative_to(tmp_path / "one")
        np.testing.assert_array_equal(read_map(again).score, read_map(outcome.files["map"]).score)
        mask = again.with_name(again.name.replace("anomalymap", "mask"))
        assert mask.read_bytes() == outcome.files["mask"].read_bytes()


@pytest.mark.slow
def test_a_batch_whose_scheduler_was_lost_goes_on(folder: Path, tmp_path: Path) -> None:
    """On workers started elsewhere; what it finished stays, and in the end all is as if nothing had happened."""
    for name in [f"sub-{number:02d}" for number in range(4, 12)]:  # more than can be under way when the first ends, on a busy machine too
        (folder / name / "anat").mkdir(parents=True)
        write(folder / name / "anat" / f"{name}_FLAIR.nii.gz", head()[0])
    scans, _ = cases_of(folder, need_truth=False, sequence="FLAIR")
    out = tmp_path / "out"
    done: list[Path] = []

    def tell(outcome: BatchOutcome) -> None:
        if outcome.files:  # one of the scans cannot be read, which may be known first
            done.append(outcome.files["map"].parent)
            scheduler.kill()

    with cluster(tmp_path) as (address, scheduler), pytest.raises(DeviceError, match="same command again"):
        run_batch(scans, RUN, out, jobs=Workers(scheduler=address), tell=tell)
    before = _written(done[0])
    resumed = run_batch(scans, RUN, out)
    assert _written(done[0]) == before
    whole = run_batch(scans, RUN, tmp_path / "whole")
    for one, other in zip(resumed, whole, strict=True):
        assert replace(one, files={}, seconds=0.0) == replace(other, files={}, seconds=0.0)
        for kind in ("map", "mask", "regions_tsv", "figure") if one.files else ():
            assert one.files[kind].read_bytes() == other.files[kind].read_bytes()
