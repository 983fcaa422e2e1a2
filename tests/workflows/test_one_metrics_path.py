"""One map, one truth, one filter: the same figures to the last digit, whoever asks for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from napari_brain_uad.cli import main
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.evaluation.figure import detection_figure
from napari_brain_uad.gui.layers.tuning import Tuning, settle
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.cohort.batch import BatchRun, run_batch
from napari_brain_uad.workflows.cohort.case import Case
from napari_brain_uad.workflows.cohort.cohort import evaluate_cohort
from napari_brain_uad.workflows.cohort.evaluate import evaluate
from napari_brain_uad.workflows.compare.compare import compare
from napari_brain_uad.workflows.detect.detect import Detection, detect
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from tests.gui.scans import head, write

OVER_ALL = ("auprc", "auprc_trapezoid", "auroc", "pro", "best_dice", "best_dice_voxels")


@pytest.fixture(params=[PostParams(median=3), PostParams(gaussian_mm=1.5, erode=1, opening=0, threshold="otsu"), PostParams()])
def post(request: pytest.FixtureRequest) -> PostParams:
    return request.param


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    data, truth = head()
    noisy = np.where(data > 0, data + np.random.default_rng(3).normal(0, 40, data.shape), 0)
    noisy[0:2] = 0
    # Not left-right symmetric, and partly outside of what is bright.
    moved = np.roll(truth, 2, axis=0)
    return Case("one", write(tmp_path / "one_FLAIR.nii.gz", noisy), truth=write(tmp_path / "truth.nii.gz", moved))


def _detected(case: Case, post: PostParams) -> Detection:
    return detect(case.scan, "thresh-raw", truth=case.truth, post=post)


def test_detect_evaluate_compare_cohort_and_batch_agree(case: Case, post: PostParams, tmp_path: Path) -> None:
    detection = _detected(case, post)
    assert detection.evaluation is not None
    wanted = {metric.name: metric.value for metric in detection.evaluation.metrics}
    assert 0.02 < wanted["auprc"] < 0.99  # type: ignore[operator]  # the test means something
    alone = evaluate(detection.map, case.truth, post=post)  # type: ignore[arg-type]
    assert {name: alone[name].value for name in OVER_ALL} == {name: wanted[name] for name in OVER_ALL}
    comparison = compare(case.scan, ["thresh-raw"], truth=case.truth, post=post)
    assert {metric.name: metric.value for metric in comparison.runs[0].evaluation.metrics} == wanted  # type: ignore[union-attr]
    row = evaluate_cohort([case], ["thresh-raw"], post=post).rows[0].figures
    named = ("auprc", "auroc", "pro", "dice", "best_dice", "lesion_recall", "flagged_ml")
    assert {name: getattr(row, name) for name in named} == {name: wanted[name] for name in named}
    (outcome,) = run_batch([case], BatchRun(MethodSpec("thresh-raw"), post=post), tmp_path / "batch")
    assert outcome.dice == wanted["dice"]


def test_the_figure_and_the_tune_dock_say_what_the_metrics_say(case: Case, post: PostParams) -> None:
    detection = _detected(case, post)
    evaluation, amap = detection.evaluation, detection.map
    assert evaluation is not None
    figure = detection_figure(detection.volume, amap, detection.result, detection.truth, evaluation)
    curve, dot = _plotted(figure)
    np.testing.assert_array_equal(curve, evaluation.pr_curve[:2])
    np.testing.assert_array_equal(dot, [[evaluation["recall"].value], [evaluation["precision"].value]])
    assert f"AUPRC {evaluation['auprc'].value:.3f}" in [axes.get_title().partition(", ")[2] for axes in figure.axes]
    settled = settle(amap, detection.truth, post, Tuning(amap, detection.truth, post).key(), None, Progress())
    for name in ("dice", "precision", "recall", "false_positive_ml"):
        assert getattr(settled.figures, name) == evaluation[name].value


def _plotted(figure: Figure) -> list[np.ndarray]:
    (axes,) = (axes for axes in figure.axes if axes.get_title().startswith("Precision"))
    return [np.array(line.get_data()) for line in axes.lines]


def test_the_command_line_agrees(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--median", "3", "--quiet"]
    truth = str(case.truth)
    assert main(["detect", str(case.scan), "--method", "thresh-raw", "--truth", truth, "--out", str(tmp_path / "d"), *words]) == 0
    assert main(["compare", str(case.scan), "--methods", "thresh-raw", "--truth", truth, "--out", str(tmp_path / "c"), *words]) == 0
    capsys.readouterr()
    (amap,) = (tmp_path / "d").glob("*_anomalymap.nii.gz")
    assert main(["evaluate", str(amap), truth, "--json", *words]) == 0
    alone = json.loads(capsys.readouterr().out)["metrics"]
    detected = json.loads(next((tmp_path / "d").glob("*_metrics.json")).read_text())["metrics"]
    row = json.loads(next((tmp_path / "c").glob("*_comparison.json")).read_text())["rows"][0]
    assert {name: alone[name]["value"] for name in OVER_ALL} == {name: detected[name]["value"] for name in OVER_ALL}
    for name in ("auprc", "auroc", "pro", "best_dice", "best_dice_voxels", "dice", "lesion_recall"):
        assert row[name] == detected[name]["value"]
