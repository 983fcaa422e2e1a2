"""The prepare workflow on a scan without skull (nothing heavy needed), its files, its cache, several processes, the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

from napari_brain_uad.cli import main
from napari_brain_uad.cli.prepare import Said, _patients
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.datasets.registry import find_layout
from napari_brain_uad.preprocessing.brain_mask import estimate_brain_mask
from napari_brain_uad.preprocessing.pipeline import with_settings
from napari_brain_uad.preprocessing.presets import preset
from napari_brain_uad.preprocessing.registration import correlation
from napari_brain_uad.preprocessing.template import template
from napari_brain_uad.workflows.scans.load import load
from napari_brain_uad.workflows.scans.prepare import Patient, prepare, prepare_many, prepare_patient, save_prepared
from napari_brain_uad.workflows.scans.prepare_session import run_session
from tests.support.two_people import SPACING, sequence

FEW_STEPS = {"n4.iterations": "2", "n4.coarse_mm": "8"}
QUICK = [{"step": "brain_extraction"}, {"step": "register_mni"}, {"step": "intensity"}]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))


def write_template(path, step=2, flip=False):
    """The template at 2 mm as a scan file, stored in LPS when flipped."""
    whole = template()
    data, affine = whole.data[::step, ::step, ::step], whole.grid.affine @ np.diag([step, step, step, 1.0])
    if flip:
        change = np.diag([-1.0, -1.0, 1.0, 1.0])
        change[:2, 3] = np.array(data.shape[:2]) - 1
        data, affine = data[::-1, ::-1], affine @ change
    image = nibabel.Nifti1Image(np.ascontiguousarray(data).astype(np.int16), affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nibabel.save(image, path)
    return path


@pytest.fixture
def scan(tmp_path):
    return write_template(tmp_path / "sub-01_T1w.nii.gz", flip=True)


def test_second_run_comes_from_the_cache(scan):
    steps, messages = [], []
    first = prepare(scan, QUICK, on_step=steps.append)
    assert len(steps) == 3
    again = prepare(scan, QUICK, on_step=steps.append, progress=Progress(lambda _, message: messages.append(message)))
    assert len(steps) == 3
    assert any("cache" in message for message in messages)
    np.testing.assert_array_equal(again.volume.data, first.volume.data)
    prepare(scan, QUICK, use_cache=False, on_step=steps.append)
    assert len(steps) == 6


def test_files_lie_where_they_should(scan, tmp_path):
    native = load(scan)
    prepared = prepare(native, "clinical")
    files = save_prepared(prepared, native, tmp_path / "out", "clinical")
    assert nibabel.load(files["scan"]).shape == (182, 218, 182)
    np.testing.assert_array_equal(nibabel.load(files["native_brainmask"]).affine, nibabel.load(scan).affine)
    assert nibabel.load(files["native_brainmask"]).shape == nibabel.load(scan).shape
    record = json.loads(files["record"].read_text())
    assert [step["step"] for step in record["pipeline"]] == [
        "reorient",
        "coregister",
        "brain_extraction",
        "n4",
        "register_mni",
        "intensity",
    ]
    assert str(tmp_path) not in files["record"].read_text()
    assert files["figure"].stat().st_size > 20_000
    assert correlation(prepared.volume.data, template().data, template().mask) > 0.9


def test_sequences_of_a_patient_share_brain_and_transform(tmp_path):
    t1 = load(write_template(tmp_path / "a_T1.nii.gz"))
    flair = load(write_template(tmp_path / "a_FLAIR.nii.gz", flip=True))
    flair = flair.with_data(np.where(flair.data > 0, 300 - flair.data, 0).astype(np.float32))
    done = prepare_patient({"FLAIR": flair, "T1": t1}, [{"step": "coregister"}, *QUICK])
    assert list(done) == ["FLAIR", "T1"]
    masks = [done[name].volume.mask for name in done]
    assert (masks[0] & masks[1]).sum() / masks[1].sum() > 0.98
    assert "transform of a_T1" in next(step["said"] for step in done["FLAIR"].record if step["step"] == "register_mni")
    with pytest.raises(InputError, match="Nothing to prepare"):
        prepare_patient({})


@pytest.mark.parametrize(("person", "apart"), [(1, False), (2, True)])
def test_a_sequence_of_another_person_is_a_warning(tmp_path, capsys, monkeypatch, person, apart):
    """By what the scans show, and by what their files say: of a folder on the command line, in a script and in the window."""
    folder, files = tmp_path / "visit", {}
    folder.mkdir()
    for name, who, ending in (("FLAIR", 1, "FLAIR"), ("T2", person, "T2w")):
        files[name] = folder / f"sub-{who}_{ending}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(sequence(who, name), np.diag([*SPACING, 1.0])), files[name])
    align = [{"step": "coregister"}, {"step": "brain_extraction"}]
    session = run_session({name: load(file) for name, file in files.items()}, align)
    for found in (
        prepare_patient(files, align),
        {name: one.prepared for name, one in session.sequences.items()},
    ):  # one of them from the cache
        codes = {one.code for name in files for one in found[name].volume.findings}
        assert codes & {"other-brain", "other-person"} == ({"other-brain", "other-person"} if apart else set())
    monkeypatch.setattr("napari_brain_uad.workflows.scans.prepare.preset", lambda _: SimpleNamespace(pipeline=align))
    assert main(["prepare", str(folder), "--out", str(tmp_path / "out"), "--no-figures", "--quiet"]) == 0
    told = capsys.readouterr().err
    assert ("does not seem to show the same brain" in told) == apart
    assert ("are of two people by the names of their files" in told) == apart


def test_raw_heads_need_preparation_stripped_scans_do_not(scan):
    volume = load(scan)
    assert estimate_brain_mask(volume).stripped
    noise = np.random.default_rng(0).normal(50, 10, volume.data.shape).astype(np.float32)
    assert not estimate_brain_mask(volume.with_data(volume.data + noise)).stripped


def test_several_processes_give_the_same_and_one_failure_stops_no_other(scan, tmp_path):
    broken = tmp_path / "broken_T1.nii.gz"
    broken.write_bytes(scan.read_bytes()[:500])
    patients = [Patient("good", {"T1": scan}), Patient("bad", {"T1": broken})]
    outcomes = prepare_many(patients, "clinical", tmp_path / "out", jobs=2, figures=False, settings=FEW_STEPS)
    assert [outcome.name for outcome in outcomes] == ["good", "bad"]
    assert outcomes[0].errors == ()
    assert "broken_T1" in outcomes[1].errors[0]
    alone = prepare(scan, with_settings(preset("clinical").pipeline, FEW_STEPS), use_cache=False)
    written = nibabel.load(next(path for path in outcomes[0].files if path.name.endswith("_prepared.nii.gz"))).get_fdata()
    np.testing.assert_array_equal(written, alone.volume.data)


def test_one_sequence_that_fails_leaves_the_patient_s_others(scan, tmp_path):
    scans = {"T1": tmp_path / "p_T1.nii.gz", "T2": tmp_path / "p_T2.nii.gz", "FLAIR": tmp_path / "p_FLAIR.nii.gz"}
    scans["T1"].write_bytes(scan.read_bytes()[:500])
    for name in ("T2", "FLAIR"):
        scans[name].write_bytes(scan.read_bytes())
    (outcome,) = prepare_many([Patient("p", scans)], "native", tmp_path / "out", figures=False, settings=FEW_STEPS)
    assert [error.split(":")[0] for error in outcome.errors] == ["T1"]
    assert {path.name.split("_")[1] for path in outcome.files} == {"T2", "FLAIR"}


def test_command_line(scan, tmp_path, capsys):
    assert main(["prepare", str(scan), "--preset", "pddpm", "--out", str(tmp_path / "out"), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "1 of 1 prepared" in out
    image = nibabel.load(tmp_path / "out" / "sub-01_T1w_pddpm_prepared.nii.gz")
    assert image.shape == (96, 96, 50)
    np.testing.assert_allclose(image.header.get_zooms(), (2, 2, 2))


def test_command_line_takes_folders_and_reports_failures(scan, tmp_path, capsys):
    folder = tmp_path / "cohort" / "p1"
    folder.mkdir(parents=True)
    (folder / "p1_T1.nii.gz").write_bytes(scan.read_bytes()[:500])
    (folder / "p1_T1_mask.nii.gz").write_bytes(b"")
    code = main(["prepare", str(tmp_path / "cohort"), "--out", str(tmp_path / "out"), "--quiet"])
    assert code == 2
    assert "p1_T1.nii.gz: its header" in capsys.readouterr().err
    assert main(["prepare", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    (tmp_path / "empty").mkdir()
    assert main(["prepare", str(tmp_path / "empty"), "--out", str(tmp_path / "out")]) == 2


def test_inputs_that_cannot_be_used_do_not_stop_the_others(scan, tmp_path, capsys):
    study, out = tmp_path / "study", tmp_path / "out"
    for place in ("whole/T1.nii.gz", "two/T1_a.nii.gz", "two/T1_b.nii.gz", "tumour/tumour-t1c.nii.gz"):
        (study / place).parent.mkdir(parents=True, exist_ok=True)
        (study / place).write_bytes(scan.read_bytes())
    for beside in ("whole/T1_lesions.nii.gz", "whole/c1T1.nii.gz", "whole/y_T1.nii.gz", "whole/T1_hdbet_mask.nii.gz"):
        (study / beside).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    words = [study, tmp_path / "nowhere.nii.gz", tmp_path / "empty", scan]
    assert main(["prepare", *map(str, words), "--preset", "native", "--no-figures", "--no-cache", "--quiet", "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert {path.name for path in out.iterdir()} == {"whole", "tumour", "sub-01_T1w"}
    for line in (
        "Folder two: T1_a.nii.gz and T1_b.nii.gz are both T1",
        "nowhere.nii.gz: there is no such file",
        f"No scan in {tmp_path / 'empty'}",
    ):
        assert line in said.err
    assert "3 of 6 prepared" in said.out
    assert [path.name for path in (out / "tumour").glob("*_prepared.nii.gz")] == ["tumour-t1c_native_prepared.nii.gz"]
    assert main(["prepare", str(study / "two"), "--preset", "native", "--quiet", "--out", str(tmp_path / "none")]) == 2
    assert "are both T1" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_patients_of_one_name_are_refused_and_folders_inside_get_their_own(scan, tmp_path):
    for subject in ("sub-01", "sub-02"):
        folder = tmp_path / "study" / subject / "anat"
        folder.mkdir(parents=True)
        (folder / "T1.nii.gz").write_bytes(scan.read_bytes())
    (tmp_path / "study" / ".brain-uad-x.partial").mkdir()
    (tmp_path / "study" / ".brain-uad-x.partial" / "T1.nii.gz").write_bytes(b"")
    assert [one.name for one in _patients([tmp_path / "study"], Said())[0]] == ["sub-01_anat", "sub-02_anat"]
    scans = [tmp_path / "study" / subject / "anat" / "T1.nii.gz" for subject in ("sub-01", "sub-02")]
    with pytest.raises(InputError, match=r"Two patients are called T1: .*sub-01.anat.*sub-02.anat"):
        prepare_many(_patients(scans, Said())[0], "clinical", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", ["b.nii.gz", "p1/b.nii.gz", "PATH/p1/b.nii.gz"])
def test_a_file_is_called_by_its_name_or_path(tmp_path, words):
    (tmp_path / "p1").mkdir()
    for name in ("a_T1.nii.gz", "b.nii.gz"):
        (tmp_path / "p1" / name).write_bytes(b"")
    given = words.replace("PATH", str(tmp_path))
    for scans in ([tmp_path], [tmp_path / "p1" / "b.nii.gz"]):
        said = Said([f"{given}=t2w"])
        found, _ = _patients(scans, said)
        said.check_used()
        assert found[0].scans["T2"] == tmp_path / "p1" / "b.nii.gz"


def test_a_sequence_said_of_no_scan_is_refused(scan, tmp_path, capsys):
    listed = tmp_path / "list.csv"
    listed.write_text(f"id,T1\np1,{scan}\n")
    for words, says in (
        ([scan, "--sequence", "sub-1_T1w.nii.gz=T2"], "no scan that was given is called so. Did you mean sub-01_T1w.nii.gz"),
        ([tmp_path, "--sequence", "other/sub-01_T1w.nii.gz=T2"], "no scan that was given is called so"),
        ([listed, "--sequence", "T2"], "the columns of list.csv say"),
        ([listed, "--sequence", f"{scan.name}=T2"], "no scan that was given is called so"),
    ):
        assert main(["prepare", *map(str, words), "--quiet", "--out", str(tmp_path / "out")]) == 2
        assert says in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_what_was_prepared_inside_the_data_is_no_further_patient(scan, tmp_path, capsys):
    data = tmp_path / "data"
    (data / "p1").mkdir(parents=True)
    scan.rename(data / "p1" / "p1_T1.nii.gz")
    words = ["prepare", str(data), "--preset", "native", "--no-figures", "--quiet", "--out", str(data / "prepared")]
    for again in (False, True):
        assert main(words) == 0
        said = capsys.readouterr()
        assert "1 of 1 prepared" in said.out
        assert ("made from its scans are left out" in said.err) is again
    made = next((data / "prepared").rglob("*_prepared.nii.gz"))
    (only,) = find_layout(data).subjects(data)
    assert dict(only.sequences) == {"T1": data / "p1" / "p1_T1.nii.gz"}
    assert (only.masks, only.extra) == ((), ())
    # By itself it is a data set, and a file that is named is taken.
    (alone,) = find_layout(made.parent).subjects(made.parent)
    assert list(alone.sequences.values()) == [made]
    assert [list(one.scans.values()) for one in _patients([made.parent], Said())[0]] == [[made]]
    assert len(_patients([data], Said([f"{made.name}=T1"]))[0]) == 2


def test_another_scan_of_the_same_name_is_not_replaced_silently(scan, tmp_path):
    native = load(scan)
    other = native.with_data(native.data * 2)
    other = replace(other, source=replace(other.source, sha256="0" * 64))
    save_prepared(prepare(native, QUICK, use_cache=False), native, tmp_path / "out", "native", figure=False)
    done = prepare(other, QUICK, use_cache=False)
    with pytest.raises(InputError, match="another input"):
        save_prepared(done, other, tmp_path / "out", "native", figure=False)
    save_prepared(done, other, tmp_path / "out", "native", figure=False, overwrite=True)
    assert json.loads((tmp_path / "out" / "sub-01_T1w_native_preparation.json").read_text())["input_sha256"] == "0" * 64
