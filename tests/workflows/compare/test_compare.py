"""A comparison's figures: against independent counts, and the same from every entrance."""

from __future__ import annotations

import csv
import json
import shlex
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from small_heads import Case, head, save

from napari_brain_uad import cli
from napari_brain_uad.core.errors import Cancelled, InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.registry import create
from napari_brain_uad.io.checkpoint import save_checkpoint
from napari_brain_uad.io.nifti import read_map
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.compare.compare import Comparison, compare
from napari_brain_uad.workflows.compare.compare_save import check_comparison_output, save_comparison
from napari_brain_uad.workflows.compare.compare_table import COLUMNS, WITHOUT_TRUTH, rows_text
from napari_brain_uad.workflows.compare.healthy_words import healthy_words
from napari_brain_uad.workflows.detect.age import age_of
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.detect.save import save_detection
from napari_brain_uad.workflows.scans.load import load

METHODS = ["threshold", "thresh-raw", "threshold@bins=8"]
SHARED = ("best_dice", "best_dice_voxels", "dice", "auprc", "auroc", "pro", "lesion_recall", "false_positive_regions", "flagged_ml")
MEASURED = ("seconds", "memory_mb", "cached")
POST = PostParams(opening=0, median=3, min_voxels=5)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))


def noisy(case: Case) -> Path:
    """The case's scan with noise as strong as its lesion, so that no figure is trivially 1."""
    image = nib.load(case.scan)
    data = np.asarray(image.dataobj)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=data.shape), 1) * 250
    return save(np.where(data != 0, data + noise, 0).astype(np.float32), case.folder / "noisy_FLAIR.nii.gz")


def figures(comparison: Comparison) -> list[dict[str, object]]:
    return [{name: value for name, value in row.as_dict().items() if name not in MEASURED} for row in comparison.table()]


