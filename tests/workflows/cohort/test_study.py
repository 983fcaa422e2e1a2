"""A cohort as a study: through the command line, and against the same computed plainly from its tables."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from small_heads import AFFINE, brain, head, save

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.evaluation.chosen_thresholds import subject_folds
from napari_brain_uad.workflows.cohort.cases import cases_of
from napari_brain_uad.workflows.cohort.scan_facts import data_words
from napari_brain_uad.workflows.cohort.study import StudySettings

_NO_CLEAN_UP = ["--opening", "0", "--min-size-voxels", "0"]
VOXEL_ML = abs(np.linalg.det(AFFINE[:3, :3])) / 1000


def _scan(number: int, path: Path, contrast: float = 1.0) -> np.ndarray:
    """A head with a large lesion and a small one of two voxels, in noise of its own; gives the truth."""
    data, truth = head(number, lesion=True)
    small = np.zeros_like(truth)
    small[25:27, 20, 20] = True
    noise = ndimage.gaussian_filter(np.random.default_rng(number).normal(size=data.shape), 1) * (60 + 25 * number)
    data = np.where(brain(), (data + noise + 5 * small) * contrast, 0)
    save(data.astype(np.float32), path)
    return truth | small


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three ill subjects, one of whom came twice and has a T2 scan too, and two healthy ones."""
    root = tmp_path_factory.mktemp("study")
    save(brain().astype(np.uint8), root / "brain.nii.gz")
    rows = []
    for number, (name, session, split) in enumerate([("a", "1", "val"), ("a", "2", "val"), ("b", "", "test"), ("c", "", "test")]):
        truth = _scan(number, root / f"{number}.nii.gz")
        save(truth.astype(np.uint8), root / f"{number}_truth.nii.gz")
        rows.append(
            f"{name},{session},{number}.nii.gz,{'t2.nii.gz' if number == 2 else ''},{number}_truth.nii.gz,{split},{40 + number},F,X"
        )
    _scan(2, root / "t2.nii.gz", 2.0)
    for number in (4, 5):
        save(np.where(brain(), head(number, lesion=False)[0], 0).astype(np.float32), root / f"{number}.nii.gz")
        save(np.zeros(brain().shape, np.uint8), root / f"{number}_truth.nii.gz")
        rows.append(f"h{number},,{number}.nii.gz,,{number}_truth.nii.gz,test,,M,")
    (root / "4.json").write_text('{"Manufacturer": "GE", "MagneticFieldStrength": 1.5, "PatientName": "Somebody"}')
    path = root / "scans.csv"
    head_line = "id,session,FLAIR,T2,truth,split,age,sex,scanner,brain_mask,site\n"
    path.write_text(head_line + "".join(f"{row},brain.nii.gz,<i>\x1b[1m{row[0]}\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def out(listed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    words = ["--methods", "threshold,thresh-raw", "--sequence", "all", "--folds", "3", "--parquet", "--lesion-bins", "0.1", "--quiet"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAIN_UAD_CACHE", str(tmp_path_factory.mktemp("cache")))
        assert cli.main(["evaluate", str(listed), *words, "--out", str(folder), "--seed", "5", *_NO_CLEAN_UP]) == 0
    return folder


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _record(out: Path) -> dict[str, Any]:
    return json.loads((out / "cohort.json").read_text())  # type: ignore[no-any-return]


def test_the_table_of_the_data(out: Path) -> None:
    lines = {(one["scan"], one["sequence"]): one for one in _table(out / "scans.csv")}
    assert list(lines) == [
        ("a_1", "FLAIR"),
        ("a_2", "FLAIR"),
        ("b", "FLAIR"),
        ("b", "T2"),
        ("c", "FLAIR"),
        ("h4", "FLAIR"),
        ("h5", "FLAIR"),
    ]
    one, healthy = lines["a_2", "FLAIR"], lines["h4", "FLAIR"]
    assert [one[name] for name in ("subject", "session", "split", "age", "sex", "scanner", "ill", "lesions")] == [
        "a", "2", "val", "41.0", "F", "X", "True", "2",
    ]  # fmt: skip
    assert float(one["largest_lesion_ml"]) == pytest.approx(180 * VOXEL_ML)
    assert float(one["lesion_ml"]) == pytest.approx(182 * VOXEL_ML)
    assert [float(one[f"voxel_mm_{axis}"]) for axis in "ijk"] == [2.0, 1.5, 2.5]
    assert [healthy[name] for name in ("ill", "lesions", "age", "scanner", "field_strength")] == ["False", "0", "", "GE", "1.5"]
    assert not any("Somebody" in file.read_text() for file in out.glob("*.csv"))
    summary = _record(out)["data"]["summary"]
    assert (summary["scans"], summary["subjects"], summary["ill"], summary["healthy"], summary["unknown"]) == (7, 5, 5, 2, 0)
    assert summary["lesion_ml"] == pytest.approx({"median": 182 * VOXEL_ML, "low": 182 * VOXEL_ML, "high": 182 * VOXEL_ML, "scans": 5})
    assert summary["age"] == {"median": 42.0, "low": 40.0, "high": 43.0, "scans": 5}
    assert summary["sequence"] == {"FLAIR": 6, "T2": 1}
    words = data_words(summary | {"subjects": 1, "lesion_ml": {"median": 1346.6, "low": 0.5, "high": 12345.0, "scans": 5}})
    assert words[0] == "Scans: 7 of 1 subject (5 ill, 2 healthy)"
    assert words[2] == "Lesion volume in an ill scan: median 1,347 ml (0.5 to 12,345)"


def test_lesions_by_size_from_the_table_of_lesions(out: Path) -> None:
    lesions = [one for one in _table(out / "lesions.csv") if one["method"] == "threshold"]
    assert len(lesions) == 10
    for found, large in zip(_record(out)["study"]["lesion_strata"]["threshold"], (False, True), strict=True):
        own = [one for one in lesions if (float(one["ml"]) >= 0.1) == large]
        assert (found["lesions"], found["found"]) == (5, sum(one["found"] == "True" for one in own))
        assert found["recall"]["mean"] == found["found"] / 5
    siou = [float(one["siou"]) for one in lesions]
    assert _record(out)["study"]["instances"]["threshold"]["siou"]["mean"] == pytest.approx(np.mean(siou))
    flagged = [float(one["flagged_ml"]) for one in _table(out / "cohort.csv") if one["scan"][0] == "h" and one["method"] == "threshold"]
    healthy = _record(out)["study"]["healthy_false_positive_ml"]["threshold"]
    assert (healthy["mean"], healthy["scans"]) == (pytest.approx(np.mean(flagged)), 2)


def test_each_fold_is_reported_at_the_threshold_of_the_others(out: Path) -> None:
    record = _record(out)["study"]["thresholds"]["thresh-raw"]
    fold = dict(zip("aabc", subject_folds(["a", "a", "b", "c"], 3, seed=5), strict=True))
    assert [one["reported"] for one in record["folds"]] == [[name for name in "abc" if fold[name] == number] for number in range(3)]
    for one in record["folds"]:
        assert sorted([*one["reported"], *one["chosen_on"]]) == ["a", "b", "c"]
    assert [one["scan"] for one in record["scans"]] == ["a_1 FLAIR", "a_2 FLAIR", "b FLAIR", "b T2", "c FLAIR"]
    assert record["dice"]["mean"] == pytest.approx(np.mean([one["dice"] for one in record["scans"]]))
    # Without clean-up, Dice at the default threshold is the one that the mask has.
    rows = {f"{one['scan']} {one['sequence']}": one for one in _table(out / "cohort.csv") if one["method"] == "thresh-raw"}
    assert [one["default_dice"] for one in record["scans"]] == pytest.approx([float(rows[one["scan"]]["dice"]) for one in record["scans"]])
    assert record["difference"]["mean"] == pytest.approx(record["dice"]["mean"] - record["default_dice"]["mean"])
    # T2's scores are twice as high: one threshold for both sequences serves neither, one of each sequence does.
    alone = _record(out)["by_sequence"]["FLAIR"]["study"]["thresholds"]["thresh-raw"]
    assert len(alone["scans"]) == 4
    assert "cannot be dealt" in _record(out)["by_sequence"]["T2"]["study"]["thresholds"]["thresh-raw"]["why_not"]


def test_every_sequence_is_reported_apart(out: Path) -> None:
    record, rows = _record(out), _table(out / "cohort.csv")
    assert list(record["by_sequence"]) == ["FLAIR", "T2"]
    for sequence, own in record["by_sequence"].items():
        dice = [float(one["dice"]) for one in rows if one["sequence"] == sequence and one["method"] == "threshold" and one["dice"]]
        assert own["mean"]["threshold"]["dice"]["mean"] == pytest.approx(np.mean(dice))
    t2 = next(one for one in rows if one["sequence"] == "T2" and one["method"] == "threshold")
    assert record["by_sequence"]["T2"]["pooled"]["threshold"]["dice"] == pytest.approx(float(t2["dice"]))
    assert record["pooled"]["threshold"]["dice"] != record["by_sequence"]["FLAIR"]["pooled"]["threshold"]["dice"]
    test = record["tests"][0]
    assert (test["paired"], test["permutations"], test["scans"], test["subjects"]) == (True, 10_000, 5, 3)
    assert test["low"] <= test["difference"] <= test["high"]
    assert test["p"] >= 2 / 2**3  # of three subjects' signs, not of five scans'
    page = re.sub(r"<script>.*?</script>", "", (out / "cohort.html").read_text(), flags=re.DOTALL)
    assert "<i>" not in page
    for words in (
        "&lt;i&gt;",
        "FLAIR alone",
        "7 of 5 subjects",
        "Lesions by size",
        "3 folds by subject, seed 5",
        "bootstrap over subjects",
    ):
        assert words in page


def test_what_a_table_says_does_no_harm(listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--methods", "threshold", "--sequence", "T2", "--effects", "site", "--quiet", "--no-cache", "--out", str(tmp_path)]
    assert cli.main(["evaluate", str(listed), *words]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "Site: <i>" in said


def test_effects_say_why_they_were_not_tested(out: Path) -> None:
    found = _record(out)["study"]["effects"]
    assert {one["covariate"] for one in found} == {"scanner", "site", "sequence", "age", "sex"}  # the field strength is one
    assert all(one["p"] is None and one["why_not"] for one in found)
    sex = next(one for one in found if (one["covariate"], one["figure"]) == ("sex", "flagged_ml"))
    assert sex["why_not"] == "not enough scans: fewer than two groups of 5 people (F 3, M 2)"


def test_parquet_holds_what_the_csv_files_hold(out: Path) -> None:
    from pyarrow import parquet

    for name in ("cohort", "scans", "lesions", "figures"):
        table, lines = parquet.read_table(out / f"{name}.parquet"), _table(out / f"{name}.csv")
        assert table.num_rows == len(lines)
        assert [["" if value is None else str(value) for value in row.values()] for row in table.to_pylist()] == [
            [value.removeprefix("'").replace(r"\x1b", "\x1b") for value in line.values()] for line in lines
        ]
    assert [str(kind) for kind in parquet.read_schema(out / "lesions.parquet").types] == ["string"] * 3 + ["int64", "double", "bool"] + [
        "double"
    ] * 2


def test_a_split_chooses_and_is_not_reported(listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--methods", "threshold", "--threshold-from", "val", "--effects", "age", "--no-cache", "--quiet", "--json"]
    assert cli.main(["evaluate", str(listed), *words, "--out", str(tmp_path)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["by_sequence"] == {}
    found = record["study"]["thresholds"]["threshold"]
    assert [(one["chosen_on"], one["reported"]) for one in found["folds"]] == [(["a"], ["b", "c"])]
    assert [one["scan"] for one in found["scans"]] == ["b FLAIR", "c FLAIR"]
    assert [one["why_not"] for one in record["study"]["effects"]] == ["not enough scans: 3 people; 10 are needed"] * 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--folds", "1"], "cannot be dealt into 1"),
        (["--folds", "6"], "5 subjects"),
        (["--threshold-from", "dev"], "its splits are test, val"),
        (["--lesion-bins", "1,x"], "no list of numbers"),
        (["--lesion-bins", "2,1"], "not ascending"),
        (["--effects", "agee"], "Did you mean age"),
        (["--effects", ","], "Name some of scanner"),
        (["--sequence", "all", "--sequence", "T1"], "alone"),
        (["--parquet"], r'pip install "napari-brain-uad\[parquet\]"|pip install pyarrow'),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_computed(
    listed: Path, tmp_path: Path, words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari_brain_uad.core import optional
    from napari_brain_uad.workflows.cohort import cohort

    monkeypatch.setattr(optional, "find_spec", lambda _: None)
    monkeypatch.setattr(cohort, "as_done", lambda *_: pytest.fail("it began"))
    assert cli.main(["evaluate", str(listed), "--methods", "threshold", "--out", str(tmp_path / "out"), *words]) == InputError.exit_code
    assert re.search(says, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_subject_on_both_sides_of_a_split_is_refused(listed: Path) -> None:
    cases, _ = cases_of(listed)
    mixed = [replace(cases[0], split="test"), *cases[1:]]
    with pytest.raises(InputError, match="a has scans in it and in another"):
        StudySettings(threshold_from="val").check(mixed)
    with pytest.raises(InputError, match="every scan"):
        StudySettings(threshold_from="val").check([replace(case, split="val") for case in cases])
    with pytest.raises(InputError, match="the data set names no splits"):
        StudySettings(threshold_from="val").check([replace(case, split=None) for case in cases])


def test_several_sequences_are_several_scans(listed: Path, tmp_path: Path) -> None:
    cases, left_out = cases_of(listed, sequence=["T2", "flair"])
    assert [(case.name, case.sequence) for case in cases][2:5] == [("b", "T2"), ("b", "FLAIR"), ("c", "FLAIR")]
    assert left_out[:2] == ("a_1: no T2", "a_2: no T2")
    assert [case.person for case in cases[:3]] == ["a", "a", "b"]
    both, nothing = cases_of(listed, sequence="ALL")
    assert (len(both), nothing) == (7, ())
    alone = tmp_path / "alone.csv"
    alone.write_text(f"id,unknown\np1,{listed.parent}/0.nii.gz\n")
    # A scan of unknown sequence can be the one that is asked for, but not several.
    found = [cases_of(alone, sequence=asked, need_truth=False)[0][0].sequence for asked in ("T2", ["T2", "T1"], "all", None)]
    assert found == ["T2", None, None, None]
