"""A cohort's table, and what is written about it."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score
from small_heads import brain, head, save

from napari_brain_uad import cli
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import Cancelled, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.datasets.covariates import Covariates
from napari_brain_uad.evaluation.pooled import BrainScores
from napari_brain_uad.evaluation.protocols import Figures, Protocol
from napari_brain_uad.evaluation.significance import permutation_test
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.cohort.calibrate import calibrate
from napari_brain_uad.workflows.cohort.case import Case, CaseFailure
from napari_brain_uad.workflows.cohort.cohort import Cohort, cases_of, cases_sha256, evaluate_cohort
from napari_brain_uad.workflows.cohort.cohort_report import cohort_text, failure_lines, save_cohort
from napari_brain_uad.workflows.cohort.sweep import parse_sweep, sweep_cohort
from napari_brain_uad.workflows.compare import compare as compare_module
from napari_brain_uad.workflows.compare.compare import compare
from napari_brain_uad.workflows.detect.age import age_of
from napari_brain_uad.workflows.detect.detect import Judged, judged

METHODS = ["threshold", "thresh-raw"]
POST = PostParams(opening=0, threshold="auto")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cohort")
    for number in range(4):
        data, truth = head(number, lesion=True)
        noise = ndimage.gaussian_filter(np.random.default_rng(number).normal(size=data.shape), 1) * (150 + 80 * number)
        subject = root / f"pat{number}"
        subject.mkdir()
        save(np.where(brain(), data + noise, 0).astype(np.float32), subject / "FLAIR.nii.gz")
        save(brain().astype(np.uint8), subject / "brainmask.nii.gz")
        if number < 3:
            save(truth.astype(np.uint8), subject / "truth.nii.gz")
    return root


@pytest.fixture(scope="module")
def cohort(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAIN_UAD_CACHE", str(tmp_path_factory.mktemp("cache")))
        cases, left_out = cases_of(folder)
        assert [case.name for case in cases] == ["pat0", "pat1", "pat2"]
        assert left_out == ("pat3: no ground truth",)
        # In two processes: the tests compare with what this one finds.
        return evaluate_cohort(cases, METHODS, post=POST, jobs=2)


def test_a_row_is_the_comparison_of_its_scan(cohort: Cohort, folder: Path) -> None:
    assert [(row.case, row.figures.method) for row in cohort.rows] == [(f"pat{n}", method) for n in range(3) for method in METHODS]
    one = folder / "pat1"
    alone = compare(one / "FLAIR.nii.gz", METHODS, truth=one / "truth.nii.gz", mask=one / "brainmask.nii.gz", post=POST, use_cache=False)
    for row, own in zip(cohort.rows[2:4], alone.table(), strict=True):
        for name in ("best_dice", "auprc", "dice", "flagged_ml", "threshold"):
            assert getattr(row.figures, name) == getattr(own, name)


def test_mean_and_pooled_by_hand(cohort: Cohort, folder: Path) -> None:
    runs = []
    for number in range(3):
        one = folder / f"pat{number}"
        given = {"truth": one / "truth.nii.gz", "mask": one / "brainmask.nii.gz", "post": POST}
        found = compare(one / "FLAIR.nii.gz", METHODS[:1], use_cache=False, **given)
        runs.append((found.runs[0], found.truth))
    y = np.concatenate([truth[run.map.mask] for run, truth in runs])
    s = np.concatenate([run.map.score[run.map.mask] for run, _ in runs])
    pooled = cohort.pooled["threshold"]
    assert pooled.auprc == pytest.approx(average_precision_score(y, s), abs=1e-9)
    assert pooled.auroc == pytest.approx(roc_auc_score(y, s), abs=1e-9)
    tp = sum((run.result.mask & truth).sum() for run, truth in runs)
    size = sum(run.result.mask.sum() + truth.sum() for run, truth in runs)
    assert cohort.pooled_dice("threshold") == pytest.approx(2 * tp / size)
    hit = sum(ndimage.label(truth, np.ones((3, 3, 3)))[0][truth & run.result.mask].any() for run, truth in runs)
    assert cohort.pooled_lesion_recall("threshold") == hit / 3
    mean = cohort.mean("threshold", "auprc")
    assert mean is not None
    assert mean.mean == pytest.approx(np.mean([row.figures.auprc for row in cohort.rows if row.figures.method == "threshold"]))
    assert mean.low is not None
    assert mean.low <= mean.mean
    assert mean.count == 3


def test_protocols_read_every_scan_when_they_ask_for_it(folder: Path) -> None:
    read: list[bool] = []

    def measure(scans: Iterable[BrainScores]) -> Figures:
        first, again = next(iter(scans)), next(iter(scans))
        read.append(first is not again and first.score is not again.score)
        return {}

    protocol = Protocol("own", "", "", measure)
    evaluate_cohort(cases_of(folder)[0][:1], ["thresh-raw"], post=POST, protocols=[protocol], use_cache=False)
    assert read == [True]


def test_methods_are_tested_on_the_scans_both_have(cohort: Cohort) -> None:
    tests = cohort.tests()
    assert [(test.first, test.second, test.column, test.scans) for test in tests] == [
        ("threshold", "thresh-raw", "best_dice", 3),
        ("threshold", "thresh-raw", "auprc", 3),
    ]
    a, b = (list(cohort.values(method, "auprc").values()) for method in METHODS)
    assert tests[1].p == permutation_test(a, b)
    assert tests[1].difference == pytest.approx(np.mean(a) - np.mean(b))


def test_what_is_written_says_all_and_needs_no_other_file(cohort: Cohort, tmp_path: Path) -> None:
    files = save_cohort(
        cohort, tmp_path, command=f"brain-uad evaluate {tmp_path}/secret/folder --out x", left_out=["pat3: no ground truth"]
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files.values())
    record = json.loads(files["json"].read_text())
    assert record["mean"]["threshold"]["auprc"]["mean"] == cohort.mean("threshold", "auprc").mean  # type: ignore[union-attr]
    assert record["pooled"]["thresh-raw"]["auprc"] == cohort.pooled["thresh-raw"].auprc
    with files["csv"].open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert (lines[0]["scan"], lines[0]["sequence"], lines[0]["method"]) == ("pat0", "FLAIR", "threshold")
    assert [float(line["auprc"]) for line in lines] == [row.figures.auprc for row in cohort.rows]
    page = files["html"].read_text(encoding="utf-8")
    assert page.count("Research use only, not for diagnosis.") == 2  # at the top and at the bottom
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "<script" not in own
    # No other script may run, and nothing be asked for, whatever the page holds.
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts)
    assert f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'" in own
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", own)  # one file, nothing is fetched
    for words in ("pat2", "no ground truth", "permutation test", "Pooled", "Mean over scans", f"{cohort.rows[0].figures.auprc:.3f}"):
        assert words in page
    assert str(tmp_path) not in page


def test_one_bad_scan_and_one_bad_method_do_not_stop_the_rest(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    listed = tmp_path / "scans.csv"
    (tmp_path / "broken.nii.gz").write_bytes(b"no image")
    listed.write_text(
        f"id,FLAIR,truth\ngood <b>,{folder}/pat0/FLAIR.nii.gz,{folder}/pat0/truth.nii.gz\nbad,broken.nii.gz,{folder}/pat0/truth.nii.gz\n"
    )
    cases, _ = cases_of(listed)
    found = evaluate_cohort(cases, ["threshold", "covariance:nowhere.safetensors"], with_pooled=False)
    assert [(row.case, row.figures.method) for row in found.rows] == [("good <b>", "threshold")]
    assert [(failure.case, failure.method) for failure in found.failures] == [("good <b>", "covariance:nowhere.safetensors"), ("bad", "")]
    page = save_cohort(found, tmp_path / "out")["html"].read_text()
    assert "<b>" not in re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "good &lt;b&gt;" in page
    with pytest.raises(InputError, match="broken"):
        evaluate_cohort([case for case in cases if case.name == "bad"], ["threshold"])
    progress = Progress(lambda fraction, _: progress.cancel() if fraction > 0.2 else None)
    with pytest.raises(Cancelled):
        evaluate_cohort(cases, ["threshold"], progress=progress)


def test_what_failed_is_named_once(cohort: Cohort) -> None:
    """Reasons are errors of files and scans, which often begin with their names."""
    failures = [
        ("p1", "", "p1_FLAIR.nii.gz: damaged"),
        ("p2", "vae", "p2 cannot be scored"),
        ("p3", "vae", "no model"),
        ("p4", "vae", "no model"),
    ]
    found = replace(cohort, failures=tuple(CaseFailure(*one) for one in failures))
    assert failure_lines(found) == ["p1_FLAIR.nii.gz: damaged", "vae: p2 cannot be scored", "vae, p3, p4: no model"]
    assert [one.who for one in found.failures] == ["", "vae", "p3 vae", "p4 vae"]


def test_nothing_to_evaluate(folder: Path) -> None:
    with pytest.raises(InputError, match="no T2"):
        cases_of(folder, sequence="T2")


def test_the_command_line_gives_the_same(
    cohort: Cohort, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    words = ["evaluate", str(folder), "--methods", "threshold,thresh-raw", "--opening", "0", "--out", str(tmp_path / "out"), "--quiet"]
    assert cli.main([*words, "--protocols", "strega,simple-slice-net"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("By the protocol strega. Chatterjee") < printed.index("By the protocol simple-slice-net. Zhang")
    assert "Left out: pat3: no ground truth" not in printed
    record = json.loads((tmp_path / "out" / "cohort.json").read_text())
    # A scan without a ground truth is measured too, as far as that goes.
    own = [scan for scan in record["scans"] if scan["scan"] == "pat3"]
    assert [scan["auprc"] for scan in own] == [None, None]
    assert all(scan["flagged_ml"] > 0 for scan in own)
    assert [scan["auprc"] for scan in record["scans"] if scan not in own] == [row.figures.auprc for row in cohort.rows]
    assert record["pooled"]["threshold"]["best_dice_voxels"] == cohort.pooled["threshold"].best_dice_voxels
    assert str(folder.parent) not in record["command"]
    told = record["protocols"]["thresh-raw"]
    assert list(told) == ["simple-slice-net", "strega"]
    # Each volume's scale does not move its own average precision, and the mean over volumes is that of the table.
    precision = cohort.mean("thresh-raw", "auprc")
    assert precision is not None
    assert told["simple-slice-net"]["figures"]["voxel AUPRC"] == pytest.approx(precision.mean)
    assert 0 < told["strega"]["figures"]["Dice"] < 1
    page = (tmp_path / "out" / "cohort.html").read_text()
    assert "By the protocol strega" in page
    assert f"{told['strega']['figures']['Dice']:.3f}" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "FOLDER", "--out", "o"], "needs --methods"),
        (["evaluate", "FOLDER", "--methods", "threshold"], "needs --out"),
        (["evaluate", "FOLDER", "FOLDER", "--methods", "threshold", "--out", "o"], "no TRUTH"),
        (["evaluate", "FOLDER", "--methods", "threshold", "--out", "o", "--protocols", "strga"], "Did you mean strega"),
        (["evaluate", "FOLDER", "--methods", "threshold", "--out", "o", "--pictures", "-1"], "Ask for 0 to 100"),
        (["evaluate", "FOLDER/pat0/FLAIR.nii.gz"], "no ground truth"),
        (["evaluate", "FOLDER/pat0/FLAIR.nii.gz", "--methods", "threshold"], "methods on one scan: brain-uad compare"),
        (["evaluate", "FOLDER/pat0/FLAIR.nii.gz", "FOLDER/pat0/truth.nii.gz", "--folds", "3"], "--folds is for a folder of scans"),
        (["evaluate", "FOLDER/none", "--methods", "threshold", "--out", "o"], "Give a folder of scans, a CSV file"),
        (["evaluate", "FOLDER/pat3", "--methods", "threshold", "--out", "o", "--folds", "2"], "no scan has a ground truth"),
        (["evaluate", "FOLDER/pat3", "--methods", "threshold", "--out", "o", "--sweep", "median=0,3"], "A sweep needs ground truths"),
        (["evaluate", "FOLDER", "--methods", "threshold", "--out", "o", "--layout", "bidss"], "Did you mean bids"),
        (["evaluate", "FOLDER/pat3", "--methods", "threshold", "--out", "o", "--prepare", "nevr"], "Did you mean never"),
        (["compare", "FOLDER/pat0/FLAIR.nii.gz", "--methods", "treshold", "--out", "o"], "Did you mean threshold"),
        (["compare", "FOLDER/pat0/FLAIR.nii.gz", "--methods", "threshold", "--slices", "top", "--out", "o"], "heights in mm"),
        (["compare", "FOLDER/pat0/FLAIR.nii.gz", "--methods", "threshold", "--model", "x", "--out", "o"], "NAME=VALUE"),
        (["compare", "FOLDER/pat0/FLAIR.nii.gz", "--methods", "threshold", "--threshold", "healthy-ml:1", "--out", "o"], "healthy scans"),
    ],
)
def test_wrong_words_are_one_sentence(
    words: list[str], message: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    assert cli.main([word.replace("FOLDER", str(folder)) for word in words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("brain-uad: ")
    assert not (tmp_path / "o").exists()


def test_results_on_other_scans_are_not_replaced_silently(cohort: Cohort, tmp_path: Path) -> None:
    save_cohort(replace(cohort, pooled={}), tmp_path)
    save_cohort(replace(cohort, pooled={}), tmp_path)
    with pytest.raises(InputError, match="another input"):
        save_cohort(replace(cohort, pooled={}, cases_sha256="0" * 64), tmp_path)


def test_a_set_of_scans_is_told_by_names_and_files(tmp_path: Path) -> None:
    for folder, size in (("a", 10), ("b", 11)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "FLAIR.nii.gz").write_bytes(b"x" * size)
    one, other = (Case("pat0", tmp_path / folder / "FLAIR.nii.gz", tmp_path / "truth.nii.gz") for folder in "ab")
    assert cases_sha256([one]) == cases_sha256([replace(one)])
    assert len({cases_sha256(given) for given in ([one], [other], [one, other], [replace(one, name="pat1")])}) == 4


def test_two_scans_of_one_name_are_refused(tmp_path: Path) -> None:
    one, other = (Case("pat0", tmp_path / folder / "FLAIR.nii.gz", tmp_path / "truth.nii.gz", None, "FLAIR") for folder in "ab")
    with pytest.raises(InputError, match=r"Two scans are called pat0: .*a.FLAIR.*b.FLAIR"):
        evaluate_cohort([one, other], METHODS)


def test_temporary_files_that_cannot_be_written_cost_the_pooled_figures_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As with a full disk: the second scan's scores have no place."""
    from napari_brain_uad.workflows.cohort import cohort as module

    written: list[Path] = []
    real = module.np.savez

    def savez(path: Path, **arrays: object) -> None:
        written.append(path)
        if len(written) > 1:
            raise OSError(28, "No space left on device")
        real(path, **arrays)

    monkeypatch.setattr(module.np, "savez", savez)
    found = evaluate_cohort(cases_of(folder)[0][:2], METHODS[:1], post=POST, use_cache=False)
    assert [row.case for row in found.rows] == ["pat0", "pat1"]
    assert not found.pooled
    assert not found.failures
    assert caplog.text.count("left out") == 1