def test_every_figure_of_the_table_against_an_oracle(case: Case) -> None:
    found = compare(noisy(case), METHODS, truth=case.truth, mask=case.mask, post=replace(POST, threshold="percentile:97"))
    truth, brain = found.truth, found.volume.mask
    assert truth is not None
    assert brain is not None
    ml = 2.0 * 1.5 * 2.5 / 1000
    cube = np.ones((3, 3, 3))
    masks = []
    for run in found.runs:
        # From the scan itself, by other code: median, percentile, components of at least five voxels.
        score = ndimage.median_filter(run.map.score, 3, mode="nearest")
        score = np.where(brain, score, np.float32(run.map.background))
        labels, _ = ndimage.label((score > np.percentile(score[brain], 97)) & brain, cube)
        masks.append((np.bincount(labels.ravel())[labels] >= 5) & (labels > 0))
    lesions, lesion_count = ndimage.label(truth, cube)
    for number, (run, row, mask) in enumerate(zip(found.runs, found.table(), masks, strict=True)):
        score = run.result.score
        assert 0.02 < row.auprc < 0.98  # the test means something
        assert row.auprc == pytest.approx(average_precision_score(truth.ravel(), score.ravel()), abs=1e-9)
        assert row.auroc == pytest.approx(roc_auc_score(truth.ravel(), score.ravel()), abs=1e-9)
        assert row.dice == pytest.approx(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
        precision, recall, _ = precision_recall_curve(truth.ravel(), score.ravel())
        assert row.best_dice_voxels == pytest.approx((2 * precision * recall / np.maximum(precision + recall, 1e-12)).max())
        if number == 1:  # the slowest oracle once
            assert row.pro == pytest.approx(_pro(score, truth), abs=1e-9)
        assert row.threshold == pytest.approx(np.percentile(score[brain], 97), rel=1e-6)
        regions, region_count = ndimage.label(mask, cube)
        assert row.regions == region_count
        assert row.false_positive_regions == region_count - np.unique(regions[truth & mask]).size
        assert row.lesion_recall == np.unique(lesions[truth & mask]).size / lesion_count
        assert row.flagged_ml == pytest.approx(mask.sum() * ml)
        assert row.largest_region_ml == pytest.approx(np.bincount(regions.ravel())[1:].max() * ml)
        others = [2 * (mask & other).sum() / (mask.sum() + other.sum()) for place, other in enumerate(masks) if place != number]
        assert row.mutual_dice == pytest.approx(np.mean(others))
    np.testing.assert_array_equal(found.agreement(), np.sum(masks, axis=0))
    score, row = found.runs[1].result.score, found.table()[1]
    exhaustive = max(_dropped(score, truth, t) for t in np.unique(score[truth]))
    assert exhaustive - 0.03 < row.best_dice <= exhaustive + 1e-9


def _dropped(score: np.ndarray, truth: np.ndarray, threshold: float) -> float:
    labels, _ = ndimage.label(score >= threshold)
    mask = (np.bincount(labels.ravel())[labels] >= 20) & (labels > 0)
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


def _pro(score: np.ndarray, truth: np.ndarray) -> float:
    """The curve point by point, at every distinct score."""
    labels, count = ndimage.label(truth, np.ones((3, 3, 3)))
    points = [(0.0, 0.0)]
    for threshold in np.unique(score)[::-1]:
        flagged = score >= threshold
        overlap = np.mean([flagged[labels == lesion].mean() for lesion in range(1, count + 1)])
        points.append((flagged[~truth].mean(), overlap))
        if points[-1][0] > 0.3:
            break
    x, y = np.array(points).T
    grid = np.append(x[x < 0.3], 0.3)
    return float(np.trapezoid(np.append(y[x < 0.3], np.interp(0.3, x, y)), grid) / 0.3)


def test_api_command_line_detect_and_processes_agree(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    scan = noisy(case)
    api = compare(scan, METHODS, truth=case.truth, mask=case.mask, post=replace(POST, threshold="percentile:97"))
    out = case.folder / "out"
    assert cli.main([*shlex.split(api.command)[1:-1], str(out), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert rows_text(api.table()).splitlines()[1].split()[:5] == printed.splitlines()[1].split()[:5]
    written = json.loads((out / "noisy_FLAIR_comparison.json").read_text())
    assert [{name: value for name, value in row.items() if name not in MEASURED} for row in written["rows"]] == figures(api)
    with (out / "noisy_FLAIR_comparison.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["method"] for line in lines] == METHODS
    assert [float(line["auprc"]) for line in lines] == [row.auprc for row in api.table()]
    assert list(lines[0]) == list(COLUMNS)
    given = {"truth": api.truth, "mask": api.volume.mask, "post": replace(POST, threshold="percentile:97")}
    apart = compare(load(scan), METHODS, jobs=2, use_cache=False, **given)
    assert figures(apart) == figures(api)
    for spec, row in zip(METHODS[:2], api.table(), strict=False):
        alone = detect(scan, spec, truth=case.truth, mask=case.mask, post=replace(POST, threshold="percentile:97"))
        assert alone.evaluation is not None
        for name in SHARED:
            assert alone.evaluation[name].value == getattr(row, name), name


def test_what_is_written_comes_back(case: Case) -> None:
    found = compare(case.scan, METHODS, truth=case.truth, mask=case.mask, post=POST)
    files = save_comparison(found, case.folder / "out")
    assert files["montage"].stat().st_size > 10_000
    again = read_map(files["map:threshold@bins=8"])
    np.testing.assert_array_equal(again.score, found.runs[2].map.score)
    np.testing.assert_array_equal(again.mask, found.runs[2].map.mask)
    counted = nib.load(files["agreement"])
    np.testing.assert_allclose(counted.affine, case.affine, atol=1e-5)
    assert int(np.asarray(counted.dataobj).sum()) == int(found.agreement().sum())
    record = files["table"].read_text()
    assert str(case.folder) not in record
    assert "Research use only" in record
    assert len({path.name for path in files.values()}) == len(files)
    few = save_comparison(found, case.folder / "few", maps=False, slices_mm=[10.0], scale="percentile")
    assert set(few) == {"csv", "table", "montage", "manifest"}


def test_maps_are_reused_and_figures_stay(case: Case) -> None:
    first = compare(case.scan, METHODS, truth=case.truth)
    second = compare(case.scan, METHODS, truth=case.truth)
    assert [run.cached for run in first.runs] == [False] * 3
    assert [run.cached for run in second.runs] == [True] * 3
    assert figures(first) == figures(second)
    assert [row.seconds for row in first.table()] == [row.seconds for row in second.table()]


def test_another_threshold_is_another_comparison(case: Case) -> None:
    scan = noisy(case)
    first = compare(scan, METHODS[:2], truth=case.truth, post=POST)
    for mode in ("percentile:99", "otsu", "otsu-slice", "best-dice"):
        assert figures(first.with_threshold(mode)) == figures(
            compare(scan, METHODS[:2], truth=case.truth, post=replace(POST, threshold=mode))
        )
    with pytest.raises(InputError, match="healthy scans"):
        first.with_threshold("healthy-ml:1")


def test_the_same_false_alarm_on_healthy_scans(case: Case, healthy_folder: Path) -> None:
    healthy = sorted(healthy_folder.iterdir())
    post = PostParams(opening=0)
    found = compare(case.scan, METHODS[:2], truth=case.truth, healthy=healthy, post=replace(post, threshold="healthy-ml:0.5"))
    for run in found.runs:
        volumes = []
        for path in healthy:
            alone = detect(path, run.map.method, post=replace(post, threshold=repr(run.result.threshold.value)))
            volumes.append(alone.result.mask.sum() * alone.map.grid.voxel_volume_mm3 / 1000)
        # Between two thresholds of the grid the volume is interpolated; equalised scores have few levels.
        assert np.mean(volumes) == pytest.approx(0.5, abs=0.1)
        assert "an average brain of 5 healthy brains" in run.result.threshold.origin
    assert "--healthy" in found.command
    assert figures(found.with_threshold("healthy-ml:0.5")) == figures(found)


def test_healthy_scans_of_another_sequence_are_refused_and_unknown_ones_scored_as_the_scan(case: Case, healthy_folder: Path) -> None:
    post = PostParams(opening=0, threshold="healthy-ml:0.5")
    paths = sorted(healthy_folder.iterdir())
    known = compare(case.scan, ["robust-intensity"], healthy=paths, post=post)
    with pytest.raises(InputError, match=r"The healthy scan sub-02_FLAIR is T2 .*sub-01_FLAIR is FLAIR.*Give healthy FLAIR scans"):
        compare(case.scan, ["robust-intensity"], healthy=[paths[0], load(paths[1], sequence="T2")], post=post)
    unknown = [load(path).with_sequence(None, "") for path in paths]
    found = compare(case.scan, ["robust-intensity"], healthy=unknown, post=post)
    assert found.runs[0].healthy[0].sequence == "FLAIR"
    assert found.runs[0].result.threshold.value == known.runs[0].result.threshold.value
    # As a reference's, thresholds for other filters are not these maps'.
    further = compare(
        case.scan, ["robust-intensity"], healthy=paths, post=post, further=[replace(post, median=3), replace(post, outline=1)]
    )
    assert [one.post["median"] for one in further.runs[0].healthy] == [0, 3]


def test_without_truth_what_can_be_known(case: Case) -> None:
    found = compare(case.scan, METHODS)
    for row in found.table():
        assert row.auprc is row.best_dice is row.dice is row.lesion_recall is row.false_positive_regions is None
        assert row.flagged_ml > 0
        assert row.mutual_dice is not None
    header = rows_text(found.table()).splitlines()[0]
    assert all(COLUMNS[name].title in header for name in WITHOUT_TRUTH)
    assert "AUPRC" not in header


def test_models_and_failures_stand_side_by_side(case: Case, healthy_folder: Path) -> None:
    paths = sorted(healthy_folder.iterdir())
    names = []
    for components in (0, 1):
        detector = create("covariance")
        detector.fit([load(path) for path in paths[: 4 + components]], seed=0, progress=Progress())
        names.append(case.folder / f"model{components}.safetensors")
        save_checkpoint(names[-1], method="covariance", params=detector.params.as_dict(), state=detector.state(), meta={})
    specs = [f"covariance:{names[0]}", f"covariance:{names[1]}", "covariance@tail=dark", "threshold"]
    found = compare(case.scan, specs, models={"covariance": names[1]}, mask=case.mask)
    assert [run.title for run in found.runs] == ["covariance:model0", "covariance:model1", "covariance@tail=dark:model1", "threshold"]
    assert len({run.map.provenance["method"]["weights_sha256"] for run in found.runs}) == 3
    assert len({run.map.score.tobytes() for run in found.runs}) == 4
    found = compare(case.scan, ["threshold", "covariance:nowhere.safetensors"])
    assert [run.title for run in found.runs] == ["threshold"]
    assert [str(failure.spec) for failure in found.failures] == ["covariance:nowhere.safetensors"]
    with pytest.raises(ModelError, match="nowhere"):
        compare(case.scan, ["covariance:nowhere.safetensors"])


def test_bad_input_stops_before_anything_is_scored(case: Case) -> None:
    with pytest.raises(InputError, match="3x3x3"):
        compare(case.scan, METHODS, truth=np.zeros((3, 3, 3), bool))
    with pytest.raises(InputError, match="not understood"):
        compare(case.scan, METHODS, post=PostParams(threshold="high"))
    with pytest.raises(InputError, match="nowhere"):
        compare(case.folder / "nowhere.nii.gz", METHODS)
    progress = Progress(lambda fraction, _: progress.cancel() if fraction > 0.3 else None)
    with pytest.raises(Cancelled):
        compare(case.scan, METHODS, progress=progress)


def test_an_age_is_in_the_maps_record_and_in_the_command(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(case.scan, METHODS[:2], age=44.5)
    assert [age_of(run.map) for run in found.runs] == [44.5, 44.5]
    assert "--age 44.5 " in found.command
    assert "--age" not in compare(case.scan, METHODS[:1]).command
    with pytest.raises(InputError, match=r"The age -3\.0: it is no number of years"):
        compare(case.scan, METHODS, age=-3.0)
    assert (
        cli.main(["compare", str(case.scan), "--methods", METHODS[0], "--age", "44.5", "--out", str(case.folder / "aged"), "--quiet"]) == 0
    )
    kept = json.loads(next((case.folder / "aged").glob("*_provenance.json")).read_text())
    assert kept["input"]["age"] == 44.5


def test_the_command_follows_the_threshold_and_one_method_may_be_a_word(case: Case) -> None:
    found = compare(case.scan, METHODS[0])
    assert [run.title for run in found.runs] == [METHODS[0]]
    other = found.with_threshold("percentile:90")
    assert "--threshold percentile:90 " in other.command
    assert other.command.replace("--threshold percentile:90 ", "") == found.command


def test_difference_of_two_methods(case: Case) -> None:
    found = compare(head_scan(case), METHODS)
    assert np.abs(found.difference(0, 1)).max() <= 100
    plain = found.runs[0].map.score - found.runs[2].map.score
    np.testing.assert_array_equal(found.difference(0, 2, "score"), np.where(found.volume.mask, plain, 0))
    with pytest.raises(InputError, match="percentiles"):
        found.difference(0, 1, "score")


def head_scan(case: Case) -> Path:
    return save(head(7, lesion=True)[0], case.folder / "other_FLAIR.nii.gz")


def test_two_methods_that_would_share_files_are_refused_before_they_run(case: Case) -> None:
    volume = load(case.scan)
    check_comparison_output(volume, ["vae:one/m", "vae:two/n"], case.folder / "out")
    with pytest.raises(InputError, match="sub-01_FLAIR_vae-m"):
        check_comparison_output(volume, ["vae", "vae:two/m"], case.folder / "out", models={"vae": "one/m.json"})
    check_comparison_output(volume, ["vae:one/m", "vae:two/m"], case.folder / "out", maps=False)


def test_a_comparison_and_a_detection_do_not_replace_each_other_unasked(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--method", "threshold", "--mask", str(case.mask), "--truth", str(case.truth), "--quiet", "--out"]
    detect_it = ["detect", str(case.scan), *words]
    compare_it = ["compare", str(case.scan), "--methods", "threshold", "--mask", str(case.mask), "--quiet", "--out"]
    for first, second, gone in ((detect_it, compare_it, "metrics.json"), (compare_it, detect_it, "")):
        out = case.folder / first[0]
        assert cli.main([*first, str(out)]) == 0
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        assert cli.main([*second, str(out)]) == 2
        assert f"'{first[0]}'" in capsys.readouterr().err
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
        assert cli.main([*second, str(out), "--overwrite"]) == 0
        assert gone not in {path.name.removeprefix("sub-01_FLAIR_threshold_") for path in out.iterdir()} or not gone


def test_a_method_s_files_are_one_run_s_whichever_command_wrote_them(case: Case) -> None:
    """What `detect` wrote besides the map is not left beside the map of a comparison."""
    out = case.folder / "out"
    save_detection(detect(case.scan, "threshold", mask=case.mask, truth=case.truth), out)
    found = compare(case.scan, METHODS[:1], mask=case.mask, post=POST)
    with pytest.raises(InputError, match=r"another kind.*'detect'.*'compare'.*--overwrite"):
        save_comparison(found, out)
    save_comparison(found, out, overwrite=True)
    record = json.loads((out / "sub-01_FLAIR_threshold_provenance.json").read_text())
    assert record["verdict"] == json.loads(json.dumps(found.runs[0].verdict.as_dict()))
    assert sorted(path.name.removeprefix("sub-01_FLAIR_threshold_") for path in out.glob("*_threshold_*")) == [
        "anomalymap.nii.gz",
        "brainmask.nii.gz",
        "manifest.json",
        "mask.nii.gz",
        "provenance.json",
    ]


def test_healthy_scans_given_take_the_place_of_the_references_at_the_default_threshold_too(case: Case, healthy_folder: Path) -> None:
    healthy = sorted(healthy_folder.iterdir())
    found = compare(case.scan, ["robust-intensity", "thresh-raw"], healthy=healthy)
    own, raw = found.runs
    assert own.verdict.reference == "5 healthy scans given"
    assert "5 healthy brains" in own.result.threshold.origin
    assert raw.healthy == ()  # its scores cannot be compared between brains
    rests = "rest on the 5 healthy scans given, in place of the methods' own references"
    assert healthy_words(found, 5) == f"Thresholds and verdicts of {own.title} {rests}"
    assert healthy_words(found.with_threshold("percentile:98"), 5) == f"Verdicts of {own.title} {rests}"
    assert healthy_words(replace(found, runs=(own,)), 5) == f"Thresholds and verdicts {rests}"
    assert (
        healthy_words(found.with_threshold("99999"), 5)
        == "Nothing rests on the 5 healthy scans given: no region is left at the threshold that was given"
    )
    assert healthy_words(replace(found, runs=(raw,)), 5).startswith("Under this rule nothing rests on the 5 healthy scans given")
    assert healthy_words(found, 0) == ""
    assert raw.verdict.reference == ""
    assert "--healthy" in found.command


def test_a_folder_of_healthy_scans_is_no_healthy_scan(case: Case, healthy_folder: Path) -> None:
    with pytest.raises(
        InputError, match=r"^healthy is no healthy scan: it is a folder: .* 5 files that are not DICOM\. Give the scans in it themselves"
    ):
        compare(case.scan, ["robust-intensity"], healthy=[healthy_folder])