def test_ages_of_the_data_set_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are part of the maps' records, by which maps are judged; in a sweep, too."""
    cases = [replace(case, covariates=Covariates(age=30.0 + number)) for number, case in enumerate(cases_of(folder)[0])]
    ages: list[float | None] = []

    def watched(amap: AnomalyMap, *given: Any, **named: Any) -> Judged:
        ages.append(age_of(amap))
        return judged(amap, *given, **named)

    monkeypatch.setattr(compare_module, "judged", watched)
    evaluate_cohort(cases, METHODS[:1], with_pooled=False, use_cache=False)
    assert ages == [30.0 + number for number in range(len(cases))]
    ages.clear()
    sweep_cohort(cases, METHODS[:1], parse_sweep(["opening=0,1"], PostParams()), use_cache=False)
    assert set(ages) == {30.0 + number for number in range(len(cases))}


def test_verdicts_tell_scans_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Healthy scans without a ground truth count as such only where they are said to be healthy."""
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(tmp_path / "models"))
    healthy = tmp_path / "healthy"
    healthy.mkdir()
    for seed in range(20, 28):
        save(head(seed, lesion=False)[0], healthy / f"sub-{seed}_FLAIR.nii.gz")
    calibrate("robust-intensity", [Case(path.name, path, None) for path in sorted(healthy.iterdir())[:5]])
    ill = tmp_path / "ill"
    ill.mkdir()
    for seed in range(3):
        data, truth = head(seed, lesion=True)
        save(data, ill / f"sub-{seed}_FLAIR.nii.gz")
        save(truth.astype(np.uint8), ill / f"sub-{seed}_truth.nii.gz")
    cases = [*cases_of(ill)[0], *(Case(path.name, path, None) for path in sorted(healthy.iterdir())[5:])]
    known = evaluate_cohort(cases, ["robust-intensity", "threshold"], with_pooled=False, rest_healthy=True, use_cache=False)
    area = known.scan_auroc("robust-intensity")
    assert area is not None
    assert (area.healthy, area.ill) == (3, len(cases) - 3)
    assert area.area > 0.9
    assert known.scan_auroc("threshold") is None
    assert known.scan_auroc("robust-intensity").words in cohort_text(known)  # type: ignore[union-attr]  # it is there
    files = save_cohort(known, tmp_path / "out")
    record = json.loads(files["json"].read_text())
    assert record["scan_auroc"]["robust-intensity"]["healthy"] == 3
    assert record["healthy_p"]["robust-intensity"]["healthy"]["scans"] == 3
    assert record["healthy_p"]["threshold"] == {"healthy": None, "ill": None}
    assert "p-values of healthy scans" in files["html"].read_text()
    unknown = evaluate_cohort(cases[-2:], ["robust-intensity"], use_cache=False)
    assert unknown.scan_auroc("robust-intensity") is None
    files = save_cohort(unknown, tmp_path / "none")
    own = [row.figures for row in unknown.rows]
    told = json.loads(files["json"].read_text())["without_truth"]["robust-intensity"]
    assert (told["scans"], told["regions"]["highest"]) == (2, max(one.regions for one in own))
    assert told["flagged_ml"]["mean"] == pytest.approx((own[0].flagged_ml + own[1].flagged_ml) / 2)
    assert told["unusual"] == sum(one.scan_p <= 0.05 for one in own if one.scan_p is not None)
    text = cohort_text(unknown)
    low, high = sorted(one.flagged_ml for one in own)
    assert f"{told['flagged_ml']['mean']:.1f} ({low:.1f} to {high:.1f})" in text
    assert told["unusual"] == 0
    assert "cannot be: so few healthy brains allow no p below 0.17" in text
    assert "0 of 2 scans" not in text
    assert "cannot be: so few healthy brains" in files["html"].read_text()
    assert "undefined" not in text
    assert "2 not known to be ill or healthy" in text
    # A method without a healthy reference says so; where scans have a ground truth, both tables are there.
    mixed = cohort_text(known).splitlines()
    assert next(line for line in mixed if line.startswith("Mean over scans"))
    start = next(number for number, line in enumerate(mixed) if line.startswith("3 scans without ground truth"))
    assert ["no healthy reference" in line for line in mixed[start + 1 : start + 3]] == [False, True]
    page = files["html"].read_text()
    assert "Scans without ground truth" in page
    assert "no scan of this cohort is known to be healthy" in page
    assert "no scan has a ground truth" in page
